#include "commands/history_telling.h"

#include <stdio.h>
#include <unistd.h>

#include "os/clock_real.h"

#define PROGRESS_PAUSE_US 200000
#define TOLD_FROM 1000000 /* indexing fewer takes no time that one would ask about */

void history_tell(void *self, const char *text)
{
    const struct history_telling *telling = self;

    (void)fprintf(stderr, "custody %s: %s\n", telling->verb, text);
}

void history_show_progress(void *self, uint64_t done, uint64_t total)
{
    struct history_telling *telling = self;
    int64_t now_us = clock_monotonic_us(&clock_real);

    if (!isatty(STDERR_FILENO)) {
        if (telling->told_us == 0 && total - done > TOLD_FROM)
            (void)fprintf(stderr, "custody %s: indexing %llu records\n", telling->verb,
                          (unsigned long long)(total - done));
        telling->told_us = now_us;
        return;
    }
    if (done < total && now_us - telling->told_us < PROGRESS_PAUSE_US)
        return;
    telling->told_us = now_us;
    (void)fprintf(stderr, "\rcustody %s: indexing, %llu of %llu records%s", telling->verb,
                  (unsigned long long)done, (unsigned long long)total,
                  done < total ? "" : "\r\033[K");
    (void)fflush(stderr);
}
