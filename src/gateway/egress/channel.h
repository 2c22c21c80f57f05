/*
 * gateway/egress/channel.h - one stream of bytes on the loop, plain or with TLS at our end,
 * with back-pressure both ways. Private to gateway/egress.
 */
#ifndef CUSTODY_GATEWAY_EGRESS_CHANNEL_H
#define CUSTODY_GATEWAY_EGRESS_CHANNEL_H

#include "base/bytes.h"
#include "gateway/libssl.h"
#include "os/loop.h"

#define CHANNEL_HIGH_BYTES (256 * 1024) /* more is not taken in before some has gone out */

struct channel;

/* Takes `fd`, a connected stream socket. `ready(self)`: something below has changed; the
 * channel may be closed in it. */
MUST_USE bool channel_new(struct loop *loop, int fd, void (*ready)(void *self), void *self,
                          struct channel **ret_channel, struct fault *fault);
/* Closes at once; callers up the stack are safe. NULL is fine. */
void channel_close(struct channel *channel);

/* From here on TLS, with us as the server; what has been read already belongs to it. */
MUST_USE bool channel_accept_tls(struct channel *channel, SSL_CTX *context,
                                 struct fault *fault);
/* As the client; `host` is the name, or the address, that the server must have proven. */
MUST_USE bool channel_connect_tls(struct channel *channel, SSL_CTX *context, const char *host,
                                  struct fault *fault);
bool channel_is_open(const struct channel *channel); /* plain, or the handshake is done */
/* SHA-256 of the peer's certificate, DER, 64 digits; "" where there is none. */
void channel_peer_digest(const struct channel *channel, char ret_digest[65]);

/* What has come and was not taken yet; the caller drops bytes off its front. */
struct buf *channel_in(struct channel *channel);
/* Go on reading? At first: yes. */
void channel_read_on(struct channel *channel, bool reads);
/* Calls `ready` soon: what has come already waits to be looked at. */
void channel_nudge(struct channel *channel);
/* The peer sends no more, and said so (TLS: by its own message); channel_in may hold a rest. */
bool channel_has_ended(const struct channel *channel);
/* It broke, or was cut; `why` for people. */
bool channel_has_failed(const struct channel *channel);
const char *channel_why(const struct channel *channel);

/* Queued and sent as the peer takes it. */
void channel_send(struct channel *channel, struct slice bytes);
size_t channel_unsent(const struct channel *channel);
/* No more is sent: the peer is told when all has gone. */
void channel_finish(struct channel *channel);

#endif
