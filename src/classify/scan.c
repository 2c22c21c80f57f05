#include <stdlib.h>

#include "base/scope.h"
#include "classify/detect.h"

void detect_add(const struct detection *detection, size_t start, size_t end, enum rule rule,
                enum confidence confidence)
{
    struct findings *findings = detection->findings;

    if (findings->count == CLASSIFY_FINDINGS_MAX) {
        findings->too_many = true;
        return;
    }
    findings->at =
        xgrow(findings->at, &findings->room, findings->count + 1, sizeof(*findings->at));
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

/* ---- content that is not plain text ---- */

typedef void detector(const struct detection *detection);

static detector *const for_text[] = {detect_numbers, detect_tokens, detect_assignments,
                                     detect_hl7, detect_fhir};
/* Values that show themselves in any bytes. */
static detector *const for_bytes[] = {detect_numbers, detect_tokens};

/* Among arbitrary bytes only what is certain counts: 3-2-4 digits without a word around them
 * do not. */
static void drop_unsure(struct findings *findings, size_t from)
{
    size_t kept = from;

    for (size_t i = from; i < findings->count; i++)
        if (findings->at[i].confidence == CONFIDENCE_HIGH)
            findings->at[kept++] = findings->at[i];
    findings->count = kept;
}

static void look_at_bytes(const struct detection *detection)
{
    size_t from = detection->findings->count;

    for (size_t i = 0; i < COUNT(for_bytes); i++)
        for_bytes[i](detection);
    drop_unsure(detection->findings, from);
}

static uint16_t unit_at(struct slice content, size_t at, bool is_big)
{
    return (uint16_t)(content.at[at + !is_big] << 8 | content.at[at + is_big]);
}

/* Text of two bytes a character: a mark in front, or NULs in half of its bytes; and nothing
 * that no text has. */
static bool is_utf16(struct slice content, bool is_big)
{
    size_t narrow = 0;
    bool marked = content.len >= 2 && unit_at(content, 0, is_big) == 0xfeff;
    bool is_half = false; /* of a pair */

    if (content.len < 2 || content.len % 2 != 0)
        return false;
    for (size_t at = 0; at < content.len; at += 2) {
        uint16_t unit = unit_at(content, at, is_big);
        bool is_low = unit >= 0xdc00 && unit <= 0xdfff;

        if (is_low != is_half || unit >= 0xfffe ||
            (unit < 0x20 && unit != '\t' && unit != '\n' && unit != '\r'))
            return false;
        is_half = unit >= 0xd800 && unit <= 0xdbff;
        narrow += unit < 0x80;
    }
    return !is_half && (marked || narrow * 4 >= content.len); /* half of the characters */
}

/*
 * Every second byte from `from` on, where the other one is NUL; what is no such character
 * becomes `other`. That is UTF-16 of either order: of the big-endian one the NUL behind a
 * character is the next one's.
 */
static uint8_t *narrowed(struct slice content, size_t from, uint8_t other, size_t *ret_len)
{
    size_t len = (content.len - from + 1) / 2;
    uint8_t *narrow = xalloc(len);

    for (size_t i = 0; i < len; i++) {
        size_t at = from + 2 * i;
        bool alone = at + 1 >= content.len || content.at[at + 1] == 0;

        narrow[i] = alone && content.at[at] < 0x80 ? content.at[at] : other;
    }
    *ret_len = len;
    return narrow;
}

/* The same detectors on the narrow text; places become those of the content. */
static void look_at_wide(const struct detection *detection, size_t from, bool is_text)
{
    struct findings *findings = detection->findings;
    size_t first = findings->count, len;
    AUTO_FREE uint8_t *narrow = narrowed(detection->content, from, is_text ? 0xff : 0, &len);
    const struct detection inner = {slice_of_bytes(narrow, len), detection->path, findings};

    for (size_t i = 0; is_text && i < COUNT(for_text); i++)
        for_text[i](&inner);
    if (!is_text)
        look_at_bytes(&inner);
    for (size_t i = first; i < findings->count; i++) {
        findings->at[i].start = from + 2 * findings->at[i].start;
        findings->at[i].end = from + 2 * findings->at[i].end - 1;
    }
}

/* False: it is no text, and more may be in it than can be found. */
static bool look_around_nul(const struct detection *detection)
{
    bool is_little = is_utf16(detection->content, false),
         is_big = is_utf16(detection->content, true);

    look_at_bytes(detection);
    look_at_wide(detection, 0, is_little);
    if (detection->content.len > 1)
        look_at_wide(detection, 1, is_big);
    return is_little || is_big;
}

static bool is_plain(struct slice content)
{
    return slice_find_byte(content, 0, 0) == SIZE_MAX &&
           !slice_starts_with(content, SLICE("\xff\xfe")) &&
           !slice_starts_with(content, SLICE("\xfe\xff"));
}

bool classify_scan(struct slice content, struct slice path, struct finding **ret_findings,
                   size_t *ret_count, unsigned *ret_class_mask, struct fault *fault)
{
    struct findings findings = {0};
    const struct detection detection = {
        .content = content, .path = path, .findings = &findings};
    unsigned mask = 0;

    if (content.len > CLASSIFY_BYTES_MAX)
        return fault_set(fault, FAULT_LIMIT, "content of %zu bytes", content.len);
    if (!is_plain(content) && !look_around_nul(&detection))
        mask = CLASS_BIT(CLASS_OPAQUE);
    for (size_t i = 0; is_plain(content) && i < COUNT(for_text); i++)
        for_text[i](&detection);
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
