/*
 * gateway/upstream/client.h - HTTP/1.1 requests to hosts that policy names: one at a time on a
 * connection, connections kept and used again.
 *
 * HTTP/1.1 only, so that back-pressure is the socket's: who does not read is not written to. A
 * slow reader costs the 64 KB that have been read, and no more. A kept connection that turns out
 * to be closed is replaced once, before a byte of answer has come.
 */
#ifndef CUSTODY_GATEWAY_CLIENT_H
#define CUSTODY_GATEWAY_CLIENT_H

#include "gateway/upstream/link.h"
#include "wire/http1_response.h"

struct client;
struct origin;
struct transfer;

/* Borrows all; `resolver` may be NULL where hosts and proxies are addresses. */
struct client *client_new(struct loop *loop, const struct clock *clock,
                          struct resolver *resolver);
void client_free(struct client *client); /* with its origins; no transfer is under way */
/* Closes connections that nobody has used for long; once a second or so. */
void client_patrol(struct client *client);

/*
 * Makes a place known, and its connections: as long as the client lives. `place` is copied, what
 * it points at is borrowed.
 *   body_limit  bytes of an answer, at most
 */
struct origin *origin_new(struct client *client, const struct link_place *place,
                          uint64_t body_limit);

enum transfer_end {
    TRANSFER_WHOLE,
    TRANSFER_UNREACHABLE,
    TRANSFER_PROXY,     /* the proxy refuses */
    TRANSFER_UNTRUSTED, /* the certificate */
    TRANSFER_CUT,       /* the connection broke */
    TRANSFER_BROKEN,    /* what came is no HTTP/1.1 as we take it */
    TRANSFER_TOO_LARGE,
};

/* Each may cancel the transfer; after `ended` it is gone. */
struct transfer_events {
    void (*head)(void *self, const struct http1_response *response);
    void (*bytes)(void *self, struct slice bytes); /* of the body, borrowed, at least one */
    void (*settled)(void *self); /* all that had been read has been told; more is to come */
    void (*ended)(void *self, enum transfer_end end);
};

/*
 * Sends a request. Calls no event before it has returned.
 *   head, body  as they go out; borrowed until the end
 */
struct transfer *transfer_begin(struct origin *origin, struct slice head, struct slice body,
                                const struct transfer_events *events, void *self);
void transfer_cancel(struct transfer *transfer); /* before `ended`; NULL is fine */
/* Nothing more is read while it is paused. What has been read still comes: 64 KB at most. */
void transfer_pause(struct transfer *transfer, bool paused);

/* True: all of `head` and `body` has gone, and they are not borrowed any more. Only when the answer
 * has begun. */
bool transfer_let_go(struct transfer *transfer);

enum transfer_phase {
    TRANSFER_CONNECTING,
    TRANSFER_SENDING,
    TRANSFER_WAITING, /* for the first byte */
    TRANSFER_READING,
};
enum transfer_phase transfer_phase(const struct transfer *transfer);
/* Monotonic: when it came into its phase, or bytes last moved. */
int64_t transfer_moved_us(const struct transfer *transfer);
/* SHA-256 of the peer's certificate, hexadecimal, once there is one; else "". */
const char *transfer_certificate(const struct transfer *transfer);

#endif
