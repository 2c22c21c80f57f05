/* gateway/dialect/dialect.h - what differs between the model APIs, as tables. */
#ifndef CUSTODY_GATEWAY_DIALECT_H
#define CUSTODY_GATEWAY_DIALECT_H

#include "gateway/gateway.h"
#include "wire/url.h"

enum route {
    ROUTE_UNKNOWN,
    ROUTE_CALL,   /* POST: a model call in some dialect */
    ROUTE_MODELS, /* GET: the names that policy allows */
};

/*
 * Where a path leads. Clients put their own "/v1" before or behind the one of the base URL, so
 * it may be missing or doubled.
 */
enum route dialect_route(struct slice path, enum dialect *ret_dialect);

/* The provider's URL for a call: base with the dialect's path. The caller frees ret_url->at.
 */
MUST_USE bool dialect_endpoint(enum dialect dialect, struct slice base, struct buf *ret_url,
                               struct fault *fault);
/* "Authorization: Bearer " or "x-api-key: " */
const char *dialect_key_header(enum dialect dialect);

/* Appends an error body of that dialect. `code` is a word of ours, `message` is for people. */
MUST_USE bool dialect_error(enum dialect dialect, int status, const char *code,
                            const char *message, struct buf *out, struct fault *fault);
/*
 * Appends an error event for a stream whose head has gone out.
 *   sequence  for the Responses dialect: the number after the last one seen; -1: not known
 */
MUST_USE bool dialect_stream_error(enum dialect dialect, const char *code, const char *message,
                                   int64_t sequence, struct buf *out, struct fault *fault);

#endif
