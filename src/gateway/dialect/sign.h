/*
 * gateway/dialect/sign.h - AWS Signature Version 4 of a request, and the keys for it. Pure: time
 * is handed in.
 * Source: docs.aws.amazon.com/IAM, "Create a signed AWS API request".
 */
#ifndef CUSTODY_GATEWAY_SIGN_H
#define CUSTODY_GATEWAY_SIGN_H

#include "base/bytes.h"
#include "base/fault.h"

/* All borrow from the text they were read from. */
struct sign_keys {
    struct slice access, secret, token; /* token: of temporary keys; else empty */
};

/*
 * Reads keys as they stand in ~/.aws/credentials, one section of it: lines of
 * aws_access_key_id, aws_secret_access_key, aws_session_token = VALUE. FAULT_MISSING: it has no
 * access key (it may be another kind of key). FAULT_INVALID: a line is something else, stands
 * there twice, or a value holds what no header may.
 */
MUST_USE bool sign_keys_read(struct slice text, struct sign_keys *ret_keys, struct fault *fault);

struct sign_header {
    struct slice name; /* in small letters */
    struct slice value;
};

struct sign_request {
    const char *method;
    struct slice target;               /* path and query as they are sent */
    const struct sign_header *headers; /* to be signed, ascending by name; "host" among them,
                                        * "x-amz-date" and the token's not */
    size_t header_count;
    struct slice body;
    const char *region, *service;
    int64_t now_us; /* wall clock */
};

#define SIGN_LINES_MAX 3

/*
 * Appends header lines, each ended by "\n": X-Amz-Date, X-Amz-Security-Token (where there is
 * one), Authorization. The buffer holds a token then: free it as a secret.
 */
MUST_USE bool sign_request(const struct sign_keys *keys, const struct sign_request *request,
                           struct buf *ret_lines, struct fault *fault);

#endif
