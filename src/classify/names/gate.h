/*
 * classify/names/gate.h - which words of a window are worth the field's time. Private.
 *
 * Most of a text names nobody: its words are written small, or are ordinary ones at the head of a
 * sentence. The field is run only around words that may be part of a name or an address.
 */
#ifndef CUSTODY_CLASSIFY_NAMES_GATE_H
#define CUSTODY_CLASSIFY_NAMES_GATE_H

#include "classify/names/features.h"

/* Tokens [from, to) of a window. */
struct zone {
    size_t from, to;
};

struct gate {
    bool may_name[WINDOW_TOKENS];
};

/* Fills `class` of all words but those that are written small, and what the gate says of all. In a
 * window that has next to no capitals small words may be names, too. */
void gate_look(struct gate *gate, struct window *window, const struct model *model);
/* The next zone that ends behind `at`. False: there is none. */
bool gate_next(const struct gate *gate, const struct window *window, size_t at,
               struct zone *ret_zone);

#endif
