/* classify/findings.h - a list of what was found. Private to classify/. */
#ifndef CUSTODY_CLASSIFY_FINDINGS_H
#define CUSTODY_CLASSIFY_FINDINGS_H

#include "classify/classify.h"

struct findings {
    struct finding *at;
    size_t count, room;
    bool too_many;
};

void findings_add(struct findings *findings, struct finding finding);
/* By start; of those with one start the longest, then the surest, first. */
void findings_sort(struct findings *findings);
/*
 * Sorted, none overlaps another. The surer one stays whole, and of the other one what is beside
 * it; of two that are as sure the longer one stays. `text` is what they were found in: where one
 * is cut, signs at its new end are left out (beyond the text: are not).
 */
void findings_resolve(struct findings *findings, struct slice text);

#endif
