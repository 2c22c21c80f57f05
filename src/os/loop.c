#include "os/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/bytes.h"
#include "os/clock_real.h"

#define EVENTS_AT_ONCE 64

struct loop_watch {
    struct loop *loop;
    void (*ready)(void *self, uint32_t events);
    void *self;
    int fd;
    bool dead;
    struct loop_watch *next, **at; /* in one of the loop's lists; what leads here */
};

struct loop_timer {
    struct loop *loop;
    int64_t due_us;
    void (*due)(void *self);
    void *self;
    struct loop_timer *next; /* ordered by due_us */
};

struct loop {
    int epoll;
    bool stopped;
    struct loop_watch *live;
    struct loop_watch *dead; /* freed once the round of events is over */
    struct loop_timer *timers;
};

bool loop_new(struct loop **ret_loop, struct fault *fault)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct loop *loop;

    if (epoll < 0)
        return fault_errno(fault, "make an event loop");
    loop = xalloc(sizeof(*loop));
    loop->epoll = epoll;
    *ret_loop = loop;
    return true;
}

static void put(struct loop_watch *watch, struct loop_watch **list)
{
    watch->next = *list;
    watch->at = list;
    if (*list != NULL)
        (*list)->at = &watch->next;
    *list = watch;
}

static void take(struct loop_watch *watch)
{
    *watch->at = watch->next;
    if (watch->next != NULL)
        watch->next->at = watch->at;
}

static void bury(struct loop *loop)
{
    while (loop->dead != NULL) {
        struct loop_watch *watch = loop->dead;

        take(watch);
        free(watch);
    }
}

void loop_free(struct loop *loop)
{
    if (loop == NULL)
        return;
    while (loop->live != NULL)
        loop_unwatch(loop->live);
    bury(loop);
    while (loop->timers != NULL)
        loop_timer_cancel(loop->timers);
    (void)close(loop->epoll);
    free(loop);
}

bool loop_watch(struct loop *loop, int fd, uint32_t events,
                void (*ready)(void *self, uint32_t events), void *self,
                struct loop_watch **ret_watch, struct fault *fault)
{
    struct loop_watch *watch = xalloc(sizeof(*watch));
    struct epoll_event event = {.events = events, .data.ptr = watch};

    *watch = (struct loop_watch){.loop = loop, .ready = ready, .self = self, .fd = fd};
    if (epoll_ctl(loop->epoll, EPOLL_CTL_ADD, fd, &event) < 0) {
        free(watch);
        return fault_errno(fault, "watch a descriptor");
    }
    put(watch, &loop->live);
    *ret_watch = watch;
    return true;
}

bool loop_watch_change(struct loop_watch *watch, uint32_t events, struct fault *fault)
{
    struct epoll_event event = {.events = events, .data.ptr = watch};

    if (epoll_ctl(watch->loop->epoll, EPOLL_CTL_MOD, watch->fd, &event) < 0)
        return fault_errno(fault, "watch a descriptor");
    return true;
}

void loop_unwatch(struct loop_watch *watch)
{
    if (watch == NULL || watch->dead)
        return;
    (void)epoll_ctl(watch->loop->epoll, EPOLL_CTL_DEL, watch->fd, NULL);
    watch->dead = true;
    take(watch);
    put(watch, &watch->loop->dead);
}

bool loop_timer(struct loop *loop, int64_t delay_us, void (*due)(void *self), void *self,
                struct loop_timer **ret_timer, struct fault *fault)
{
    struct loop_timer *timer = xalloc(sizeof(*timer));
    struct loop_timer **at = &loop->timers;

    (void)fault;
    *timer = (struct loop_timer){.loop = loop,
                                 .due_us = clock_monotonic_us(&clock_real) + delay_us,
                                 .due = due,
                                 .self = self};
    while (*at != NULL && (*at)->due_us <= timer->due_us)
        at = &(*at)->next;
    timer->next = *at;
    *at = timer;
    if (ret_timer != NULL)
        *ret_timer = timer;
    return true;
}

void loop_timer_cancel(struct loop_timer *timer)
{
    if (timer == NULL)
        return;
    for (struct loop_timer **at = &timer->loop->timers; *at != NULL; at = &(*at)->next)
        if (*at == timer) {
            *at = timer->next;
            free(timer);
            return;
        }
}

static void fire_due_timers(struct loop *loop)
{
    int64_t now_us = clock_monotonic_us(&clock_real);

    while (!loop->stopped && loop->timers != NULL && loop->timers->due_us <= now_us) {
        struct loop_timer *timer = loop->timers;
        void (*due)(void *self) = timer->due;
        void *self = timer->self;

        loop->timers = timer->next;
        free(timer);
        due(self);
    }
}

static int wait_ms(const struct loop *loop)
{
    int64_t left_us;

    if (loop->timers == NULL)
        return -1;
    left_us = loop->timers->due_us - clock_monotonic_us(&clock_real);
    if (left_us <= 0)
        return 0;
    return left_us > 60000000 ? 60000 : (int)((left_us + 999) / 1000);
}

bool loop_run(struct loop *loop, struct fault *fault)
{
    while (!loop->stopped) {
        struct epoll_event events[EVENTS_AT_ONCE];
        int count = epoll_wait(loop->epoll, events, EVENTS_AT_ONCE, wait_ms(loop));

        if (count < 0 && errno != EINTR)
            return fault_errno(fault, "wait for events");
        for (int i = 0; i < count; i++) {
            struct loop_watch *watch = events[i].data.ptr;

            if (!watch->dead && !loop->stopped)
                watch->ready(watch->self, events[i].events);
        }
        bury(loop);
        fire_due_timers(loop);
    }
    loop->stopped = false;
    return true;
}

void loop_stop(struct loop *loop)
{
    loop->stopped = true;
}
