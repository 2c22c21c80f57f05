/*
 * ledger/timestamp.h - RFC 3161 time stamps over the text of a checkpoint.
 *
 * Over the text, which is what the log signed, so that later cosignatures change nothing.
 */
#ifndef CUSTODY_LEDGER_TIMESTAMP_H
#define CUSTODY_LEDGER_TIMESTAMP_H

#include "base/bytes.h"
#include "base/fault.h"

#define TIMESTAMP_BYTES_MAX (64 * 1024)
#define TIMESTAMP_CA_BYTES_MAX (1024 * 1024)

/* A request (DER, appended): SHA-256, with a nonce, asking for the authority's certificate. */
MUST_USE bool timestamp_request(struct slice text, struct buf *ret_request,
                                struct fault *fault);
/*
 * Is `response` (DER, nothing behind it) a token over `text` by an authority whose
 * certificates lead to one of `ca` (PEM)? They must have been valid when the token was made.
 *   request   what was asked, so that its nonce is compared; empty: not known any more
 *   ret_time  when the authority saw the text, seconds since 1970
 * FAULT_INVALID: it is not, or its hash is weaker than SHA-256.
 */
MUST_USE bool timestamp_check(struct slice response, struct slice text, struct slice ca,
                              struct slice request, int64_t *ret_time, struct fault *fault);

#endif
