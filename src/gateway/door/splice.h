/*
 * gateway/door/splice.h - edits of what a JSON string says, written into the string as it is
 * written: every character that an edit does not touch keeps its bytes, escapes included.
 */
#ifndef CUSTODY_GATEWAY_SPLICE_H
#define CUSTODY_GATEWAY_SPLICE_H

#include "wire/json.h"

/* Edits of a text, in order, not overlapping. */
struct splice {
    struct json_edit *at;
    size_t count, room;
};

void splice_add(struct splice *splice, size_t from, size_t to, struct slice with);
void splice_free(struct splice *splice); /* NULL members are fine */

/* What has changed between two texts, on borders of characters; `with` borrows from `after`.
 * Texts of one length: place by place; others: from the first difference to the last. */
void splice_between(struct slice before, struct slice after, struct splice *ret_splice);

/*
 * Appends the string `raw` (quotes included, checked before) with the edits of its decoded
 * text. A character written as \uXXXX is replaced by one written so.
 */
MUST_USE bool splice_string(struct slice raw, const struct splice *splice, struct buf *out,
                            struct fault *fault);

/* Where the byte `at` of the decoded text begins in `raw`; raw.len - 1 where it is the end. */
size_t splice_place(struct slice raw, size_t at);

/* Appends `text` as it stands between the quotes of a JSON string; `ascii`: other characters
 * as \uXXXX. */
MUST_USE bool splice_escape(struct slice text, bool ascii, struct buf *out,
                            struct fault *fault);

#endif
