/*
 * wire/http1_parts.h - what requests and responses have in common (RFC 9112): the head's
 * bytes, its fields, and where a body ends. Private to wire/http1*.c.
 *
 * Faults: FAULT_LIMIT for too much, FAULT_INVALID for everything else.
 */
#ifndef CUSTODY_WIRE_HTTP1_PARTS_H
#define CUSTODY_WIRE_HTTP1_PARTS_H

#include "wire/http1.h"

bool http1_is_token(struct slice text); /* RFC 9110 section 5.6.2 */
/* Visible ASCII, spaces, tabs and bytes beyond ASCII (obs-text); no other control character.
 */
bool http1_is_value(struct slice text);
bool http1_name_is(struct slice name, const char *want); /* any case */

/* At most HTTP1_HEADERS_MAX of them. */
struct http1_fields {
    struct http1_header *at;
    size_t count, room;
};
void http1_fields_free(struct http1_fields *fields);

/*
 * Takes bytes of a head up to its empty line into `head`; its limit is the head's.
 * What must never be in a head is refused before it is parsed.
 */
MUST_USE bool http1_head_feed(struct buf *head, struct slice bytes, size_t *used,
                              bool *ret_whole, struct fault *fault);
/* Takes the next line, without its ending, off a head that is whole. */
bool http1_head_line(struct slice *rest, struct slice *ret_line);
MUST_USE bool http1_fields_take(struct http1_fields *fields, struct slice line,
                                struct fault *fault);
/* First of that name, or an empty slice with at == NULL. */
struct slice http1_fields_find(const struct http1_fields *fields, const char *name);
size_t http1_fields_count(const struct http1_fields *fields, const char *name);
/* Whether a comma-separated field holds a word. */
bool http1_fields_have(const struct http1_fields *fields, const char *name, const char *word);

enum http1_body_state {
    HTTP1_BODY_DONE,
    HTTP1_BODY_BYTES,      /* `left` bytes of Content-Length to come */
    HTTP1_BODY_CHUNK_SIZE, /* a line in `line` */
    HTTP1_BODY_CHUNK,      /* `left` bytes of this chunk to come */
    HTTP1_BODY_CHUNK_END,  /* the CRLF behind it */
    HTTP1_BODY_TRAILER,    /* the empty line behind the last chunk */
    HTTP1_BODY_TO_CLOSE,   /* all that comes, to the end of the connection */
};

#define HTTP1_CHUNK_SIZE_DIGITS_MAX 8

struct http1_body {
    enum http1_body_state state;
    uint64_t left;
    uint64_t limit; /* bytes of body that may still come */
    char line[HTTP1_CHUNK_SIZE_DIGITS_MAX + 2];
    size_t line_len;
};

/*
 * Where the body ends (RFC 9112 section 6.3); every doubt is a refusal.
 *   otherwise  HTTP1_BODY_DONE or HTTP1_BODY_TO_CLOSE: when neither length is given
 */
MUST_USE bool http1_body_begin(struct http1_body *body, const struct http1_fields *fields,
                               uint64_t limit, enum http1_body_state otherwise,
                               struct fault *fault);
/* Takes bytes off at `*used`; ret_piece is what of them belongs to the body, maybe nothing. */
MUST_USE bool http1_body_take(struct http1_body *body, struct slice bytes, size_t *used,
                              struct slice *ret_piece, struct fault *fault);

#endif
