/*
 * classify/rule.h - one rule in memory, its form, and how it is read. For classify/ and who lists
 * rules.
 */
#ifndef CUSTODY_CLASSIFY_RULE_H
#define CUSTODY_CLASSIFY_RULE_H

#include "classify/keywords.h"
#include "classify/rules.h"

#define RULE_KEYWORD_MIN KEYWORD_BYTES_MIN
#define RULE_KEYWORD_MAX KEYWORD_BYTES_MAX
#define RULE_DIGITS_MAX 63 /* of a number that a rule counts */

enum rule_sieve { RULE_SIEVE_NONE, RULE_SIEVE_DIGITS, RULE_SIEVE_AT, RULE_SIEVE_COLON, RULE_SIEVE_COUNT };

/* What a pattern of values that are none is tried on. */
enum except {
    EXCEPT_VALUE,
    EXCEPT_MATCH,
    EXCEPT_LINE, /* that the value begins in */
    EXCEPT_COUNT,
};

struct texts {
    struct slice *at;
    size_t count;
};

/* As written, see docs/rules.md. Slices point into what the rule was read from; a NUL is behind
 * each. */
struct rule {
    struct slice id, text, hipaa, pattern, validator;
    struct slice except[EXCEPT_COUNT]; /* patterns of values that are none */
    struct texts keywords, context, negative, stop, keys, positions, digits;
    struct texts examples, counterexamples; /* not in an image */
    uint32_t class, shape, confidence, sieve;
    uint32_t most; /* it is never surer than CONFIDENCE_HIGH less so much */
    uint32_t entropy;                       /* hundredths of a bit */
    bool is_cased, needs_context, is_assigned;
    const char *file; /* not in an image */
    int line;
};

struct rule_list {
    struct rule *at;
    size_t count, room;
};

void rule_list_free(struct rule_list *list); /* the lists, not what they point at */

/* ---- its form ---- */

enum field_type {
    FIELD_TEXT,
    FIELD_TEXTS, /* a list, or one */
    FIELD_WORD,  /* one of `words`, separated by spaces; the value is its number */
    FIELD_FLAG,
    FIELD_HUNDREDTHS,
    FIELD_POSITIONS, /* format: [position, ...]; kept as "format position" */
};

struct rule_field {
    const char *name;
    enum field_type type;
    size_t offset; /* in struct rule */
    bool is_required, is_stored;
    const char *words;
};

extern const struct rule_field rule_fields[];
extern const size_t rule_field_count;
/* The word of that number, as a slice; empty beyond the last one. */
struct slice rule_word(const struct rule_field *field, uint32_t number);

/* Appends the rules of a file. What they point at lives as long as `storage`. */
struct rule_storage;
MUST_USE bool rules_read(const struct rules_text *text, struct rule_storage *storage,
                         struct rule_list *list, struct fault *fault);
struct rule_storage *rule_storage_new(void);
void rule_storage_free(struct rule_storage *storage);

/* `{{n:alphabet}}` becomes n characters of it (ranges as in a pattern's class), always the
 * same ones. FAULT_INVALID: not of that form. */
MUST_USE bool rule_expand(struct slice template, struct buf *ret_text, struct fault *fault);

/* "FILE:LINE: rule ID: why" */
bool rule_refuse(const struct rule *rule, struct fault *fault, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* All but its examples. */
MUST_USE bool rule_check(const struct rule *rule, struct fault *fault);
#define RULE_GROUPS_MAX 4

/* How many digits a number has: counts (9), ranges (12-19), and behind a slash in how many groups
 * at least (5-8/3). */
struct rule_digits {
    bool is_any;                            /* the rule does not say */
    uint64_t by_groups[RULE_GROUPS_MAX + 1]; /* masks of 1 << count, of a number with so many
                                                groups, or more */
};

/* False: not of that form. */
MUST_USE bool rule_digits_of(const struct rule *rule, struct rule_digits *ret_digits);

/* Adds its n-th position to a set, as the rule `number`. */
struct position_set;
MUST_USE bool rule_add_position(struct position_set *set, const struct rule *rule, size_t n,
                                uint16_t number, struct fault *fault);

/* ---- flat ---- */

MUST_USE bool rules_pack(const struct rule_list *list, struct buf *ret_bytes,
                         struct fault *fault);
/* Slices point into the bytes. */
MUST_USE bool rules_unpack(struct slice bytes, struct rule_list *ret_list,
                           struct fault *fault);

#endif
