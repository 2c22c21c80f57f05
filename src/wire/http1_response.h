/*
 * wire/http1_response.h - HTTP/1.1 responses in (RFC 9112), as strict as wire/http1.h is with
 * requests.
 *
 * Also refused: 101 (nothing is upgraded here), and more than eight interim responses; 100,
 * 102 and 103 are passed over. HTTP/1.0 is taken, without chunks, and its connection is not
 * used again.
 */
#ifndef CUSTODY_WIRE_HTTP1_RESPONSE_H
#define CUSTODY_WIRE_HTTP1_RESPONSE_H

#include "wire/http1.h"

struct http1_response; /* one response being read */

/* body_limit: bytes of body, after chunked decoding. */
struct http1_response *http1_response_new(uint64_t body_limit);
void http1_response_free(struct http1_response *response); /* NULL is fine */
/*
 * Forgets what was read; the next response may begin.
 *   is_tunnel  it answers a CONNECT: one of 2xx has no body, what follows is not HTTP
 */
void http1_response_reset(struct http1_response *response, bool is_tunnel);

/* After a reset: it answers a HEAD, and has no body, whatever its head says. */
void http1_response_of_head(struct http1_response *response);

/*
 * Takes bytes, cut anywhere, up to the end of the head, of a piece of body or of the response.
 *   ret_used   how many were taken; fewer than given: call again, or it is done
 *   ret_piece  bytes of the body among them, borrowed from `bytes`; may be empty
 * FAULT_INVALID, FAULT_LIMIT: the connection must be closed.
 */
MUST_USE bool http1_response_feed(struct http1_response *response, struct slice bytes,
                                  size_t *ret_used, struct slice *ret_piece,
                                  struct fault *fault);
/* The connection has ended. FAULT_IO: in the middle of a response. */
MUST_USE bool http1_response_end(struct http1_response *response, struct fault *fault);

bool http1_response_begun(const struct http1_response *response); /* a byte has been read */
bool http1_response_head_done(const struct http1_response *response);
bool http1_response_done(const struct http1_response *response);
/* Once the head is there; slices borrow until reset. */
int http1_response_status(const struct http1_response *response); /* 200 to 599 */
/* First header of that name (any case), or an empty slice with at == NULL. */
struct slice http1_response_header(const struct http1_response *response, const char *name);
size_t http1_response_header_count(const struct http1_response *response);
struct http1_header http1_response_header_at(const struct http1_response *response,
                                             size_t index);
/* Whether the connection may carry another request, once this is done. */
bool http1_response_keep_alive(const struct http1_response *response);

#endif
