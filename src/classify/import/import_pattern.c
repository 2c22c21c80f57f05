/* What a pattern finds: its value, its keywords. */
#include <math.h>
#include <stdlib.h>

#include "classify/confirm.h"
#include "classify/import/parts.h"
#include "classify/tokens.h"

#define KEYWORD_BEFORE 128 /* as the engine has it */
#define FIXED_MIN 3        /* a value that begins so, and is as long, is surely meant */
#define SURE_LEAST 16

static bool name_values(struct import_draft *draft, const bool *is_value, size_t values,
                        struct fault *fault)
{
    const struct pattern *pattern = &draft->pattern;
    struct slice text = buf_slice(&pattern->text);
    size_t at = 0;

    draft->text = buf_with_limit(2 * PATTERN_BYTES_MAX);
    if (values > 1 && !buf_add_text(&draft->text, "(?J)", fault))
        return false;
    for (size_t i = 0; i < pattern->group_count; i++) {
        if (!is_value[i])
            continue;
        if (!buf_add(&draft->text, slice_part(text, at, pattern->opens[i]), fault) ||
            !buf_add_text(&draft->text, "?<value>", fault))
            return false;
        at = pattern->opens[i];
    }
    return buf_add(&draft->text, slice_part(text, at, text.len), fault);
}

/*
 * Without secretGroup the other scanner takes the first group that is not empty. One that stands
 * in a repeat, or holds one of a few fixed texts, is not what anybody means: then the whole
 * match is taken.
 */
static size_t choose_values(const struct import_draft *draft, bool *is_value)
{
    const struct pattern *pattern = &draft->pattern;
    size_t values = 0;

    for (size_t i = 0; i < pattern->group_count; i++) {
        if (pattern->is_repeated[i] || pattern_is_fixed(pattern, pattern->groups[i]))
            return 0;
        is_value[i] = true;
        values++;
        if (!pattern->is_optional[i] && pattern_least(pattern, pattern->groups[i]) > 0)
            break; /* it is always there */
    }
    return values;
}

bool import_read_pattern(struct import_draft *draft, struct import *import, const char *regex,
                         struct fault *fault)
{
    bool is_value[PATTERN_GROUPS_MAX] = {false};
    size_t values;
    double group;
    uint32_t part;

    if (!import_read_number(draft->from, "secretGroup", PATTERN_GROUPS_MAX, &group, fault) ||
        !pattern_read(slice_of(regex), &draft->pattern, fault))
        return false;
    if (group > (double)draft->pattern.group_count || group > floor(group))
        return fault_set(fault, FAULT_INVALID, "secretGroup %g: there are %zu groups", group,
                         draft->pattern.group_count);
    if (group > 0)
        is_value[(size_t)group - 1] = true;
    values = group > 0 ? 1 : choose_values(draft, is_value);
    if (values == 0 && draft->pattern.group_count > 0) {
        memset(is_value, 0, sizeof(is_value));
        import_note(
            import, IMPORT_CHANGED, draft->id, draft->from->line,
            "its first group is no value (it repeats, or is fixed): the whole match is taken");
    }
    if (draft->pattern.looks_around)
        import_note(import, IMPORT_CHANGED, draft->id, draft->from->line,
                    "it looks around, which RE2 refuses: read as PCRE2 has it");
    part = draft->pattern.root;
    for (size_t i = 0; i < draft->pattern.group_count; i++)
        if (values == 1 && is_value[i])
            part = draft->pattern.groups[i];
    draft->is_sure = pattern_fixed_start(&draft->pattern, part) >= FIXED_MIN &&
                     pattern_least(&draft->pattern, part) >= SURE_LEAST;
    return name_values(draft, is_value, values, fault);
}

bool import_check_pattern(struct slice pattern, struct fault *fault)
{
    char why[200];
    size_t at = 0;

    return confirm_check(pattern, why, sizeof(why), &at) ||
           fault_set(fault, FAULT_INVALID, "PCRE2, character %zu: %s", at + 1, why);
}

/* ---- keywords ---- */

/* Those that are given, else what the pattern always holds. False: there is nothing. */
bool import_choose_keywords(struct import_draft *draft, const struct toml *given)
{
    draft->keywords.count = 0;
    if (given != NULL && draft->derived == NULL) {
        for (size_t i = 0; i < given->count; i++)
            import_add_text(&draft->keywords, slice_part(import_text_of(given->children[i]), 0,
                                                         RULE_KEYWORD_MAX));
        return true;
    }
    for (size_t i = 0; draft->derived != NULL && i < draft->derived->count; i++)
        import_add_text(&draft->keywords, slice_of(draft->derived->at[i]));
    return draft->derived != NULL;
}

bool import_has_keyword(const struct import_draft *draft, struct slice text,
                        size_t match_start)
{
    if (draft->keywords.count == 0)
        return true;
    for (size_t i = 0; i < draft->keywords.count; i++)
        if (text_holds(slice_part(text, match_start,
                                  match_start + KEYWORD_BEFORE + draft->keywords.at[i].len),
                       draft->keywords.at[i]))
            return true;
    return false;
}
