/*
 * gateway/upstream/resolver.h - names to addresses, without blocking the loop.
 *
 * getaddrinfo blocks, and reads answers from the network that anybody may have written: so
 * another process (roles/resolver.h) calls it, that holds no key, and one packet goes there and
 * one comes back. No thread is needed for that, and no DNS parser of ours. Answers are kept for
 * half a minute, so that many calls to one provider ask once.
 */
#ifndef CUSTODY_GATEWAY_RESOLVER_H
#define CUSTODY_GATEWAY_RESOLVER_H

#include "base/clock.h"
#include "gateway/upstream/addresses.h"
#include "os/loop.h"

struct resolver;
struct resolver_wait;

/*
 *   socket  the other end (message_pair) is resolver_serve's; taken. -1: asks here, and blocks
 *           for up to some seconds: for commands that make one request and end.
 */
MUST_USE bool resolver_new(struct loop *loop, const struct clock *clock, int socket,
                           struct resolver **ret_resolver, struct fault *fault);
void resolver_free(struct resolver *resolver); /* NULL is fine; nobody waits any more */

/*
 * Calls `told` once, later: never before this has returned. No address: the name is not known,
 * or nobody answers. `addresses` are borrowed for the call.
 */
MUST_USE bool resolver_ask(struct resolver *resolver, struct slice host,
                           void (*told)(void *self, const struct addresses *addresses),
                           void *self, struct resolver_wait **ret_wait, struct fault *fault);
void resolver_forget(struct resolver_wait *wait); /* before `told`; NULL is fine */

/* The other process: answers until the socket is closed. */
void resolver_serve(int socket);

#endif
