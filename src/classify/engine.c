#include "classify/engine.h"

#include "classify/sieve.h"

#include "classify/ascii.h"

#define WINDOW_SMALL 512UL   /* most values are shorter */
#define LOOK_BEHIND 64UL     /* what a pattern may look at in front of a match */
#define NUMBER_BEFORE 2UL    /* "+1", "(2" */
#define WORD_BEFORE 24UL     /* of letters that a number is part of */
#define LENGTH_AFTER 64UL
#define LINE_MAX_AROUND 512UL /* of a line in front of a value, and from it on */
#define WORK_PER_BYTE 32
#define WORK_LEAST (1UL << 20)

void engine_begin(struct engine *engine, struct rules *rules, struct findings *findings)
{
    *engine = (struct engine){
        .rules = rules, .findings = findings, .is_text = true, .work_max = WORK_LEAST};
}

void engine_end(struct engine *engine)
{
    free(engine->done_to);
    engine->done_to = NULL;
}

void engine_allow(struct engine *engine, size_t bytes)
{
    engine->work_max += (uint64_t)bytes * WORK_PER_BYTE;
}

static size_t *done_to(struct engine *engine, uint16_t rule)
{
    if (engine->done_to == NULL)
        engine->done_to = xalloc_array(engine->rules->count, sizeof(*engine->done_to));
    return &engine->done_to[rule];
}

/* The pattern in a window of the text that reaches `after` bytes behind a candidate. */
static enum confirm_result find_within(struct confirm *confirm, const struct stretch *stretch,
                                       size_t from, size_t last, size_t after, bool is_last_try,
                                       struct confirm_match *ret_match)
{
    size_t base = from > LOOK_BEHIND ? from - LOOK_BEHIND : 0;
    size_t end = stretch->text.len - last < after ? stretch->text.len : last + after;
    const struct confirm_place place = {.from = from - base,
                                        .last = last - base,
                                        .is_begin = base == 0 && stretch->is_begin,
                                        .is_end = is_last_try || end == stretch->text.len};
    enum confirm_result result =
        confirm_find(confirm, slice_part(stretch->text, base, end), place, ret_match);

    ret_match->start += base;
    ret_match->end += base;
    ret_match->match_start += base;
    ret_match->match_end += base;
    return result;
}

bool engine_may_work(struct engine *engine, size_t bytes)
{
    engine->work += bytes;
    if (engine->work > engine->work_max)
        engine->is_exhausted = true;
    return !engine->is_exhausted;
}

static struct slice line_around(struct slice text, size_t at)
{
    size_t from = at, to = at;

    while (from > 0 && at - from < LINE_MAX_AROUND && text.at[from - 1] != '\n')
        from--;
    while (to < text.len && to - at < LINE_MAX_AROUND && text.at[to] != '\n')
        to++;
    return slice_part(text, from, to);
}

/* Does the rule itself say that this is none? */
static bool is_excepted(struct engine *engine, const struct stretch *stretch, uint16_t rule,
                        const struct confirm_match *match)
{
    const struct slice targets[EXCEPT_COUNT] = {
        [EXCEPT_VALUE] = slice_part(stretch->text, match->start, match->end),
        [EXCEPT_MATCH] = slice_part(stretch->text, match->match_start, match->match_end),
        [EXCEPT_LINE] = line_around(stretch->text, match->start)};

    for (unsigned i = 0; i < EXCEPT_COUNT; i++) {
        struct confirm *except = rules_except(engine->rules, rule, (enum except)i);
        const struct confirm_place whole = {
            .last = targets[i].len, .is_begin = true, .is_end = true};
        struct confirm_match unused;

        if (except != NULL && engine_may_work(engine, targets[i].len) &&
            confirm_find(except, targets[i], whole, &unused) == CONFIRM_YES)
            return true;
    }
    return false;
}

