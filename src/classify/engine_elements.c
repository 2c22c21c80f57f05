/* What a format says of a stretch of its text: the name of a key or column, a fixed position. */
#include "base/scope.h"
#include "classify/engine.h"
#include "classify/tokens.h"

#define NEST_MAX 8     /* elements that are looked at to find the innermost one */
#define MEMO_NAMES 256 /* names whose rule is remembered */

struct slice engine_element_name(const struct stretch *stretch, size_t at)
{
    const struct reading *reading = stretch->reading;
    size_t low = 0, high = reading == NULL ? 0 : reading->element_count;

    while (low < high) { /* how many begin at or in front of it */
        size_t middle = low + (high - low) / 2;

        if (reading->elements[middle].start <= at)
            low = middle + 1;
        else
            high = middle;
    }
    for (size_t i = low; i > 0 && low - i < NEST_MAX; i--)
        if (reading->elements[i - 1].end > at && reading->elements[i - 1].name.len > 0)
            return reading->elements[i - 1].name;
    return SLICE("");
}

/* What a name says; of a table each cell of a column has the same one. */
struct meaning {
    struct slice name; /* by its place: readers keep a name once */
    bool is_key, is_secret;
    uint16_t key, secret; /* rules */
};

struct memo {
    struct meaning at[MEMO_NAMES];
};

static bool has_keyword(const struct rule *rule, struct slice name)
{
    for (size_t i = 0; i < rule->keywords.count; i++)
        if (text_holds(name, rule->keywords.at[i]))
            return true;
    return false;
}

static const struct meaning *meaning_of(const struct engine *engine, struct memo *memo,
                                        struct slice name)
{
    struct meaning *meaning = &memo->at[((uintptr_t)name.at ^ (uintptr_t)name.at >> 8) % MEMO_NAMES];
    const struct rules *rules = engine->rules;

    if (meaning->name.at == name.at && meaning->name.len == name.len)
        return meaning;
    *meaning = (struct meaning){.name = name};
    meaning->is_key = rules_of_key(rules, name, &meaning->key);
    for (size_t i = 0; !meaning->is_secret && i < rules->assigned_count; i++) {
        const struct rule *rule = &rules->at[rules->assigned[i]].rule;

        meaning->secret = rules->assigned[i];
        meaning->is_secret = has_keyword(rule, name) && engine_is_secret_name(rule, name);
    }
    return meaning;
}

static void trim(const struct stretch *stretch, size_t *start, size_t *end)
{
    while (*start < *end && stretch->text.at[*start] <= ' ')
        ++*start;
    while (*end > *start && stretch->text.at[*end - 1] <= ' ')
        --*end;
}

static void found(struct engine *engine, const struct stretch *stretch, uint16_t number,
                  size_t start, size_t end, uint8_t confidence)
{
    uint32_t most = CONFIDENCE_HIGH - engine->rules->at[number].rule.most;

    findings_add(engine->findings,
                 (struct finding){.start = start + stretch->base,
                                  .end = end + stretch->base,
                                  .class = (enum data_class)engine->rules->at[number].rule.class,
                                  .rule = number,
                                  .confidence = confidence < most ? confidence : (uint8_t)most});
}

static bool find_in(struct engine *engine, uint16_t number, struct slice text,
                    struct confirm_match *ret_match)
{
    const struct confirm_place place = {.last = text.len, .is_begin = true, .is_end = true};

    return confirm_find(rules_confirm(engine->rules, number), text, place, ret_match) ==
           CONFIRM_YES;
}

/*
 * Some patterns want the name in front of the value, and a column has it far above: where a
 * value alone is no match, it is looked at behind the first of the rule's names.
 */
static bool find_value(struct engine *engine, uint16_t number, struct slice value,
                       struct confirm_match *ret_match)
{
    struct slice name = engine->rules->at[number].rule.keys.at[0];
    size_t before = name.len + 2;
    AUTO_BUF struct buf text = buf_with_limit(before + value.len);
    struct fault none = {0};

    if (find_in(engine, number, value, ret_match))
        return true;
    if (!buf_add(&text, name, &none) || !buf_add_text(&text, ": ", &none) ||
        !buf_add(&text, value, &none) ||
        !find_in(engine, number, buf_slice(&text), ret_match) || ret_match->start < before)
        return false;
    ret_match->start -= before;
    ret_match->end -= before;
    return true;
}

/* By its name: what the rule's pattern finds in it; without a pattern the whole, where the
 * rule's validator does not object. */
static void judge_key(struct engine *engine, const struct stretch *stretch, uint16_t number,
                      size_t start, size_t end)
{
    struct loaded_rule *loaded = &engine->rules->at[number];
    struct slice value = slice_part(stretch->text, start, end);
    struct confirm_match match;

    if (loaded->rule.pattern.len > 0) {
        if (!find_value(engine, number, value, &match))
            return;
        end = start + match.end;
        start += match.start;
        value = slice_part(stretch->text, start, end);
    }
    if (validate_is_placeholder(value) ||
        (loaded->validator != NULL && !loaded->validator(value)))
        return;
    found(engine, stretch, number, start, end,
          loaded->validator != NULL ? CONFIDENCE_HIGH : (uint8_t)loaded->rule.confidence);
}

/* By its position: whatever stands there. */
static void judge_position(struct engine *engine, const struct stretch *stretch,
                           uint16_t number, size_t start, size_t end)
{
    const struct loaded_rule *loaded = &engine->rules->at[number];
    uint8_t confidence = (uint8_t)loaded->rule.confidence;

    if (loaded->validator != NULL)
        confidence = loaded->validator(slice_part(stretch->text, start, end))
                         ? CONFIDENCE_HIGH
                         : CONFIDENCE_MEDIUM;
    found(engine, stretch, number, start, end, confidence);
}

static void judge_element(struct engine *engine, const struct stretch *stretch,
                          struct memo *memo, const struct element *element)
{
    size_t start = element->start, end = element->end;
    const struct meaning *meaning;
    uint16_t rule;

    trim(stretch, &start, &end);
    if (start == end)
        return;
    if (element->position.len > 0 &&
        position_rule(engine->rules->positions, stretch->reading->format, element->position,
                      &rule))
        judge_position(engine, stretch, rule, start, end);
    if (element->name.len == 0)
        return;
    meaning = meaning_of(engine, memo, element->name);
    if (meaning->is_key)
        judge_key(engine, stretch, meaning->key, start, end);
    if (meaning->is_secret &&
        engine_is_secret_value(engine, meaning->secret, slice_part(stretch->text, start, end)))
        engine_judge(engine, stretch, meaning->secret, start, end);
}

void engine_elements(struct engine *engine, const struct stretch *stretch)
{
    const struct reading *reading = stretch->reading;
    struct memo *memo;

    if (reading->element_count == 0)
        return;
    memo = xalloc(sizeof(*memo));
    for (size_t i = 0; i < reading->element_count; i++)
        judge_element(engine, stretch, memo, &reading->elements[i]);
    free(memo);
}
