/* classify/confirm.h - a rule's pattern, looked for near a candidate. Private to classify/. */
#ifndef CUSTODY_CLASSIFY_CONFIRM_H
#define CUSTODY_CLASSIFY_CONFIRM_H

#include "base/bytes.h"

/* PCRE2 syntax, bytes; the group named `value` (of several with (?J) the first that
 * is not empty), else the whole, is what is found. */
struct confirm;

/* Does it compile, and match no empty text? */
bool confirm_check(struct slice pattern, char *ret_why, size_t why_room, size_t *ret_at);

/* Of a pattern that was checked. Compiled to machine code where this process may. */
struct confirm *confirm_new(struct slice pattern);
void confirm_free(struct confirm *confirm); /* NULL is fine */
/* From now on patterns are interpreted, and the memory of machine code is left alone: it may be closed.
 * Was any made? */
bool confirm_end_code(void);

/* No match is shorter. */
size_t confirm_least(const struct confirm *confirm);

/* False: no match begins in [from, last]. What would cost more to know than to try is true. */
bool confirm_may_begin(const struct confirm *confirm, struct slice text, size_t from, size_t last);

enum confirm_result {
    CONFIRM_NO,
    CONFIRM_YES,
    CONFIRM_MORE, /* the text was cut where a match may go on */
    CONFIRM_HARD, /* gave up: too many ways to match */
};

struct confirm_place {
    size_t from, last; /* a match begins in [from, last] */
    bool is_begin, is_end; /* the text is not cut in front, behind */
};

struct confirm_match {
    size_t start, end; /* of the value */
    size_t match_start, match_end;
};

enum confirm_result confirm_find(struct confirm *confirm, struct slice text,
                                 struct confirm_place place, struct confirm_match *ret_match);

#endif