/* Every match of the rule that begins in [from, last], where none was looked for yet. */
static void confirm_between(struct engine *engine, const struct stretch *stretch, uint16_t rule,
                            size_t from, size_t last)
{
    struct confirm *confirm = rules_confirm(engine->rules, rule);
    size_t *done = done_to(engine, rule);

    if (*done > stretch->base && from < *done - stretch->base)
        from = *done - stretch->base;
    if (from <= last && !confirm_may_begin(confirm, stretch->text, from, last)) {
        *done = last + 1 + stretch->base;
        return;
    }
    while (from <= last) {
        struct confirm_match match = {0};
        enum confirm_result result = CONFIRM_MORE;

        if (engine_may_work(engine, WINDOW_SMALL / 8))
            result = find_within(confirm, stretch, from, last, WINDOW_SMALL, false, &match);
        if (result == CONFIRM_MORE && engine_may_work(engine, 0)) {
            result = find_within(confirm, stretch, from, last, ENGINE_AFTER, true, &match);
            (void)engine_may_work(engine, result == CONFIRM_YES ? match.match_end - from : ENGINE_AFTER);
        }
        if (result == CONFIRM_HARD)
            engine->is_exhausted = true;
        if (result != CONFIRM_YES) {
            *done = last + 1 + stretch->base; /* none begins there: not to be tried again */
            return;
        }
        if (!is_excepted(engine, stretch, rule, &match))
            engine_judge(engine, stretch, rule, match.start, match.end);
        from = match.match_end;
        *done = match.match_end + stretch->base;
    }
}

/* ---- keywords ---- */

struct hunt {
    struct engine *engine;
    const struct stretch *stretch;
};

static bool on_keyword(void *self, size_t keyword, size_t end)
{
    const struct hunt *hunt = self;
    struct engine *engine = hunt->engine;
    const struct anchor *anchor = &engine->rules->anchors[keyword];
    size_t start = end - anchor->len, before;

    if (end <= hunt->stretch->from || end > hunt->stretch->to)
        return true;
    if (engine->rules->at[anchor->rule].rule.is_assigned) {
        if (engine->is_text)
            engine_assigned(engine, hunt->stretch, anchor->rule, start, end);
    } else {
        (void)rules_confirm(engine->rules, anchor->rule);
        before = engine->rules->at[anchor->rule].keyword_before;
        confirm_between(engine, hunt->stretch, anchor->rule, start > before ? start - before : 0,
                        start);
    }
    return !engine->is_exhausted;
}

/* ---- the sieve ---- */

/* Where the word that a digit is in begins. */
static size_t word_start(const struct stretch *stretch, size_t at)
{
    size_t least = at > WORD_BEFORE ? at - WORD_BEFORE : 0;

    while (at > least && is_alnum(stretch->text.at[at - 1]))
        at--;
    return at;
}

/* Does a word go on to this number, at once or behind a space ("NWBK 6016")? */
static bool is_behind_letters(const struct stretch *stretch, size_t at)
{
    const uint8_t *text = stretch->text.at;

    return (at > 0 && is_alnum(text[at - 1])) ||
           (at > 1 && text[at - 1] == ' ' && is_upper(text[at - 2]));
}

/* How long what a digit stands in is, up to the next space on both sides. */
static size_t length_around(const struct stretch *stretch, size_t at)
{
    size_t from = at, to = at;

    while (from > 0 && at - from < WORD_BEFORE && stretch->text.at[from - 1] > ' ')
        from--;
    while (to < stretch->text.len && to - at < LENGTH_AFTER && stretch->text.at[to] > ' ')
        to++;
    return to - from;
}

/* A number from one of its groups on: of `first` digits, or with the groups behind it of up to
 * `all`. */
struct number {
    size_t at, first, all, groups;
};

