/*
 * Faults of a host, for canary_test.py and shards_test.py: preloaded into custody, they make
 * calls of the cell's canaries, or the clock, do something else than the kernel would. FAULT
 * names the one.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

static int is(const char *fault)
{
    const char *wanted = getenv("FAULT");

    return wanted != NULL && strcmp(wanted, fault) == 0;
}

/* A path that the fault makes another, or NULL with errno. */
static const char *faulty(const char *path)
{
    if (is("shadow-opens") && strcmp(path, "/etc/shadow") == 0)
        return "/dev/null";
    if ((is("card-missing") && strstr(path, "/.canary-card-") != NULL) ||
        (is("denied-unasked") && strstr(path, "/.canary-denied-") != NULL)) {
        errno = ENOENT;
        return NULL;
    }
    if (is("write-unasked") && strstr(path, "/billing/custody.yaml") != NULL) {
        errno = EACCES;
        return NULL;
    }
    return path;
}

int open64(const char *path, int flags, ...)
{
    int (*real)(const char *, int, ...) =
        (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open64");
    va_list arguments;
    mode_t mode;

    va_start(arguments, flags);
    mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    path = faulty(path);
    return path == NULL ? -1 : real(path, flags, mode);
}

/* The canary's listener in the host is the one that lets the kernel choose its name. */
int bind(int fd, const struct sockaddr *name, socklen_t len)
{
    int (*real)(int, const struct sockaddr *, socklen_t) =
        (int (*)(int, const struct sockaddr *, socklen_t))dlsym(RTLD_NEXT, "bind");

    if (is("no-listener") && name->sa_family == AF_UNIX && len == sizeof(sa_family_t)) {
        errno = EADDRINUSE;
        return -1;
    }
    return real(fd, name, len);
}

int clock_gettime(clockid_t clock, struct timespec *ret_time)
{
    int (*real)(clockid_t, struct timespec *) =
        (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int status = real(clock, ret_time);

    if (status == 0 && clock == CLOCK_REALTIME && is("next-year"))
        ret_time->tv_sec += 366L * 86400;
    return status;
}
