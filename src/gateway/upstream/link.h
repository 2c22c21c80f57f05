/*
 * gateway/upstream/link.h - one connection to a host: its name resolved, an address dialled, a
 * proxy passed, TLS agreed; then bytes both ways, without blocking.
 */
#ifndef CUSTODY_GATEWAY_LINK_H
#define CUSTODY_GATEWAY_LINK_H

#include "gateway/upstream/resolver.h"
#include "gateway/upstream/tls.h"

/* Where to, and how. Borrowed for the life of its links. */
struct link_place {
    struct slice host; /* without brackets */
    uint16_t port;
    bool loopback_only; /* whatever the name resolves to */
    struct tls *tls;    /* NULL: plain */
    /* HTTP CONNECT by that one; then it resolves the host's name. Empty: none. */
    struct slice proxy_host;
    uint16_t proxy_port;
    struct slice proxy_header; /* a line with its CR LF, or empty; a secret */
};

enum link_failure {
    LINK_UNREACHABLE, /* no address, or none answers */
    LINK_REFUSED,     /* by the proxy */
    LINK_UNTRUSTED,   /* its certificate, or TLS itself */
};

/* Each may free the link. */
struct link_events {
    void (*opened)(void *self);
    void (*failed)(void *self, enum link_failure why);
    void (*ready)(void *self, uint32_t events); /* opened, and what is awaited is there */
};

struct link;

/* Calls `opened` or `failed` once, later: never before this has returned. */
MUST_USE bool link_new(struct loop *loop, struct resolver *resolver,
                       const struct link_place *place, const struct link_events *events,
                       void *self, struct link **ret_link, struct fault *fault);
void link_free(struct link *link); /* NULL is fine */

enum link_io {
    LINK_MOVED,
    LINK_LATER,
    LINK_END, /* the peer has closed; over TLS: and said so */
    LINK_BROKEN,
};

/* What TLS has read ahead wakes nobody: read until LINK_LATER. */
enum link_io link_read(struct link *link, uint8_t *room, size_t room_len, size_t *ret_got);
/* `head`, then `body`; ret_put counts through both. */
enum link_io link_write(struct link *link, struct slice head, struct slice body,
                        size_t *ret_put);
/* Which `ready` is wanted; at first: readable. */
void link_await(struct link *link, bool readable, bool writable);
bool link_reads_ahead(const struct link *link);
/* SHA-256 of the peer's certificate, hexadecimal; "" without TLS. */
const char *link_certificate(const struct link *link);

#endif