/* Rules that count no digits have letters among them. */
static void try_number(const struct hunt *hunt, const struct number *number)
{
    struct rules *rules = hunt->engine->rules;
    const struct stretch *stretch = hunt->stretch;
    const struct rule_digits *any = &rules->numbers.wanted;
    size_t at = number->at, word, from, length;
    const uint64_t *wanted;
    size_t groups = number->groups < RULE_GROUPS_MAX ? number->groups : RULE_GROUPS_MAX;
    bool is_mixed = any->is_any && is_behind_letters(stretch, at);
    uint64_t counts =
        number->all >= RULE_DIGITS_MAX ? ~UINT64_C(0) : (UINT64_C(2) << number->all) - 1;

    if (number->first > RULE_DIGITS_MAX)
        return;
    counts &= ~((UINT64_C(1) << number->first) - 1);
    if (!is_mixed && (any->by_groups[groups] & counts) == 0)
        return;
    word = word_start(stretch, at);
    length = is_mixed ? length_around(stretch, at) : 0;
    from = word < at ? word : at > NUMBER_BEFORE ? at - NUMBER_BEFORE : 0;
    wanted = rules->numbers.by_groups[groups];
    for (size_t i = 0; i < rules->by_sieve_count[RULE_SIEVE_DIGITS]; i++) {
        uint16_t rule = rules->by_sieve[RULE_SIEVE_DIGITS][i];

        if ((wanted[i] & counts) != 0)
            confirm_between(hunt->engine, stretch, rule, from, at);
        else if (is_mixed && rules->numbers.is_any[i] &&
                 (word == at || length >= confirm_least(rules_confirm(rules, rule))))
            confirm_between(hunt->engine, stretch, rule, at > WORD_BEFORE ? at - WORD_BEFORE : 0,
                            at);
    }
}

static size_t group_at(const uint8_t *text, size_t at, size_t end)
{
    size_t start = at;

    while (at < end && is_digit(text[at]))
        at++;
    return at - start;
}

static size_t groups_in(const uint8_t *text, size_t at, size_t end)
{
    size_t groups = 0;

    for (; at < end; at++)
        groups += is_digit(text[at]) && (at + 1 == end || !is_digit(text[at + 1]));
    return groups;
}

/* Each group of its digits may be where a number begins. */
static void try_numbers(const struct hunt *hunt, const struct sieve_candidate *candidate)
{
    const uint8_t *text = hunt->stretch->text.at;
    struct number number = {.all = candidate->digits,
                            .groups = groups_in(text, candidate->start, candidate->end)};

    for (size_t at = candidate->start; at < candidate->end;) {
        number.first = group_at(text, at, candidate->end);
        if (number.first == 0) {
            at++;
            continue;
        }
        number.at = at;
        if (at + number.first > hunt->stretch->from && at + number.first <= hunt->stretch->to)
            try_number(hunt, &number);
        number.all -= number.first;
        number.groups--;
        at += number.first;
    }
}

static void try_sieve(const struct hunt *hunt, enum rule_sieve sieve, size_t from, size_t last)
{
    struct rules *rules = hunt->engine->rules;

    for (size_t i = 0; i < rules->by_sieve_count[sieve]; i++)
        confirm_between(hunt->engine, hunt->stretch, rules->by_sieve[sieve][i], from, last);
}

static bool on_candidate(void *self, const struct sieve_candidate *candidate)
{
    const struct hunt *hunt = self;

    if (candidate->kind != SIEVE_NUMBER &&
        (candidate->end <= hunt->stretch->from || candidate->end > hunt->stretch->to))
        return true;
    switch (candidate->kind) {
    case SIEVE_NUMBER:
        try_numbers(hunt, candidate);
        break;
    case SIEVE_MAIL:
        try_sieve(hunt, RULE_SIEVE_AT, candidate->start, candidate->end - 1);
        break;
    case SIEVE_COLON:
        try_sieve(hunt, RULE_SIEVE_COLON, candidate->start, candidate->end - 1);
        break;
    case SIEVE_WORD:
    case SIEVE_ALL:
        break;
    }
    return !hunt->engine->is_exhausted;
}

static unsigned kinds_wanted(const struct rules *rules)
{
    return (rules->by_sieve_count[RULE_SIEVE_DIGITS] > 0 ? SIEVE_NUMBER : 0U) |
           (rules->by_sieve_count[RULE_SIEVE_AT] > 0 ? SIEVE_MAIL : 0U) |
           (rules->by_sieve_count[RULE_SIEVE_COLON] > 0 ? SIEVE_COLON : 0U);
}

void engine_look(struct engine *engine, const struct stretch *stretch)
{
    struct hunt hunt = {engine, stretch};
    unsigned kinds = kinds_wanted(engine->rules);

    (void)keywords_find(engine->rules->keywords, stretch->text, on_keyword, &hunt);
    if (kinds != 0 && !engine->is_exhausted)
        (void)sieve_run(stretch->text, kinds, on_candidate, &hunt);
    if (stretch->reading != NULL && !engine->is_exhausted)
        engine_elements(engine, stretch);
}
