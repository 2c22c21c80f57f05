#include "classify/loaded.h"

#include <stdlib.h>

#include "classify/confirm_begin.h"
#include "classify/tokens.h"

#define KEYWORD_BEFORE 128UL /* how far in front of its keyword a match may begin */

static void index_keywords(struct rules *rules)
{
    size_t count = 0;
    struct keyword *all;

    for (size_t i = 0; i < rules->count; i++)
        count += rules->at[i].rule.keywords.count;
    rules->anchors = xalloc_array(count + 1, sizeof(*rules->anchors));
    all = xalloc_array(count + 1, sizeof(*all));
    for (size_t i = 0; i < rules->count; i++)
        for (size_t k = 0; k < rules->at[i].rule.keywords.count; k++) {
            struct slice text = rules->at[i].rule.keywords.at[k];

            all[rules->anchor_count] =
                (struct keyword){.text = text, .is_cased = rules->at[i].rule.is_cased};
            rules->anchors[rules->anchor_count++] =
                (struct anchor){.rule = (uint16_t)i, .len = (uint8_t)text.len};
        }
    rules->keywords = keywords_new(all, count);
    free(all);
}

static void index_sieves(struct rules *rules)
{
    for (size_t sieve = 0; sieve < RULE_SIEVE_COUNT; sieve++)
        rules->by_sieve[sieve] =
            xalloc_array(rules->count + 1, sizeof(*rules->by_sieve[sieve]));
    for (size_t i = 0; i < rules->count; i++) {
        uint32_t sieve = rules->at[i].rule.sieve;

        rules->by_sieve[sieve][rules->by_sieve_count[sieve]++] = (uint16_t)i;
    }
}

static bool index_numbers(struct rules *rules)
{
    size_t count = rules->by_sieve_count[RULE_SIEVE_DIGITS];
    struct number_rules *numbers = &rules->numbers;

    numbers->is_any = xalloc_array(count + 1, sizeof(*numbers->is_any));
    for (size_t groups = 0; groups <= RULE_GROUPS_MAX; groups++)
        numbers->by_groups[groups] =
            xalloc_array(count + 1, sizeof(*numbers->by_groups[groups]));
    for (size_t i = 0; i < count; i++) {
        struct rule_digits digits;

        if (!rule_digits_of(&rules->at[rules->by_sieve[RULE_SIEVE_DIGITS][i]].rule, &digits))
            return false;
        numbers->is_any[i] = digits.is_any;
        numbers->wanted.is_any = numbers->wanted.is_any || digits.is_any;
        for (size_t groups = 0; groups <= RULE_GROUPS_MAX; groups++) {
            numbers->by_groups[groups][i] = digits.by_groups[groups];
            numbers->wanted.by_groups[groups] |= digits.by_groups[groups];
        }
    }
    return true;
}

static void index_keys(struct rules *rules)
{
    size_t count = 0;

    for (size_t i = 0; i < rules->count; i++)
        count += rules->at[i].rule.keys.count;
    for (rules->key_mask = 15; rules->key_mask < count * 2;
         rules->key_mask += rules->key_mask + 1)
        ;
    rules->keys = xalloc_array(rules->key_mask + 1, sizeof(*rules->keys));
    for (size_t i = 0; i < rules->count; i++)
        for (size_t k = 0; k < rules->at[i].rule.keys.count; k++) {
            uint64_t hash = tokens_joined_hash(rules->at[i].rule.keys.at[k]);
            size_t slot = hash & rules->key_mask;

            while (rules->keys[slot].is_used && rules->keys[slot].hash != hash)
                slot = (slot + 1) & rules->key_mask;
            if (!rules->keys[slot].is_used) /* the first rule that names it has it */
                rules->keys[slot] = (struct key_slot){hash, (uint16_t)i, true};
        }
}

static void index_assigned(struct rules *rules)
{
    rules->assigned = xalloc_array(rules->count + 1, sizeof(*rules->assigned));
    for (size_t i = 0; i < rules->count; i++)
        if (rules->at[i].rule.is_assigned)
            rules->assigned[rules->assigned_count++] = (uint16_t)i;
}

bool rules_find(const struct rules *rules, struct slice id, uint16_t *ret_rule)
{
    for (size_t i = 0; i < rules->count; i++)
        if (slice_equal(rules->at[i].rule.id, id)) {
            *ret_rule = (uint16_t)i;
            return true;
        }
    return false;
}

static bool index_positions(struct rules *rules, struct fault *fault)
{
    rules->positions = position_set_new();
    for (size_t i = 0; i < rules->count; i++)
        for (size_t p = 0; p < rules->at[i].rule.positions.count; p++)
            if (!rule_add_position(rules->positions, &rules->at[i].rule, p, (uint16_t)i,
                                   fault))
                return false;
    return true;
}

