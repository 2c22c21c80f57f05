/*
 * classify/classify.h - is this sensitive? Bytes in, findings out; no state, no I/O.
 *
 * One pass with memory bounded by the content. A finding covers exactly the bytes that a surrogate
 * replaces (classify/surrogate.h): a value without its quotes, a key block with its armour.
 */
#ifndef CUSTODY_CLASSIFY_CLASSIFY_H
#define CUSTODY_CLASSIFY_CLASSIFY_H

#include "base/bytes.h"
#include "base/fault.h"
#include "base/vocabulary.h"

#define CLASSIFY_BYTES_MAX (64UL * 1024 * 1024) /* larger content is opaque */
#define CLASSIFY_FINDINGS_MAX 200000            /* content with more is opaque */

enum confidence {
    CONFIDENCE_LOW,
    CONFIDENCE_MEDIUM,
    CONFIDENCE_HIGH, /* ordered: the larger is the surer */
    CONFIDENCE_COUNT,
};

struct finding {
    size_t start, end; /* byte range in the content, never empty */
    enum data_class class;
    uint16_t rule;
    uint8_t confidence; /* enum confidence */
};

/*
 * Looks at one content.
 *
 *   path            below the repository, or empty; helps where bytes alone do not tell (.env)
 *   ret_findings    sorted by start, not overlapping; the caller frees; NULL when there are none
 *   ret_class_mask  CLASS_BIT of each class found; only CLASS_CODE when nothing was found; only
 *                   CLASS_OPAQUE, and no findings, when the content cannot be looked into
 *                   (binary, UTF-16, too large, more than CLASSIFY_FINDINGS_MAX findings)
 *   fault           never set today: every content has an answer. Treat a failure as opaque.
 */
MUST_USE bool classify_scan(struct slice content, struct slice path, struct finding **ret_findings,
                            size_t *ret_count, unsigned *ret_class_mask, struct fault *fault);

/* "pan.card"; "unknown" for a number that is no rule. Numbers are stable within one digest. */
const char *classify_rule_id(uint16_t rule);
const char *classify_rule_text(uint16_t rule); /* one line about it, for reports */
size_t classify_rule_count(void);              /* rules are 0 .. count - 1 */
/* SHA-256 (hex) over the rules and the code's version: names what a cached verdict depends on. */
const char *classify_digest(void);

const char *confidence_name(uint8_t confidence); /* high, medium, low */

#endif
