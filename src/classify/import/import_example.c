/* A text that a rule finds. */
#include "base/scope.h"
#include "classify/confirm.h"
#include "classify/import/parts.h"
#include "classify/tokens.h"
#include "classify/validate.h"

#define VARIANTS_MAX 48

struct checks {
    struct confirm *pattern, *except[EXCEPT_COUNT];
};

static bool matches(struct confirm *confirm, struct slice text,
                    struct confirm_match *ret_match)
{
    const struct confirm_place whole = {.last = text.len, .is_begin = true, .is_end = true};

    return confirm_find(confirm, text, whole, ret_match) == CONFIRM_YES;
}

/* The same that the engine asks, but for words around it. */
static bool is_found(const struct import_draft *draft, const struct checks *checks,
                     struct slice text)
{
    struct confirm_match match, other;
    struct slice targets[EXCEPT_COUNT];

    if (!matches(checks->pattern, text, &match))
        return false;
    targets[EXCEPT_VALUE] = slice_part(text, match.start, match.end);
    targets[EXCEPT_MATCH] = slice_part(text, match.match_start, match.match_end);
    targets[EXCEPT_LINE] = text;
    for (size_t i = 0; i < EXCEPT_COUNT; i++)
        if (checks->except[i] != NULL && matches(checks->except[i], targets[i], &other))
            return false;
    for (size_t i = 0; i < draft->stop.count; i++)
        if (text_holds(targets[EXCEPT_VALUE], draft->stop.at[i]))
            return false;
    return text_entropy(targets[EXCEPT_VALUE]) >= draft->entropy &&
           !validate_is_placeholder(targets[EXCEPT_VALUE]) &&
           import_has_keyword(draft, text, match.match_start);
}

static bool try_variant(struct import_draft *draft, const struct checks *checks,
                        unsigned variant)
{
    AUTO_BUF struct buf text = buf_with_limit(IMPORT_EXAMPLE_BYTES_MAX);
    struct fault unsaid = {0}; /* another variant may do */

    buf_clear(&draft->example);
    return pattern_example(&draft->pattern, variant, &draft->example, &unsaid) &&
           rule_expand(buf_slice(&draft->example), &text, &unsaid) &&
           is_found(draft, checks, buf_slice(&text));
}

static bool make_example(struct import_draft *draft)
{
    struct checks checks = {.pattern = confirm_new(buf_slice(&draft->text))};
    bool ok = false;

    for (size_t i = 0; i < EXCEPT_COUNT; i++)
        if (draft->except[i].len > 0)
            checks.except[i] = confirm_new(buf_slice(&draft->except[i]));
    for (unsigned variant = 0; !ok && variant < VARIANTS_MAX; variant++)
        ok = try_variant(draft, &checks, variant);
    confirm_free(checks.pattern);
    for (size_t i = 0; i < EXCEPT_COUNT; i++)
        confirm_free(checks.except[i]);
    return ok;
}

/* With the keywords that are given, or where no match holds them with those of the pattern.
 * ret_is_apart: there is one, but neither is in it. */
bool import_find_example(struct import_draft *draft, const struct toml *given,
                         bool *ret_is_apart)
{
    *ret_is_apart = false;
    if (make_example(draft))
        return true;
    if (draft->derived != NULL)
        return false;
    draft->derived = pattern_literals(&draft->pattern);
    if (draft->derived != NULL)
        return import_choose_keywords(draft, given) && make_example(draft);
    draft->keywords.count = 0;
    *ret_is_apart = make_example(draft);
    return false;
}
