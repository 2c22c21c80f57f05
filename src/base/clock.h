/* base/clock.h - time is handed in, so that a test owns it. */
#ifndef CUSTODY_BASE_CLOCK_H
#define CUSTODY_BASE_CLOCK_H

#include <stdint.h>

struct clock {
    int64_t (*now_us)(void *self);       /* microseconds since 1970-01-01T00:00:00Z */
    int64_t (*monotonic_us)(void *self); /* microseconds, never goes back */
    /* What the kernel stamps files with: the time of its last tick, nanoseconds since 1970.
     * NULL: now_us serves. */
    int64_t (*tick_ns)(void *self);
    void *self;
};

static inline int64_t clock_now_us(const struct clock *clock)
{
    return clock->now_us(clock->self);
}

static inline int64_t clock_monotonic_us(const struct clock *clock)
{
    return clock->monotonic_us(clock->self);
}

static inline int64_t clock_tick_ns(const struct clock *clock)
{
    return clock->tick_ns != NULL ? clock->tick_ns(clock->self) : clock_now_us(clock) * 1000;
}

/* "2026-11-24T03:54:46.123456Z" into 28 bytes, NUL included. */
#define CLOCK_TEXT_BYTES 28
void clock_text(int64_t t_us, char ret_text[CLOCK_TEXT_BYTES]);

#endif
