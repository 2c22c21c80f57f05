/* gateway/dialect/dialect.h - errors of each model API, in answers and inside of streams. */
#ifndef CUSTODY_GATEWAY_DIALECT_H
#define CUSTODY_GATEWAY_DIALECT_H

#include "gateway/gateway.h"

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
