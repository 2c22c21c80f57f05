/* What of a rule can be checked without looking for anything. */
#include "classify/confirm.h"
#include "classify/position.h"
#include "classify/rule.h"
#include "classify/validate.h"

#define ID_MAX 80

static bool check_id(const struct rule *rule, struct fault *fault)
{
    struct slice class = slice_of(class_name((enum data_class)rule->class));

    if (rule->id.len > ID_MAX || !slice_starts_with(rule->id, class) ||
        rule->id.len < class.len + 2 || rule->id.at[class.len] != '.')
        return rule_refuse(rule, fault, "an id is CLASS.NAME, up to %d characters", ID_MAX);
    for (size_t i = 0; i < rule->id.len; i++)
        if (strchr("abcdefghijklmnopqrstuvwxyz0123456789.-", rule->id.at[i]) == NULL)
            return rule_refuse(rule, fault, "an id is of a-z 0-9 . and -");
    return true;
}

static bool check_pattern(const struct rule *rule, struct fault *fault)
{
    const struct slice patterns[] = {rule->pattern, rule->except[EXCEPT_VALUE],
                                     rule->except[EXCEPT_MATCH], rule->except[EXCEPT_LINE]};
    char why[200];
    size_t at = 0;

    for (size_t i = 0; i < COUNT(patterns); i++) {
        if (patterns[i].len == 0)
            continue;
        if (i > 0 && (rule->pattern.len == 0 || rule->is_assigned))
            return rule_refuse(rule, fault, "exceptions are for a rule that finds by its pattern");
        if (!confirm_check(patterns[i], why, sizeof(why), &at))
            return rule_refuse(rule, fault, "%s, character %zu: %s",
                               i == 0 ? "pattern" : "except", at + 1, why);
    }
    return true;
}

/* What finds it: literals or a sieve for a pattern, literals for an assignment. */
static bool check_anchor(const struct rule *rule, struct fault *fault)
{
    bool has_anchor = rule->keywords.count > 0 || rule->sieve != RULE_SIEVE_NONE;
    bool is_named = rule->keys.count > 0 || rule->positions.count > 0;

    if (rule->pattern.len == 0 && !rule->is_assigned && !is_named)
        return rule_refuse(rule, fault, "has neither pattern nor keys nor positions");
    if (rule->keywords.count > 0 && rule->sieve != RULE_SIEVE_NONE)
        return rule_refuse(rule, fault, "has both keywords and a sieve");
    if (rule->is_assigned && rule->keywords.count == 0)
        return rule_refuse(rule, fault, "what is assigned needs keywords of the name");
    if (has_anchor && rule->pattern.len == 0 && !rule->is_assigned)
        return rule_refuse(rule, fault, "has keywords or a sieve, and no pattern");
    if (!has_anchor && rule->pattern.len > 0 && !is_named)
        return rule_refuse(rule, fault, "a pattern needs keywords or a sieve to be found by");
    if (rule->digits.count > 0 && rule->sieve != RULE_SIEVE_DIGITS)
        return rule_refuse(rule, fault, "digits are for the sieve of digits");
    if (rule->needs_context && rule->context.count == 0)
        return rule_refuse(rule, fault, "needs a context that it does not name");
    return true;
}

/* Decimal digits off the front, below 100. */
static bool take_count(struct slice *text, unsigned *ret_count)
{
    size_t len = 0;

    *ret_count = 0;
    for (; len < text->len && len < 2 && text->at[len] >= '0' && text->at[len] <= '9'; len++)
        *ret_count = *ret_count * 10 + (text->at[len] - (unsigned)'0');
    *text = slice_part(*text, len, text->len);
    return len > 0 && *ret_count > 0;
}

static bool take_sign(struct slice *text, uint8_t sign)
{
    if (text->len == 0 || text->at[0] != sign)
        return false;
    *text = slice_part(*text, 1, text->len);
    return true;
}

bool rule_digits_of(const struct rule *rule, struct rule_digits *ret_digits)
{
    *ret_digits = (struct rule_digits){.is_any = rule->digits.count == 0};
    for (size_t i = 0; i < rule->digits.count; i++) {
        struct slice text = rule->digits.at[i];
        unsigned first, last, groups = 1;

        if (!take_count(&text, &first))
            return false;
        last = first;
        if ((take_sign(&text, '-') && !take_count(&text, &last)) ||
            (take_sign(&text, '/') && !take_count(&text, &groups)) || text.len > 0 ||
            last < first || last > RULE_DIGITS_MAX || groups > RULE_GROUPS_MAX)
            return false;
        for (; groups <= RULE_GROUPS_MAX; groups++)
            ret_digits->by_groups[groups] |=
                (UINT64_C(2) << last) - (UINT64_C(1) << first);
    }
    return true;
}

bool rule_add_position(struct position_set *set, const struct rule *rule, size_t n,
                       uint16_t number, struct fault *fault)
{
    struct slice rest = rule->positions.at[n], key = {0};
    enum format format;

    if (!slice_cut(&rest, ' ', &key) || !position_format(key, &format))
        return fault_set(fault, FAULT_INVALID, "no format %.*s has positions", SLICE_ARGS(key));
    return position_add(set, format, rest, number, fault);
}

static bool check_positions(const struct rule *rule, struct fault *fault)
{
    struct position_set *set = position_set_new();
    struct fault why = {0};
    bool ok = true;

    for (size_t i = 0; ok && i < rule->positions.count; i++)
        ok = rule_add_position(set, rule, i, 0, &why);
    position_set_free(set);
    return ok || rule_refuse(rule, fault, "%s", why.why);
}

bool rule_check(const struct rule *rule, struct fault *fault)
{
    struct rule_digits digits;

    if (!check_id(rule, fault) || !check_pattern(rule, fault) || !check_anchor(rule, fault))
        return false;
    for (size_t i = 0; i < rule->keywords.count; i++)
        if (rule->keywords.at[i].len < RULE_KEYWORD_MIN ||
            rule->keywords.at[i].len > RULE_KEYWORD_MAX)
            return rule_refuse(rule, fault, "keyword `%.*s`: of %lu to %lu bytes",
                               SLICE_ARGS(rule->keywords.at[i]), RULE_KEYWORD_MIN,
                               RULE_KEYWORD_MAX);
    if (!rule_digits_of(rule, &digits))
        return rule_refuse(rule, fault, "digits are counts (9) or ranges (12-19) up to %d, and /GROUPS up to %d",
                           RULE_DIGITS_MAX, RULE_GROUPS_MAX);
    if (rule->validator.len > 0 &&
        validator_find((const char *)rule->validator.at) == NULL)
        return rule_refuse(rule, fault, "no validator %.*s", SLICE_ARGS(rule->validator));
    if (rule->hipaa.len > 0 &&
        (rule->hipaa.len != 1 || rule->hipaa.at[0] < 'A' || rule->hipaa.at[0] > 'R'))
        return rule_refuse(rule, fault, "hipaa is a letter from A to R");
    return check_positions(rule, fault);
}
