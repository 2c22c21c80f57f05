#include "classify/findings.h"

#include <stdlib.h>

#include "classify/ascii.h"

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

/* One that does not stay leaves its class with the one that does, where it is in what that one encodes. */
static void take_classes(struct finding *stays, const struct finding *goes)
{
    if ((stays->form != FORM_PLAIN || goes->form != FORM_PLAIN) && goes->confidence > CONFIDENCE_LOW)
        stays->also |= (uint8_t)(finding_classes(goes) & ~CLASS_BIT(stays->class));
}

/* Sorted ones of one confidence: of two that overlap the longer one stays. */
static void keep_longest(struct findings *findings)
{
    size_t kept = 0;

    for (size_t i = 1; i < findings->count; i++) {
        struct finding *last = &findings->at[kept];
        struct finding *next = &findings->at[i];

        if (next->start >= last->end) {
            findings->at[++kept] = *next;
        } else if (next->end - next->start > last->end - last->start) {
            take_classes(next, last);
            *last = *next; /* starts later, so cannot reach the one before */
        } else {
            take_classes(last, next);
        }
    }
    findings->count = findings->count == 0 ? 0 : kept + 1;
}

static bool is_mark(struct slice text, size_t at)
{
    return at < text.len && text.at[at] < 0x80 && !is_alnum(text.at[at]);
}

/* What is left of one between surer ones; where it was cut a letter or digit is its end. */
static void add_rest(struct findings *out, struct finding rest, size_t start, size_t end,
                     struct slice text)
{
    while (start > rest.start && start < end && is_mark(text, start))
        start++;
    while (end < rest.end && end > start && is_mark(text, end - 1))
        end--;
    rest.start = start;
    rest.end = end;
    if (start < end)
        findings_add(out, rest);
}

static bool can_be_cut(const struct findings *sure, size_t from, struct finding unsure)
{
    bool ok = unsure.form == FORM_PLAIN;

    for (size_t i = from; ok && i < sure->count && sure->at[i].start < unsure.end; i++)
        ok = sure->at[i].form == FORM_PLAIN;
    return ok;
}

/*
 * Adds what of `unsure` is not in one of `sure`, from `*at` on; all that end in front of its end
 * are added, too. Of what is encoded a part cannot be replaced: the longer one stays, as sure
 * as the surest.
 */
static void add_around(struct findings *out, struct findings *sure, size_t *at,
                       struct finding unsure, struct slice text)
{
    const struct finding goes = unsure;
    size_t from = unsure.start;
    bool is_cut, has_all = true;

    while (*at < sure->count && sure->at[*at].end <= unsure.start)
        findings_add(out, sure->at[(*at)++]);
    is_cut = can_be_cut(sure, *at, unsure);
    for (size_t i = *at; !is_cut && i < sure->count && sure->at[i].start < unsure.end; i++) {
        has_all = has_all && sure->at[i].start >= unsure.start &&
                  sure->at[i].end <= unsure.end &&
                  sure->at[i].end - sure->at[i].start < unsure.end - unsure.start;
        if (sure->at[i].confidence > unsure.confidence)
            unsure.confidence = sure->at[i].confidence;
    }
    if (!is_cut && has_all) {
        for (; *at < sure->count && sure->at[*at].start < unsure.end; ++*at)
            take_classes(&unsure, &sure->at[*at]);
        findings_add(out, unsure);
        return;
    }
    for (size_t i = *at; !is_cut && i < sure->count && sure->at[i].start < unsure.end; i++)
        take_classes(&sure->at[i], &goes);
    for (size_t i = *at; is_cut && i < sure->count && sure->at[i].start < unsure.end; i++) {
        const struct finding *next = &sure->at[i];

        if (next->start > from)
            add_rest(out, unsure, from, next->start, text);
        from = next->end;
        if (next->end <= unsure.end) {
            findings_add(out, *next);
            *at = i + 1;
        }
    }
    if (is_cut && from < unsure.end)
        add_rest(out, unsure, from, unsure.end, text);
}

void findings_resolve(struct findings *findings, struct slice text)
{
    struct findings sure = {0};

    findings_sort(findings);
    for (int confidence = CONFIDENCE_HIGH; confidence >= CONFIDENCE_LOW; confidence--) {
        struct findings unsure = {0}, both = {0};
        size_t at = 0;

        for (size_t i = 0; i < findings->count; i++)
            if (findings->at[i].confidence == confidence)
                findings_add(&unsure, findings->at[i]);
        if (unsure.count == 0)
            continue;
        keep_longest(&unsure);
        for (size_t i = 0; i < unsure.count; i++)
            add_around(&both, &sure, &at, unsure.at[i], text);
        while (at < sure.count)
            findings_add(&both, sure.at[at++]);
        findings->too_many = findings->too_many || both.too_many;
        free(unsure.at);
        free(sure.at);
        sure = both;
    }
    free(findings->at);
    sure.too_many = findings->too_many;
    *findings = sure;
}
