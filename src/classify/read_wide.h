/* classify/read_wide.h - UTF-16. Private to classify/. */
#ifndef CUSTODY_CLASSIFY_READ_WIDE_H
#define CUSTODY_CLASSIFY_READ_WIDE_H

#include "classify/reading.h"

/* Is all of it UTF-16: a mark in front, or NULs in half of its bytes; and nothing that no text
 * has? */
bool read_wide_order(struct slice content, bool *ret_is_big);
/* Fills a reading that was begun: the text is UTF-8, without the mark. */
MUST_USE bool read_wide(struct reading *reading, bool is_big, struct fault *fault);
/* Fills a reading, begun over the content of `wide`, with what `inner` made of the text of
 * `wide`. */
MUST_USE bool read_through_wide(struct reading *reading, const struct reading *wide,
                                const struct reading *inner, struct fault *fault);

#endif
