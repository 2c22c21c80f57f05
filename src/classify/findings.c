#include "classify/findings.h"

#include <stdlib.h>

void findings_add(struct findings *findings, struct finding finding)
{
    if (findings->count == CLASSIFY_FINDINGS_MAX) {
        findings->too_many = true;
        return;
    }
    findings->at =
        xgrow(findings->at, &findings->room, findings->count + 1, sizeof(*findings->at));
    findings->at[findings->count++] = finding;
}

static int by_place(const void *a, const void *b)
{
    const struct finding *x = a, *y = b;

    if (x->start != y->start)
        return x->start < y->start ? -1 : 1;
    if (x->end != y->end)
        return x->end > y->end ? -1 : 1;
    if (x->confidence != y->confidence)
        return x->confidence > y->confidence ? -1 : 1;
    return x->rule - y->rule;
}

void findings_sort(struct findings *findings)
{
    if (findings->count > 1)
        qsort(findings->at, findings->count, sizeof(*findings->at), by_place);
}

void findings_resolve(struct findings *findings)
{
    size_t kept = 0;

    if (findings->count == 0)
        return;
    findings_sort(findings);
    for (size_t i = 1; i < findings->count; i++) {
        struct finding *last = &findings->at[kept];
        const struct finding *next = &findings->at[i];

        if (next->start >= last->end)
            findings->at[++kept] = *next;
        else if (next->end - next->start > last->end - last->start)
            *last = *next; /* starts later, so cannot reach the one before */
    }
    findings->count = kept + 1;
}
