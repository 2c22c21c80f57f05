/*
 * gateway/upstream/dial.h - a TCP connection to whichever of a host's addresses answers first
 * (RFC 8305): the next one is tried when one fails, or says nothing for a quarter of a second.
 */
#ifndef CUSTODY_GATEWAY_DIAL_H
#define CUSTODY_GATEWAY_DIAL_H

#include "gateway/upstream/addresses.h"
#include "os/loop.h"

struct dial;

/*
 * Calls `done(self, fd)` once, later: a connected socket that does not block, close-on-exec,
 * TCP_NODELAY, the callee's; or -1. `self` may free what it likes then; the dial is gone.
 */
MUST_USE bool dial_begin(struct loop *loop, const struct addresses *addresses, uint16_t port,
                         void (*done)(void *self, int fd), void *self, struct dial **ret_dial,
                         struct fault *fault);
void dial_cancel(struct dial *dial); /* before `done`; NULL is fine */

#endif
