#include <stdio.h>
#include <time.h>

#include "store/store.h"

void store_id(char kind, int64_t now_us, const uint8_t random[2], char ret_id[STORE_ID_BYTES])
{
    time_t seconds = (time_t)(now_us / 1000000);
    struct tm tm;

    (void)gmtime_r(&seconds, &tm);
    (void)snprintf(ret_id, STORE_ID_BYTES, "%c-%04u%02u%02u-%02u%02u%02u-%02x%02x", kind,
                   (unsigned)(tm.tm_year + 1900) % 10000U, (unsigned)(tm.tm_mon + 1) % 100U,
                   (unsigned)tm.tm_mday % 100U, (unsigned)tm.tm_hour % 100U,
                   (unsigned)tm.tm_min % 100U, (unsigned)tm.tm_sec % 100U, random[0],
                   random[1]);
}
