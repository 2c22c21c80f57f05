/* classify/names/tag.h - the best labels of a window. Private. */
#ifndef CUSTODY_CLASSIFY_NAMES_TAG_H
#define CUSTODY_CLASSIFY_NAMES_TAG_H

#include "classify/names/gate.h"

/* One number a label; loops over all of them become vectors. */
struct scores {
    int16_t of[LABEL_ROOM];
};

#define TAGS_BATCH 8U /* tokens whose features are on their way at once */

struct tags {
    uint8_t label[WINDOW_TOKENS];  /* enum label */
    int16_t margin[WINDOW_TOKENS]; /* by how much labels of another sort are worse: >= 0,
                                      model_head.unit of them are 1.0 */
    /* How it was found. */
    struct scores emit[WINDOW_TOKENS], forward[WINDOW_TOKENS];
    uint32_t features[TAGS_BATCH][FEATURES_MAX];
    const uint8_t *rows[TAGS_BATCH][FEATURES_MAX];
};

/*
 * Tags tokens [zone.from, zone.to); those around them are taken for no name. The window is
 * prepared there, and FEATURES_REACH tokens on either side. `known`: a zone within it, maybe empty, that
 * was tagged just before; what features say of its tokens has not changed. Time is in the number of
 * tokens.
 */
void tags_find(const struct model *model, const struct window *window, struct zone zone,
               struct zone known, struct tags *tags);

/* B and I of one sort are one, for margins and spans: the label that begins it. */
static inline unsigned label_sort(unsigned label)
{
    return label == LABEL_O || label > LABEL_I_ORGANISATION ? label : (label - 1) / 2 * 2 + 1;
}

#endif
