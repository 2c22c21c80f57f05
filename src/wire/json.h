/*
 * wire/json.h - a strict scanner over the bytes of a JSON document (RFC 8259).
 *
 * For documents that are checked and passed on byte for byte: it gives spans, builds no tree,
 * and edits by splicing. Refused: duplicate keys (after decoding), nesting over
 * JSON_DEPTH_MAX, invalid UTF-8, raw control characters, a byte order mark, anything behind
 * the document. An escaped lone surrogate decodes as U+FFFD: JavaScript programs that cut a
 * string in an emoji send them.
 */
#ifndef CUSTODY_WIRE_JSON_H
#define CUSTODY_WIRE_JSON_H

#include "base/bytes.h"
#include "base/fault.h"

#define JSON_DEPTH_MAX 64

enum json_type {
    JSON_NULL,
    JSON_FALSE,
    JSON_TRUE,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT,
};

struct json_value {
    enum json_type type;
    struct slice raw; /* its bytes in the document, quotes and brackets included */
};

/* Where a leaf is: from the document's root inwards. */
struct json_step {
    bool is_key;
    struct slice key; /* raw, between the quotes; compare with json_key_is */
    size_t index;     /* of an array */
};

struct json_leaf {
    enum json_type type; /* JSON_STRING or JSON_NUMBER */
    bool is_key;         /* the name of a member; its own step is not in `path` */
    struct slice raw;    /* with the quotes */
    struct slice text;   /* decoded; borrowed during the call */
    const struct json_step *path;
    size_t depth;
};

struct json_visitor {
    /* Called for every string, object key and number. False ends the walk with that fault. */
    bool (*leaf)(void *self, const struct json_leaf *leaf, struct fault *fault);
    void *self;
    /* Called for every value directly below the root, behind its leaves (name raw, between the
     * quotes; of an array's empty). NULL: for none. */
    bool (*member)(void *self, struct slice name, const struct json_value *value,
                   struct fault *fault);
};

/* Checks the whole document; `visitor` may be NULL. FAULT_INVALID says at which byte. */
MUST_USE bool json_walk(struct slice text, const struct json_visitor *visitor,
                        struct fault *fault);

/* The same, and the document as a value (white space around it left out). */
MUST_USE bool json_read(struct slice text, const struct json_visitor *visitor,
                        struct json_value *ret_value, struct fault *fault);
/* It as a value alone. */
MUST_USE bool json_root(struct slice text, struct json_value *ret_value, struct fault *fault);
/* A member of an object. FAULT_MISSING: it has none of that name. FAULT_INVALID: not an
 * object. */
MUST_USE bool json_member(struct slice object, const char *name, struct json_value *ret_value,
                          struct fault *fault);
/* The same through several objects: "usage.prompt_tokens_details.cached_tokens". */
MUST_USE bool json_at(struct slice object, const char *path, struct json_value *ret_value,
                      struct fault *fault);
/* Calls `each` with every element of an array, or value of an object (name raw, else empty).
 */
MUST_USE bool json_each(struct slice container,
                        bool (*each)(void *self, struct slice name,
                                     const struct json_value *value, struct fault *fault),
                        void *self, struct fault *fault);

/* Moves `at` behind the string, or the number, that begins there. False: none does that json_walk
 * would take; `at` is anywhere then. */
MUST_USE bool json_pass_string(struct slice text, size_t *at);
MUST_USE bool json_pass_number(struct slice text, size_t *at);

/* Decodes a string value, appending to `ret_text`. */
MUST_USE bool json_text(const struct json_value *value, struct buf *ret_text,
                        struct fault *fault);
/* A number without fraction or exponent, within 2^53. */
MUST_USE bool json_whole_number(const struct json_value *value, int64_t *ret_number,
                                struct fault *fault);
bool json_key_is_whole(struct slice raw_key, const char *text);

/* Whether a raw key or string (between the quotes) decodes to `text`. Most are told by a byte. */
static inline bool json_key_is(struct slice raw_key, const char *text)
{
    return raw_key.len == 0
               ? text[0] == 0
               : (raw_key.at[0] == (uint8_t)text[0] || raw_key.at[0] == '\\') &&
                     json_key_is_whole(raw_key, text);
}

/* Appends `text` as a JSON string with quotes; bytes that are not UTF-8 become U+FFFD. */
MUST_USE bool json_add_string(struct buf *out, struct slice text, struct fault *fault);

/* Replaces bytes [from, to) of a document. */
struct json_edit {
    size_t from, to;
    struct slice with;
};

/* Applies edits (ascending, not overlapping) to `text`, appending to `out`. */
MUST_USE bool json_splice(struct slice text, const struct json_edit *edits, size_t count,
                          struct buf *out, struct fault *fault);

#endif
