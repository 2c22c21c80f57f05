/* From a match to a finding: what the value is, and what stands around it. */
#include "classify/ascii.h"
#include "classify/engine.h"
#include "classify/tokens.h"

#define CONTEXT_BYTES 40
#define GAP_MAX 8          /* between a label and its value */
#define HASH_DIGITS_MIN 32 /* of a UUID or a digest */
#define HASH_BYTES_MAX 160

/* Tenths of log-odds. */
#define WORTH_LABEL 30
#define WORTH_BEFORE 15
#define WORTH_AFTER 7
#define WORTH_NEGATIVE -20

static const int worth_bare[] = {
    [CONFIDENCE_LOW] = 5, [CONFIDENCE_MEDIUM] = 15, [CONFIDENCE_HIGH] = 35};
static const int worth_least[] = {
    [CONFIDENCE_LOW] = 0, [CONFIDENCE_MEDIUM] = 14, [CONFIDENCE_HIGH] = 29};

/* ---- context ---- */

/* Does the last of these words stand right in front of the value? Words that say nothing may
 * come between. */
static bool is_label(const struct tokens *before, size_t last, struct slice text, size_t start)
{
    static const char *const fillers[] = {"number", "num",  "no",    "nr", "id",
                                          "is",     "code", "value", "was"};
    const struct slice *word = &before->at[before->count - 1];
    size_t end = (size_t)(word->at - text.at) + word->len;

    for (size_t i = last + 1; i < before->count; i++) {
        bool is_filler = false;

        for (size_t f = 0; f < COUNT(fillers); f++)
            is_filler = is_filler || token_is(before->at[i], slice_of(fillers[f]));
        if (!is_filler)
            return false;
    }
    return start - end <= GAP_MAX;
}

static struct slice words_before(const struct stretch *stretch, size_t start)
{
    size_t from = start > CONTEXT_BYTES ? start - CONTEXT_BYTES : 0;

    /* No half of a word. */
    while (from > 0 && from < start && is_alnum(stretch->text.at[from]) &&
           is_alnum(stretch->text.at[from - 1]))
        from++;
    return slice_part(stretch->text, from, start);
}

static struct slice words_after(const struct stretch *stretch, size_t end)
{
    size_t to =
        stretch->text.len - end < CONTEXT_BYTES ? stretch->text.len : end + CONTEXT_BYTES;

    while (to > end && to < stretch->text.len && is_alnum(stretch->text.at[to]) &&
           is_alnum(stretch->text.at[to - 1]))
        to--;
    return slice_part(stretch->text, end, to);
}

static bool any_phrase(const struct texts *phrases, const struct tokens *tokens)
{
    size_t last;

    for (size_t i = 0; i < phrases->count; i++)
        if (tokens_hold(tokens, phrases->at[i], &last))
            return true;
    return false;
}

int engine_context(const struct rule *rule, const struct stretch *stretch, size_t start,
                   size_t end, bool *ret_has_context)
{
    struct tokens before __attribute__((uninitialized)); /* tokens_of sets what counts */
    struct tokens after __attribute__((uninitialized)), name __attribute__((uninitialized));
    int best = 0, worth;
    size_t last;

    *ret_has_context = false;
    if (rule->context.count == 0 && rule->negative.count == 0)
        return 0;
    tokens_of(words_before(stretch, start), &before);
    tokens_of(words_after(stretch, end), &after);
    tokens_of(engine_element_name(stretch, start), &name);
    for (size_t i = 0; i < rule->context.count; i++) {
        worth = 0;
        if (tokens_hold(&name, rule->context.at[i], &last))
            worth = WORTH_LABEL;
        else if (tokens_hold(&before, rule->context.at[i], &last))
            worth = is_label(&before, last, stretch->text, start) ? WORTH_LABEL : WORTH_BEFORE;
        else if (tokens_hold(&after, rule->context.at[i], &last))
            worth = WORTH_AFTER;
        if (worth > best)
            best = worth;
    }
    *ret_has_context = best > 0;
    if (best < WORTH_LABEL && !rule->is_assigned && /* there they are of the name alone */
        (any_phrase(&rule->negative, &before) || any_phrase(&rule->negative, &name)))
        best += WORTH_NEGATIVE;
    return best;
}

/* ---- the value ---- */

static bool holds_any(struct slice value, const struct texts *words)
{
    for (size_t i = 0; i < words->count; i++)
        if (text_holds(value, words->at[i]))
            return true;
    return false;
}

/* Is a number a part of a UUID or of a digest in hexadecimal? */
static bool is_in_hash(const struct stretch *stretch, size_t start, size_t end)
{
    size_t digits = 0, letters = 0, from = start, to = end;

    while (from > 0 && start - from < HASH_BYTES_MAX &&
           (is_alnum(stretch->text.at[from - 1]) || stretch->text.at[from - 1] == '-'))
        from--;
    while (to < stretch->text.len && to - end < HASH_BYTES_MAX &&
           (is_alnum(stretch->text.at[to]) || stretch->text.at[to] == '-'))
        to++;
    for (size_t at = from; at < to; at++) {
        uint8_t byte = lower(stretch->text.at[at]);

        if (byte > 'f')
            return false;
        digits += byte != '-';
        letters += byte >= 'a';
    }
    return digits >= HASH_DIGITS_MIN && letters > 0;
}

static bool is_possible(const struct engine *engine, const struct stretch *stretch,
                        const struct loaded_rule *loaded, size_t start, size_t end)
{
    const struct rule *rule = &loaded->rule;
    struct slice value = slice_part(stretch->text, start, end);

    (void)engine;
    if (loaded->validator != NULL && !loaded->validator(value))
        return false;
    if (rule->entropy > 0 && text_entropy(value) * 100 < rule->entropy)
        return false;
    if (holds_any(value, &rule->stop) ||
        (rule->class == CLASS_SECRET && validate_is_placeholder(value)))
        return false;
    return rule->sieve != RULE_SIEVE_DIGITS || !is_in_hash(stretch, start, end);
}

/* Among bytes that are no text no word speaks for a value. A card needs none: its digits do. */
static int least_in_bytes(const struct rule *rule)
{
    return rule->class == CLASS_PAN ? CONFIDENCE_MEDIUM : CONFIDENCE_HIGH;
}

void engine_judge(struct engine *engine, const struct stretch *stretch, uint16_t number,
                  size_t start, size_t end)
{
    const struct loaded_rule *loaded = &engine->rules->at[number];
    const struct rule *rule = &loaded->rule;
    int worth = worth_bare[rule->confidence], confidence = CONFIDENCE_HIGH;
    bool has_context = false;

    if (!is_possible(engine, stretch, loaded, start, end))
        return;
    worth += engine_context(rule, stretch, start, end, &has_context);
    if (rule->needs_context && !has_context)
        return;
    confidence -= (int)rule->most;
    while (confidence >= 0 && worth < worth_least[confidence])
        confidence--;
    if (confidence < 0 || (!engine->is_text && confidence < least_in_bytes(rule)))
        return;
    /* A published one is nobody's, but it looks like somebody's: replaced, never alarming. */
    if (confidence == CONFIDENCE_HIGH && loaded->validator != NULL &&
        validate_is_test_value(slice_part(stretch->text, start, end)))
        confidence = CONFIDENCE_MEDIUM;
    findings_add(engine->findings, (struct finding){.start = start + stretch->base,
                                                    .end = end + stretch->base,
                                                    .class = (enum data_class)rule->class,
                                                    .rule = number,
                                                    .confidence = (uint8_t)confidence});
}
