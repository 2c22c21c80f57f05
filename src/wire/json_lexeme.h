/*
 * wire/json_lexeme.h - the strings and numbers of JSON (RFC 8259, sections 6 and 7), wherever they
 * stand. Private to wire/json*.c.
 *
 * Where a function moves `at`, it is behind what was taken; what it returns is NULL, or what is
 * wrong there.
 */
#ifndef CUSTODY_WIRE_JSON_LEXEME_H
#define CUSTODY_WIRE_JSON_LEXEME_H

#include "base/bytes.h"

/* Bytes of the well-formed code point (Unicode table 3-7) at `text`, or 0. */
size_t json_code_point_len(struct slice text);

/* Decodes what is between the quotes, appending; it has been checked. It never becomes longer. */
MUST_USE bool json_decode(struct slice inner, struct buf *out, struct fault *fault);

#define JSON_DECODED_MORE 32 /* sixteen bytes and a character, at least */

/* Reads a string from behind its first quote to its last one, where `at` is then. ret_text is
 * decoded: a part of `text`, or of `decoded`, whose limit is the length of `text` and
 * JSON_DECODED_MORE at least. */
const char *json_read_string(struct slice text, size_t *at, struct buf *decoded,
                             struct slice *ret_text);

const char *json_read_number(struct slice text, size_t *at);

#endif
