#include "os/clock_real.h"

#include <stddef.h>
#include <time.h>

static int64_t read_us(clockid_t id)
{
    struct timespec now = {0};

    (void)clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int64_t now_us(void *self)
{
    (void)self;
    return read_us(CLOCK_REALTIME);
}

static int64_t monotonic_us(void *self)
{
    (void)self;
    return read_us(CLOCK_MONOTONIC);
}

static int64_t tick_ns(void *self)
{
    struct timespec now = {0};

    (void)self;
    (void)clock_gettime(CLOCK_REALTIME_COARSE, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

const struct clock clock_real = {
    .now_us = now_us, .monotonic_us = monotonic_us, .tick_ns = tick_ns, .self = NULL};
