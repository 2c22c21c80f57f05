/*
 * change/statement.h - what a person signs: canonical JSON (RFC 8785: sorted keys, no spaces)
 * of texts only, closed by its `type`. Private to change/.
 */
#ifndef CUSTODY_CHANGE_STATEMENT_H
#define CUSTODY_CHANGE_STATEMENT_H

#include <stddef.h>

#include "base/bytes.h"
#include "base/fault.h"

#define STATEMENT_BYTES_MAX 8192

/* A member: a const char * of a struct. */
struct statement_row {
    const char *key;
    size_t at; /* offsetof */
};

struct statement_form {
    const char *type;                 /* sorts behind all keys by its member's name */
    const struct statement_row *rows; /* in the order of RFC 8785 */
    size_t count;
};

/* Appends the canonical bytes. FAULT_INVALID: a member is not plain UTF-8 text. */
MUST_USE bool statement_encode(const struct statement_form *form, const void *statement,
                               struct buf *ret_text, struct fault *fault);
/* Strict: exactly these members, and encoding again gives the same bytes. Texts live in
 * `arena`. */
MUST_USE bool statement_decode(const struct statement_form *form, struct slice text,
                               struct buf *arena, void *ret_statement, struct fault *fault);

#endif
