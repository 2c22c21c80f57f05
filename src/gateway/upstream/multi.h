/* gateway/upstream/multi.h - libcurl's transfers on our loop. */
#ifndef CUSTODY_GATEWAY_MULTI_H
#define CUSTODY_GATEWAY_MULTI_H

#include "gateway/upstream/transport.h"
#include "os/loop.h"

struct multi;

/* `done(self, private, result)` is called when a transfer has ended; `private` is its
 * CURLOPT_PRIVATE. */
MUST_USE bool multi_new(struct loop *loop, const struct transport *transport,
                        void (*done)(void *self, void *private, CURLcode result), void *self,
                        struct multi **ret_multi, struct fault *fault);
void multi_free(struct multi *multi); /* all transfers have been removed */
MUST_USE bool multi_add(struct multi *multi, CURL *easy, struct fault *fault);
void multi_remove(struct multi *multi, CURL *easy);

#endif
