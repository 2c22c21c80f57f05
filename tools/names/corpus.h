/* tools/names/corpus.h - labelled texts and word lists, as tools/train-names hands them on. */
#ifndef CUSTODY_TOOLS_NAMES_CORPUS_H
#define CUSTODY_TOOLS_NAMES_CORPUS_H

#include <stdio.h>

#include "classify/names/features.h"

struct text_span {
    size_t start, end;
    size_t sort; /* a row of the table in corpus.c */
};

struct labelled_text {
    struct slice bytes;
    struct text_span *spans;
    size_t span_count;
    unsigned mask;
};

/*
 * The next text:
 *   text LENGTH SPANS MASK \n  bytes \n  then SPANS lines "START END SORT"
 * with SORT a row of the table in corpus.c. MASK: of the words that are names in a list, so many
 * percent are taken for unknown, so that the field learns to do without lists. False: there is
 * none. Exits on bad input. The caller frees.
 */
bool text_next(FILE *file, struct labelled_text *ret_text);
void text_free(struct labelled_text *text);
/* enum label that begins such a span. */
unsigned sort_label(size_t sort);

/* A window's worth of one text. */
struct sample {
    size_t count;
    uint32_t *features;     /* of all tokens, one after the other */
    uint16_t *feature_count; /* of each token */
    uint8_t *labels;        /* enum label of each */
};

struct samples {
    struct sample *at;
    size_t count, room;
};

/* All texts. */
void samples_read(FILE *file, const struct model *lists, struct samples *ret_samples);

/* Reads "CLASS WORD" lines, CLASS a sum of word_class, into a table that model_word reads.
 * The caller frees ret_lists->words. */
void lists_read(FILE *file, struct model *ret_lists);

#endif
