#include <stdlib.h>

#include "classify/detect.h"

void detect_add(const struct detection *detection, size_t start, size_t end, enum rule rule,
                enum confidence confidence)
{
    struct findings *findings = detection->findings;

    if (findings->count == CLASSIFY_FINDINGS_MAX) {
        findings->too_many = true;
        return;
    }
    findings->at = xgrow(findings->at, &findings->room, findings->count + 1, sizeof(*findings->at));
    findings->at[findings->count++] = (struct finding){.start = start,
                                                       .end = end,
                                                       .class = rule_class(rule),
                                                       .rule = (uint16_t)rule,
                                                       .confidence = (uint8_t)confidence};
}

bool holds_word(struct slice text, const char *word)
{
    size_t len = strlen(word);

    for (size_t i = 0; i + len <= text.len; i++) {
        size_t same = 0;

        while (same < len && lower(text.at[i + same]) == (uint8_t)word[same])
            same++;
        if (same == len)
            return true;
    }
    return false;
}

/* By start; of those with one start the longest, then the surest, first. */
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

/* The longer of two that overlap stays; a chain is cut from the left. */
static void resolve_overlaps(struct findings *findings)
{
    size_t kept = 0;

    if (findings->count == 0)
        return;
    qsort(findings->at, findings->count, sizeof(*findings->at), by_place);
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

/* No text has a NUL byte; UTF-16 has, and is not looked into yet. */
static bool is_opaque(struct slice content)
{
    return slice_find_byte(content, 0, 0) != SIZE_MAX;
}

bool classify_scan(struct slice content, struct slice path, struct finding **ret_findings,
                   size_t *ret_count, unsigned *ret_class_mask, struct fault *fault)
{
    struct findings findings = {0};
    const struct detection detection = {.content = content, .path = path, .findings = &findings};
    unsigned mask = 0;

    if (content.len > CLASSIFY_BYTES_MAX)
        return fault_set(fault, FAULT_LIMIT, "content of %zu bytes", content.len);
    if (is_opaque(content)) {
        *ret_findings = NULL;
        *ret_count = 0;
        *ret_class_mask = CLASS_BIT(CLASS_OPAQUE);
        return true;
    }
    detect_numbers(&detection);
    detect_tokens(&detection);
    detect_assignments(&detection);
    detect_hl7(&detection);
    detect_fhir(&detection);
    if (findings.too_many) {
        free(findings.at);
        return fault_set(fault, FAULT_LIMIT, "more than %lu findings", CLASSIFY_FINDINGS_MAX);
    }
    resolve_overlaps(&findings);
    for (size_t i = 0; i < findings.count; i++)
        mask |= CLASS_BIT(findings.at[i].class);
    *ret_findings = findings.at;
    *ret_count = findings.count;
    *ret_class_mask = mask;
    return true;
}