bool rules_of_key(const struct rules *rules, struct slice name, uint16_t *ret_rule)
{
    uint64_t hash = tokens_joined_hash(name);

    for (size_t slot = hash & rules->key_mask; rules->keys[slot].is_used;
         slot = (slot + 1) & rules->key_mask)
        if (rules->keys[slot].hash == hash) {
            *ret_rule = rules->keys[slot].rule;
            return true;
        }
    return false;
}

/* Is one of the keywords in another one, behind its beginning? Then it is met first, though the other one begins earlier. */
static size_t longest_around(const struct texts *keywords)
{
    size_t longest = 0;

    for (size_t i = 0; i < keywords->count; i++)
        for (size_t k = 0; k < keywords->count; k++) {
            struct slice outer = keywords->at[i], inner = keywords->at[k];

            if (inner.len < outer.len && outer.len > longest &&
                text_holds(slice_part(outer, 1, outer.len), inner))
                longest = outer.len;
        }
    return longest;
}

static size_t keyword_before(const struct rule *rule)
{
    return confirm_begins_with_keyword(rule) ? longest_around(&rule->keywords)
                                             : KEYWORD_BEFORE;
}

struct confirm *rules_confirm(struct rules *rules, uint16_t rule)
{
    struct loaded_rule *loaded = &rules->at[rule];

    if (loaded->confirm == NULL) {
        loaded->confirm = confirm_new(loaded->rule.pattern);
        loaded->keyword_before = keyword_before(&loaded->rule);
    }
    return loaded->confirm;
}

struct confirm *rules_except(struct rules *rules, uint16_t rule, enum except except)
{
    struct loaded_rule *loaded = &rules->at[rule];

    if (loaded->except[except] == NULL && loaded->rule.except[except].len > 0)
        loaded->except[except] = confirm_new(loaded->rule.except[except]);
    return loaded->except[except];
}

/* What the image says is of this length: a damaged one was refused, so it is another version's. */
static bool has_keywords(const struct rule *rule)
{
    for (size_t i = 0; i < rule->keywords.count; i++)
        if (rule->keywords.at[i].len < KEYWORD_BYTES_MIN ||
            rule->keywords.at[i].len > KEYWORD_BYTES_MAX)
            return false;
    return true;
}

bool rules_load(struct slice packed, const char *digest, struct rules **ret_rules,
                struct fault *fault)
{
    struct rules *rules = xalloc(sizeof(*rules));
    bool ok;

    memcpy(rules->digest, digest, sizeof(rules->digest) - 1);
    rules->bytes = buf_with_limit(packed.len + 1);
    ok = buf_add(&rules->bytes, packed, fault) &&
         rules_unpack(buf_slice(&rules->bytes), &rules->list, fault);
    rules->at = xalloc_array(rules->list.count + 1, sizeof(*rules->at));
    for (; ok && rules->count < rules->list.count; rules->count++) {
        struct loaded_rule *loaded = &rules->at[rules->count];

        loaded->rule = rules->list.at[rules->count];
        if (loaded->rule.validator.len > 0)
            loaded->validator = validator_find((const char *)loaded->rule.validator.at);
        ok = (loaded->rule.validator.len == 0 || loaded->validator != NULL) &&
             has_keywords(&loaded->rule);
        if (!ok)
            (void)fault_set(fault, FAULT_INVALID, "a rule of another version");
    }
    if (!ok || !index_positions(rules, fault)) {
        rules_free(rules);
        return false;
    }
    index_keywords(rules);
    index_sieves(rules);
    if (!index_numbers(rules)) {
        rules_free(rules);
        return fault_set(fault, FAULT_INVALID, "a rule of another version");
    }
    index_keys(rules);
    index_assigned(rules);
    rules->finds_names = rules_find(rules, SLICE("pii.person"), &rules->person) &&
                         rules_find(rules, SLICE("pii.postal-address"), &rules->address);
    *ret_rules = rules;
    return true;
}

void rules_free(struct rules *rules)
{
    if (rules == NULL)
        return;
    for (size_t i = 0; i < rules->count; i++) {
        confirm_free(rules->at[i].confirm);
        for (size_t e = 0; e < EXCEPT_COUNT; e++)
            confirm_free(rules->at[i].except[e]);
    }
    for (size_t sieve = 0; sieve < RULE_SIEVE_COUNT; sieve++)
        free(rules->by_sieve[sieve]);
    keywords_free(rules->keywords);
    rule_list_free(&rules->list);
    free(rules->at);
    free(rules->anchors);
    free(rules->keys);
    free(rules->numbers.is_any);
    for (size_t groups = 0; groups <= RULE_GROUPS_MAX; groups++)
        free(rules->numbers.by_groups[groups]);
    free(rules->assigned);
    position_set_free(rules->positions);
    buf_free(&rules->bytes);
    free(rules);
}
