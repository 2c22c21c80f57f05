/* os/loop.h - the one epoll loop. No threads; callbacks run one at a time. */
#ifndef CUSTODY_OS_LOOP_H
#define CUSTODY_OS_LOOP_H

#include <stdint.h>
#include <sys/epoll.h>

#include "base/fault.h"

struct loop;
struct loop_watch;
struct loop_timer;

MUST_USE bool loop_new(struct loop **ret_loop, struct fault *fault);
/* With all its watches and timers. NULL is fine; descriptors stay open. */
void loop_free(struct loop *loop);

/* Calls `ready(self, events)` when `fd` has any of `events` (EPOLLIN, EPOLLOUT). */
MUST_USE bool loop_watch(struct loop *loop, int fd, uint32_t events,
                         void (*ready)(void *self, uint32_t events), void *self,
                         struct loop_watch **ret_watch, struct fault *fault);
MUST_USE bool loop_watch_change(struct loop_watch *watch, uint32_t events,
                                struct fault *fault);
void loop_unwatch(struct loop_watch *watch); /* safe inside its own callback; NULL is fine */

/* One shot, after `delay_us`. Freed when it has fired. */
MUST_USE bool loop_timer(struct loop *loop, int64_t delay_us, void (*due)(void *self),
                         void *self, struct loop_timer **ret_timer, struct fault *fault);
void loop_timer_cancel(struct loop_timer *timer); /* before it has fired; NULL is fine */

/* Runs until loop_stop. */
MUST_USE bool loop_run(struct loop *loop, struct fault *fault);
void loop_stop(struct loop *loop);

#endif
