/* classify/loaded.h - a rule set that is ready to be looked with. Private to classify/. */
#ifndef CUSTODY_CLASSIFY_LOADED_H
#define CUSTODY_CLASSIFY_LOADED_H

#include "classify/confirm.h"
#include "classify/keywords.h"
#include "classify/position.h"
#include "classify/rule.h"
#include "classify/validate.h"

/* The n-th literal of all. */
struct anchor {
    uint16_t rule;
    uint8_t len;
};

struct loaded_rule {
    struct rule rule;
    validator *validator;    /* may be NULL */
    struct confirm *confirm; /* made when it is first needed, and then is known: */
    size_t keyword_before;   /* how far in front of a keyword its matches may begin */
    struct confirm *except[EXCEPT_COUNT]; /* the same; NULL: the rule has none */
};

/* The rules of the sieve of numbers, by_sieve[RULE_SIEVE_DIGITS], in a form that is quick to
 * look through. */
struct number_rules {
    uint64_t
        *by_groups[RULE_GROUPS_MAX + 1]; /* of each rule what it wants: struct rule_digits */
    bool *is_any;
    struct rule_digits wanted; /* by any of them */
};

/* Rules by the normalised names of elements: an open hash table. */
struct key_slot {
    uint64_t hash;
    uint16_t rule;
    bool is_used;
};

struct rules {
    char digest[65];
    struct buf bytes; /* the packed rules, which slices point into */
    struct rule_list list;
    struct loaded_rule *at;
    size_t count;
    struct anchor *anchors;
    size_t anchor_count;
    struct keywords *keywords;
    uint16_t *by_sieve[RULE_SIEVE_COUNT]; /* the rules of each sieve */
    size_t by_sieve_count[RULE_SIEVE_COUNT];
    struct number_rules numbers;
    struct key_slot *keys;
    size_t key_mask;
    uint16_t *assigned; /* the rules of names that secrets have */
    size_t assigned_count;
    struct position_set *positions;
    bool finds_names; /* both of these are there */
    uint16_t person, address;
};

/* The pattern of a rule that has one. */
struct confirm *rules_confirm(struct rules *rules, uint16_t rule);
/* The pattern of values that are none, or NULL. */
struct confirm *rules_except(struct rules *rules, uint16_t rule, enum except except);
/* By its id. */
bool rules_find(const struct rules *rules, struct slice id, uint16_t *ret_rule);
/* False: no rule has this name of an element. */
bool rules_of_key(const struct rules *rules, struct slice name, uint16_t *ret_rule);

struct rules *rules_in_use(void);

MUST_USE bool rules_load(struct slice packed, const char *digest, struct rules **ret_rules,
                         struct fault *fault);
void rules_free(struct rules *rules);

#endif
