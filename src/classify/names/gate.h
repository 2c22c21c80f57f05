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

#define GATE_WORDS 512U

struct gate {
    bool may_name[WINDOW_TOKENS];
    /* Words of this text so far, each in the place that its hash says, and how often on end it was
     * nobody's: one that names a thing ("Git") is not asked about for ever. */
    uint32_t words[GATE_WORDS];
    uint8_t misses[GATE_WORDS];
};

/* Fills `class` of all words but those that are written small, and what the gate says of all. In a
 * window that has next to no capitals small words may be names, too. */
void gate_look(struct gate *gate, struct window *window, const struct model *model);
/* The next zone that ends behind `at`. False: there is none. */
bool gate_next(const struct gate *gate, const struct window *window, size_t at,
               struct zone *ret_zone);

/* What the field said of a word that may have named somebody. */
void gate_learn(struct gate *gate, uint32_t word, bool is_name);

#endif
