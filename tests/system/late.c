/*
 * A later day, for archive_test.py: preloaded into custody, LATE seconds are added to the wall
 * clock of it and of what it starts. The product has no such switch.
 */
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

int clock_gettime(clockid_t which, struct timespec *time)
{
    int (*real)(clockid_t, struct timespec *) =
        (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    const char *late = getenv("LATE");
    int result = real(which, time);

    if (result == 0 && which == CLOCK_REALTIME && late != NULL)
        time->tv_sec += strtol(late, NULL, 10);
    return result;
}
