/*
 * gateway/upstream/tls.h - TLS 1.2 and 1.3 to one host, by OpenSSL, without blocking.
 *
 * Chain and name are always verified; there is no way to switch that off. Nothing is taken from
 * the environment. libssl is loaded (dlopen) when it is first needed: an agent with a model on
 * this machine has no use for it, and a start no time.
 */
#ifndef CUSTODY_GATEWAY_TLS_H
#define CUSTODY_GATEWAY_TLS_H

#include "base/bytes.h"
#include "base/fault.h"

#define TLS_DIGEST_BYTES 32
#define TLS_PINS_MAX 16

struct tls_config {
    struct slice host; /* a name, or an address without brackets */
    struct slice ca;   /* PEM; empty: the system's */
    /* SHA-256 of a SubjectPublicKeyInfo: one of the verified chain must be among them.
     * pin_count 0: any chain that is verified will do. */
    const uint8_t (*pins)[TLS_DIGEST_BYTES];
    size_t pin_count;
};

struct tls;        /* whom to trust, and the last session for resumption */
struct tls_stream; /* one connection */

/* FAULT_HOST: no libssl. FAULT_INVALID: the CA is none. */
MUST_USE bool tls_new(const struct tls_config *config, struct tls **ret_tls,
                      struct fault *fault);
void tls_free(struct tls *tls); /* NULL is fine; its streams have been closed */

enum tls_result {
    TLS_DONE,
    TLS_WANTS_READ,
    TLS_WANTS_WRITE,
    TLS_END, /* the peer has closed in order */
    TLS_BROKEN,
};

/* `socket` is connected, does not block, and stays the caller's. */
MUST_USE bool tls_open(struct tls *tls, int socket, struct tls_stream **ret_stream,
                       struct fault *fault);
/* TLS_BROKEN: `fault` says why; FAULT_DENIED: it is not whom we trust. */
enum tls_result tls_handshake(struct tls_stream *stream, struct fault *fault);
enum tls_result tls_read(struct tls_stream *stream, uint8_t *room, size_t room_len,
                         size_t *ret_got);
enum tls_result tls_write(struct tls_stream *stream, struct slice bytes, size_t *ret_put);
/* SHA-256 of the peer's certificate (DER), 64 hexadecimal digits; after the handshake. */
const char *tls_certificate(const struct tls_stream *stream);
void tls_close(struct tls_stream *stream); /* says so to the peer if it can; NULL is fine */

/* 64 hexadecimal digits in lower case. */
MUST_USE bool tls_pin_parse(struct slice text, uint8_t ret_pin[TLS_DIGEST_BYTES],
                            struct fault *fault);

#endif
