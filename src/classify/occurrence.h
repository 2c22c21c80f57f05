/* classify/occurrence.h - which of many texts occur in a content? Private to classify/. */
#ifndef CUSTODY_CLASSIFY_OCCURRENCE_H
#define CUSTODY_CLASSIFY_OCCURRENCE_H

#include "base/bytes.h"
#include "base/fault.h"

/* Bytes of content looked at and texts compared, all lengths and rounds together. */
struct occurrence_work {
    uint64_t done, limit;
};

struct occurrence {
    struct slice text; /* not empty */
    size_t
        changed; /* where in the text its own part begins: what comes before may be in many */
    bool found;  /* set, never cleared */
};

/*
 * Sets `found` of each text that stands anywhere in the content. Time is the content's length
 * for each different length of a text up to 64 bytes, and once more for all longer ones.
 * FAULT_LIMIT: work->limit is reached; some may not have been looked for.
 */
MUST_USE bool occurrence_find(struct slice content, struct occurrence *texts, size_t count,
                              struct occurrence_work *work, struct fault *fault);

#endif
