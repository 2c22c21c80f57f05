/* How people write a time on the command line. */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "commands/command.h"
#include "os/clock_real.h"

static bool parse_span(const char *text, int64_t *ret_us)
{
    static const struct {
        char unit;
        int64_t seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 604800}};
    char *end;
    long count;

    errno = 0;
    count = strtol(text, &end, 10);
    if (errno != 0 || end == text || count < 0 || count > 1000000 || end[0] == 0 ||
        end[1] != 0)
        return false;
    for (size_t i = 0; i < COUNT(units); i++)
        if (end[0] == units[i].unit) {
            *ret_us = count * units[i].seconds * 1000000;
            return true;
        }
    return false;
}

bool command_span(const char *option, const char *text, int64_t *ret_us, struct fault *fault)
{
    return parse_span(text, ret_us) ||
           fault_set(fault, FAULT_INVALID, "--%s %s: write 30m, 4h", option, text);
}

bool command_time(const char *option, const char *text, int64_t *ret_us, struct fault *fault)
{
    static const char *const forms[] = {"%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%MZ", "%Y-%m-%d"};
    int64_t span_us;

    if (parse_span(text, &span_us)) {
        *ret_us = clock_now_us(&clock_real) - span_us;
        return true;
    }
    for (size_t i = 0; i < COUNT(forms); i++) {
        struct tm tm = {0};
        const char *end = strptime(text, forms[i], &tm);

        if (end != NULL && *end == 0) {
            *ret_us = (int64_t)timegm(&tm) * 1000000;
            return true;
        }
    }
    return fault_set(fault, FAULT_INVALID,
                     "--%s %s: write 2026-11-24, 2026-11-24T08:30:00Z, or 15m", option, text);
}
