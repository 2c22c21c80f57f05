/*
 * tests/unit/gateway/upstream.h - a model provider on loopback, plain or with TLS, that
 * answers as a test says and keeps what it was sent.
 */
#ifndef CUSTODY_TESTS_UNIT_GATEWAY_UPSTREAM_H
#define CUSTODY_TESTS_UNIT_GATEWAY_UPSTREAM_H

#include <stdint.h>
#include <sys/types.h>

#include "base/bytes.h"

struct link; /* one connection that the provider has accepted */

/* Answers one request (head and body as they came); runs in a process of its own. */
typedef void upstream_answer(struct link *link, struct slice request);

void link_send(struct link *link, const char *text);
void link_send_bytes(struct link *link, struct slice bytes);
/* A whole answer of that status with a content length. */
void link_answer(struct link *link, int status, const char *type, const char *body);
/* The head of a stream; then link_chunk for each piece, then link_chunk_end. */
void link_stream(struct link *link);
void link_chunk(struct link *link, const char *text);
void link_chunk_end(struct link *link);
void link_sleep_ms(int ms);
void link_cut(struct link *link) __attribute__((noreturn)); /* closes at once, in the middle */
/* Waits until the peer has closed, at most `ms`; notes "gone" or "stayed" in the log. */
void link_note_when_gone(struct link *link, int ms);

struct upstream {
    pid_t pid;
    uint16_t port;
    char log[128]; /* file with all requests */
};

/* `certificate`, `key`: PEM files, or NULL for plain HTTP. */
struct upstream upstream_start(const char *folder, upstream_answer *answer,
                               const char *certificate, const char *key);
void upstream_stop(struct upstream *upstream);
/* All that was received so far; the caller frees. */
char *upstream_log(const struct upstream *upstream);

/* Makes ca.pem, server.pem and server.key (for 127.0.0.1) in `folder`, and other-ca.pem that
 * signed neither. */
void upstream_certificates(const char *folder);

#endif
