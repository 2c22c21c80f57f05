#include "gateway/money/amounts.h"

#include <stdio.h>

#include "base/bytes.h"

#define MINUTE_US (INT64_C(60) * 1000000)

static const struct {
    const char *name, *unit;
    int64_t scale; /* 1: whole numbers */
} kinds[AMOUNT_COUNT] = {
    [AMOUNT_TOKENS] = {"tokens", "tokens", 1},
    [AMOUNT_MICRO_USD] = {"micro_usd", "US dollars", 1000000},
    [AMOUNT_CALLS] = {"calls", "calls", 1},
    [AMOUNT_TIME_US] = {"time_us", "minutes", MINUTE_US},
};

const char *amount_name(enum amount kind)
{
    return kinds[kind].name;
}

void amount_text(enum amount kind, int64_t value, char ret_text[AMOUNT_TEXT_BYTES])
{
    if (kinds[kind].scale == 1)
        (void)snprintf(ret_text, AMOUNT_TEXT_BYTES, "%lld %s", (long long)value,
                       kinds[kind].unit);
    else
        (void)snprintf(ret_text, AMOUNT_TEXT_BYTES, "%.*f %s", value % 10000 == 0 ? 2 : 4,
                       (double)value / (double)kinds[kind].scale, kinds[kind].unit);
}
