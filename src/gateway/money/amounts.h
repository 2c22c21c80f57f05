/* gateway/money/amounts.h - what a budget counts, as one vector. Pure. */
#ifndef CUSTODY_GATEWAY_AMOUNTS_H
#define CUSTODY_GATEWAY_AMOUNTS_H

#include <stdint.h>

#include "base/fault.h"

enum amount {
    AMOUNT_TOKENS, /* in and out */
    AMOUNT_MICRO_USD,
    AMOUNT_CALLS,
    AMOUNT_TIME_US, /* from a call's request to the end of its answer */
    AMOUNT_COUNT,
};

/* Each from 0 to AMOUNT_MAX; sums stay there. */
struct amounts {
    int64_t of[AMOUNT_COUNT];
};

#define AMOUNT_MAX (INT64_C(1) << 52)

#define AMOUNT_TEXT_BYTES 48

/* "0.31 US dollars", "12000 tokens", for people. */
void amount_text(enum amount kind, int64_t value, char ret_text[AMOUNT_TEXT_BYTES]);
const char *amount_name(enum amount kind); /* tokens micro_usd calls time_us */

static inline int64_t amount_bounded(int64_t value)
{
    return value < 0 ? 0 : value > AMOUNT_MAX ? AMOUNT_MAX : value;
}

/* a + b, at most AMOUNT_MAX: what is spent is never forgotten by running over. */
static inline int64_t amount_sum(int64_t a, int64_t b)
{
    return amount_bounded(amount_bounded(a) + amount_bounded(b));
}

/* a - b, at least 0. */
static inline int64_t amount_less(int64_t a, int64_t b)
{
    return amount_bounded(amount_bounded(a) - amount_bounded(b));
}

static inline int64_t amount_smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

#endif
