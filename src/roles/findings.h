/* roles/findings.h - what the classifier found, as snapshots and verdicts keep it. */
#ifndef CUSTODY_ROLES_FINDINGS_H
#define CUSTODY_ROLES_FINDINGS_H

#include "classify/surrogate.h"
#include "view/snapshot.h"

static inline struct snapshot_finding finding_store(const struct finding *finding)
{
    return (struct snapshot_finding){.start = (uint32_t)finding->start,
                                     .end = (uint32_t)finding->end,
                                     .rule = finding->rule,
                                     .class = (uint8_t)finding->class,
                                     .confidence = finding->confidence,
                                     .form = finding->form,
                                     .also = finding->also};
}

static inline struct finding finding_stored(const struct snapshot_finding *stored)
{
    return (struct finding){.start = stored->start,
                            .end = stored->end,
                            .rule = stored->rule,
                            .class = (enum data_class)stored->class,
                            .confidence = stored->confidence,
                            .form = stored->form,
                            .also = stored->also};
}

/* Classes of which something was found that no stand-in can be written for. */
static inline unsigned findings_stuck(const struct snapshot_finding *stored, size_t count)
{
    unsigned stuck = 0;

    for (size_t i = 0; i < count; i++)
        if (!surrogate_fits(stored[i].form, stored[i].end - stored[i].start))
            stuck |= CLASS_BIT(stored[i].class) | stored[i].also;
    return stuck;
}

#endif
