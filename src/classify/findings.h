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
/* Sorted; of two that overlap the longer one stays, then the surer one. */
void findings_resolve(struct findings *findings);

#endif
