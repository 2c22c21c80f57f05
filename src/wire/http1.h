/*
 * wire/http1.h - HTTP/1.1 requests in, responses out (RFC 9112), stricter than the standard.
 *
 * Refused, because request smuggling has used them: Content-Length together with
 * Transfer-Encoding, repeated or signed lengths, chunk extensions, folded lines, a line that
 * ends in a bare LF, white space before a colon, NUL and other control characters, HTTP/1.0
 * and below, but for a CONNECT, which Python's own client sends so, and without a Host.
 */
#ifndef CUSTODY_WIRE_HTTP1_H
#define CUSTODY_WIRE_HTTP1_H

#include "base/bytes.h"
#include "base/fault.h"

#define HTTP1_HEAD_BYTES_MAX (64 * 1024)
#define HTTP1_HEADERS_MAX 100

struct http1_header {
    struct slice name; /* as sent; compare with http1_request_header */
    struct slice value;
};

struct http1_request; /* one request being read */

/* body_limit: bytes of body, after chunked decoding. */
struct http1_request *http1_request_new(size_t body_limit);
void http1_request_free(struct http1_request *request); /* NULL is fine */
/* Forgets the request that was read; the next one may begin. */
void http1_request_reset(struct http1_request *request);

/*
 * Takes bytes until the request is complete.
 *   ret_used  how many were taken; fewer than given only when the request is complete
 * FAULT_INVALID, FAULT_LIMIT: http1_request_status says with which HTTP status to refuse; the
 * connection must be closed after that. Bytes may be cut anywhere.
 */
MUST_USE bool http1_request_feed(struct http1_request *request, struct slice bytes,
                                 size_t *ret_used, struct fault *fault);
int http1_request_status(const struct http1_request *request); /* 400 413 414 431 501 505 */

bool http1_request_begun(const struct http1_request *request); /* a byte has been read */
bool http1_request_head_done(
    const struct http1_request *request); /* accessors below may be used */
bool http1_request_done(const struct http1_request *request);

/* All borrow from the request until reset. */
struct slice http1_request_method(const struct http1_request *request);
struct slice http1_request_path(const struct http1_request *request);  /* "/v1/models"; "*" */
struct slice http1_request_query(const struct http1_request *request); /* without "?" */
struct slice
http1_request_authority(const struct http1_request *request); /* absolute-form or CONNECT */
struct slice http1_request_body(const struct http1_request *request);
size_t http1_request_header_count(const struct http1_request *request);
struct http1_header http1_request_header_at(const struct http1_request *request, size_t index);
/* First header of that name (any case), or an empty slice with at == NULL. */
struct slice http1_request_header(const struct http1_request *request, const char *name);
bool http1_request_keep_alive(const struct http1_request *request);
bool http1_request_wants_continue(const struct http1_request *request);
bool http1_request_wants_upgrade(const struct http1_request *request);
/* The body is the caller's from here on. */
struct buf http1_request_take_body(struct http1_request *request);

#define HTTP1_CHUNKED SIZE_MAX

/*
 * Appends a response head.
 *   headers  values are checked: no control characters
 *   length   of the body, or HTTP1_CHUNKED
 */
MUST_USE bool http1_response_head(struct buf *out, int status,
                                  const struct http1_header *headers, size_t header_count,
                                  size_t length, bool keep_alive, struct fault *fault);
/* Appends one chunk; nothing for empty bytes (an empty chunk would end the body). */
MUST_USE bool http1_chunk(struct buf *out, struct slice bytes, struct fault *fault);
MUST_USE bool http1_chunk_end(struct buf *out, struct fault *fault);

/* "Bad Request" */
const char *http1_reason(int status);

#endif
