/*
 * classify/nearby.h - what a file showed around its weak stand-ins: by that alone they are
 * known again. Private to classify/.
 */
#ifndef CUSTODY_CLASSIFY_NEARBY_H
#define CUSTODY_CLASSIFY_NEARBY_H

#include "classify/lookup.h"

struct nearby;

/* Borrows all. base NULL: nothing was shown. */
struct nearby *nearby_new(const struct lookup *lookup, const struct surrogate_base *base);
void nearby_free(struct nearby *nearby); /* NULL is fine */

/* Was a line shown just so, but for blanks at both ends? */
bool nearby_shown(const struct nearby *nearby, struct slice line);
/* What the line was, if it holds a weak stand-in and was shown just so; NULL: it was not.
 * ret_ambiguous: another line looked the same. */
const uint8_t *nearby_line(const struct nearby *nearby, struct slice line,
                           bool *ret_ambiguous);
/*
 * What stood at content[at, at + len) where it was shown with the same letters and digits
 * around it in its line, [from, to); NULL: nowhere, or not the same everywhere.
 */
const uint8_t *nearby_place(const struct nearby *nearby, struct slice content, size_t from,
                            size_t to, size_t at, size_t len);

#endif
