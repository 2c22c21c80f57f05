/*
 * classify/import/pattern.h - a pattern in RE2's syntax (Go's regexp), taken apart and written anew
 * for PCRE2 over bytes. Private to classify/import/.
 */
#ifndef CUSTODY_CLASSIFY_IMPORT_PATTERN_H
#define CUSTODY_CLASSIFY_IMPORT_PATTERN_H

#include "classify/rule.h"

#define PATTERN_BYTES_MAX 65536UL
#define PATTERN_GROUPS_MAX 64

enum part_kind {
    PART_NOTHING, /* matches the empty text: a boundary, an anchor, a look around */
    PART_SET,     /* one byte of a set */
    PART_ROW,     /* its children one behind the other */
    PART_CHOICE,  /* one of its children */
    PART_REPEAT,
    PART_GROUP, /* captures */
};

struct byte_set {
    uint64_t bits[4];
};

static inline bool byte_set_has(const struct byte_set *set, uint8_t byte)
{
    return (set->bits[byte / 64] >> byte % 64 & 1) != 0;
}

#define PART_NONE UINT32_MAX
#define REPEAT_NO_END UINT32_MAX

struct part {
    enum part_kind kind;
    struct byte_set set;
    uint8_t written;      /* a byte of the set as the pattern has it */
    uint32_t first, last; /* children; PART_NONE */
    uint32_t next;        /* sibling; PART_NONE */
    uint32_t least, most; /* of a repeat */
};

struct pattern {
    struct part *parts;
    size_t count, room;
    uint32_t root;
    struct buf text;                      /* for PCRE2; its groups have no names */
    uint32_t groups[PATTERN_GROUPS_MAX];  /* the parts that capture, in order */
    size_t opens[PATTERN_GROUPS_MAX];     /* where in `text` each one's content begins */
    bool is_repeated[PATTERN_GROUPS_MAX]; /* it stands in a repeat */
    bool is_optional[PATTERN_GROUPS_MAX]; /* there are matches without it */
    size_t group_count;
    bool looks_around; /* RE2 would refuse it */
};

/* FAULT_INVALID: not of that syntax, or in a way that bytes cannot have. */
MUST_USE bool pattern_read(struct slice text, struct pattern *ret_pattern,
                           struct fault *fault);
void pattern_free(struct pattern *pattern);

/* Fewest bytes of a match. */
size_t pattern_least(const struct pattern *pattern, uint32_t part);
/* How many bytes at its start are always the same, but for their case. */
size_t pattern_fixed_start(const struct pattern *pattern, uint32_t part);
/* Is it one of a few texts that the pattern spells out? */
bool pattern_is_fixed(const struct pattern *pattern, uint32_t part);

/*
 * Texts in lower case, of RULE_KEYWORD_MIN bytes or more, of which each match holds one (in any
 * case). NULL: there are none, or too many. The caller frees.
 */
#define PATTERN_LITERALS_MAX 128
#define PATTERN_LITERAL_BYTES 16
struct literals {
    char at[PATTERN_LITERALS_MAX][PATTERN_LITERAL_BYTES + 1];
    size_t count;
};
struct literals *pattern_literals(const struct pattern *pattern);

/*
 * A template (see rule_expand) of a text that it should match. `variant` 0 is the shortest; others
 * choose by chance, always alike. FAULT_LIMIT: it would be too long.
 */
MUST_USE bool pattern_example(const struct pattern *pattern, unsigned variant,
                              struct buf *ret_template, struct fault *fault);

#endif
