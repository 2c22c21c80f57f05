/* classify/lookup.h - which stand-in begins here? Private to classify/. */
#ifndef CUSTODY_CLASSIFY_LOOKUP_H
#define CUSTODY_CLASSIFY_LOOKUP_H

#include "classify/surrogate.h"

struct lookup_entry {
    struct slice surrogate, original; /* borrowed */
    enum data_class class;
    uint16_t rule;
    enum surrogate_trust trust;
    bool is_half; /* of one that is not there as a whole */
};

struct lookup;

/*
 * Of all pairs, and of the lines of those that have several: an indented key is one line by
 * line. SURROGATE_NONE is none.
 *   halves  with their halves, where one is enough to know them by
 */
struct lookup *lookup_new(const struct surrogate_map *map, bool halves);
void lookup_free(struct lookup *lookup); /* NULL is fine */
size_t lookup_count(const struct lookup *lookup);
/* The longest that the text begins with, or NULL. */
const struct lookup_entry *lookup_at(const struct lookup *lookup, struct slice text);

/* Not a part of a longer word? */
bool lookup_stands_alone(struct slice text, size_t at, size_t len);

#endif
