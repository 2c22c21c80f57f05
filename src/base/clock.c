#include "base/clock.h"

#include <stdio.h>
#include <time.h>

void clock_text(int64_t t_us, char ret_text[CLOCK_TEXT_BYTES])
{
    time_t seconds = (time_t)(t_us / 1000000);
    struct tm tm = {0};

    (void)gmtime_r(&seconds, &tm);
    (void)snprintf(ret_text, CLOCK_TEXT_BYTES, "%04u-%02u-%02uT%02u:%02u:%02u.%06uZ",
                   (unsigned)(tm.tm_year + 1900) % 10000, (unsigned)(tm.tm_mon + 1) % 100,
                   (unsigned)tm.tm_mday % 100, (unsigned)tm.tm_hour % 100,
                   (unsigned)tm.tm_min % 100, (unsigned)tm.tm_sec % 100,
                   (unsigned)(t_us % 1000000));
}
