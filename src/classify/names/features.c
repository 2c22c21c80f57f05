/* classify/names/features.c - features are hashes of (which, what). Words that are in no list of
 * ordinary ones are never features themselves: a name must not be learnt by heart. */
#include "classify/names/features.h"

enum elsewhere {
    ELSEWHERE_LOWER = 1, /* the word is written small, too */
    ELSEWHERE_NAMED = 2, /* it follows a title or stands beside a given name */
};

void window_look_up(struct window *window, const struct model *model, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        uint8_t shape = window->tokens[i].shape;

        window->class[i] =
            shape < SHAPE_IDENTIFIER ? (uint8_t)model_word(model, window->tokens[i].word) : 0;
    }
}

static bool is_word(const struct window *window, size_t at)
{
    return window->tokens[at].shape < SHAPE_IDENTIFIER;
}

static bool is_capital(const struct window *window, size_t at)
{
    uint8_t shape = window->tokens[at].shape;

    return shape == SHAPE_CAPITAL || shape == SHAPE_UPPER || shape == SHAPE_MIXED;
}

static bool is_mark(const struct window *window, size_t at, uint32_t mark)
{
    return window->tokens[at].shape == SHAPE_MARK &&
           window->tokens[at].word == names_mix(SHAPE_MARK, mark);
}

/* Does what stands around this word show that it is a name? */
static bool is_named(const struct window *window, size_t at)
{
    size_t before = at;

    if (!is_capital(window, at) || window->tokens[at].breaks > 0 || at == 0)
        return false;
    before = at - 1;
    if (is_mark(window, before, '.') && before > 0)
        before--; /* Dr. Roe, Jane Q. Roe */
    if (window->tokens[before].shape == SHAPE_INITIAL && before > 0)
        before--;
    return (window->class[before] & (WORD_TITLE | WORD_GIVEN)) != 0 &&
           (window->class[before] & WORD_COMMON) == 0 && is_capital(window, before);
}

#define SLOTS 512U
_Static_assert(SLOTS > 2 * WINDOW_TOKENS, "the table is never full");

/* The place in a table of tokens (+ 1) of a word: that of the first token with it, or an empty one. */
static inline uint32_t slot_of(const struct window *window, const uint16_t table[SLOTS], uint32_t word)
{
    uint32_t slot = word % SLOTS;

    while (table[slot] != 0 && window->tokens[table[slot] - 1].word != word)
        slot = (slot + 1) % SLOTS;
    return slot;
}

/* A word that occurs more than once tells of its other places. Most words have no capital anywhere:
 * those that have one are in the table, and the others are looked up in it. */
void window_compare(struct window *window)
{
    uint16_t table[SLOTS] = {0}, capitals[WINDOW_TOKENS], first[WINDOW_TOKENS];
    uint8_t seen[WINDOW_TOKENS] = {0};
    bool is_lower[WINDOW_TOKENS] = {0}, named[WINDOW_TOKENS];
    size_t count = 0;

    memset(window->elsewhere, 0, window->count);
    for (size_t i = 0; i < window->count; i++) {
        capitals[count] = (uint16_t)i;
        count += is_capital(window, i);
    }
    for (size_t i = 0; i < count; i++) {
        size_t at = capitals[i];
        uint32_t slot = slot_of(window, table, window->tokens[at].word);

        if (table[slot] == 0)
            table[slot] = (uint16_t)(at + 1);
        first[i] = (uint16_t)(table[slot] - 1);
        named[i] = is_named(window, at);
        if (seen[first[i]] < 2 && named[i])
            seen[first[i]]++;
    }
    for (size_t i = 0; i < window->count && count > 0; i++)
        if (window->tokens[i].shape == SHAPE_LOWER) {
            uint32_t slot = slot_of(window, table, window->tokens[i].word);

            if (table[slot] != 0)
                is_lower[table[slot] - 1] = true;
        }
    for (size_t i = 0; i < count; i++)
        window->elsewhere[capitals[i]] =
            (uint8_t)((is_lower[first[i]] ? ELSEWHERE_LOWER : 0) |
                      (seen[first[i]] > named[i] ? ELSEWHERE_NAMED : 0));
}

void window_prepare(struct window *window, size_t from, size_t to)
{
    uint32_t topic = 0, last_word = 0;

    for (size_t i = from; i < to; i++) {
        const struct token *token = &window->tokens[i];
        unsigned class = window->class[i];

        window->kind[i] = names_mix(token->shape == SHAPE_MARK ? token->word : token->shape,
                                    class + 1);
        if (token->shape == SHAPE_MARK || (class & WORD_COMMON) != 0 ||
            (class & (WORD_TITLE | WORD_STREET | WORD_COMPANY)) != 0)
            window->id[i] = token->word;
        else
            window->id[i] = window->kind[i];
        if (token->breaks > 0)
            topic = last_word = 0;
        window->topic[i] = topic;
        if (is_mark(window, i, ':') || is_mark(window, i, '='))
            topic = last_word;
        else if (is_mark(window, i, ';'))
            topic = 0;
        else if (is_word(window, i))
            last_word = window->id[i];
    }
}

struct features {
    uint32_t *at;
    size_t count;
};

static void feature(struct features *features, uint32_t which, uint32_t what)
{
    uint32_t hash = names_mix(what, which);

    features->at[features->count++] = hash != 0 ? hash : 1;
}

#define EDGE 7U /* stands for what is beyond the window */

static uint32_t id_at(const struct window *window, size_t at, int offset)
{
    size_t i = at + (size_t)offset; /* wraps below 0: then it is large */

    return i < window->count ? window->id[i] : EDGE;
}

static uint32_t kind_at(const struct window *window, size_t at, int offset)
{
    size_t i = at + (size_t)offset;

    return i < window->count ? window->kind[i] : EDGE;
}

static uint32_t shape_at(const struct window *window, size_t at, int offset)
{
    size_t i = at + (size_t)offset;

    return i < window->count ? window->tokens[i].shape : EDGE;
}

/* White space around the token: line ends before and after, spaces before and after. */
static uint32_t gaps(const struct window *window, size_t at)
{
    const struct token *token = &window->tokens[at];
    bool last = at + 1 == window->count;

    return (uint32_t)(token->breaks * 32 + token->spaced * 16 +
                      (last ? 2 : token[1].breaks) * 4 + (last ? 1 : token[1].spaced) * 2 +
                      (at == 0)) + 1;
}

static void word_features(const struct window *window, size_t at, struct features *features)
{
    const struct token *token = &window->tokens[at];
    uint32_t capital = is_capital(window, at), tail = token->last[0];

    feature(features, 40, token->head2 * 2 + capital);
    feature(features, 41, token->head3 * 2 + capital);
    for (size_t letters = 2; letters <= COUNT(token->last); letters++) {
        tail = names_mix(tail, token->last[letters - 1]);
        feature(features, (uint32_t)(40 + letters), tail * 2 + capital);
    }
    for (uint32_t bit = 1; bit <= WORD_NATION; bit <<= 1)
        if ((window->class[at] & bit) != 0)
            feature(features, 45, bit * 16 + token->shape);
    if (window->elsewhere[at] != 0)
        feature(features, 46, names_mix(window->kind[at], window->elsewhere[at]));
}

size_t window_features(const struct window *window, size_t at, uint32_t *ret_features)
{
    struct features f = {.at = ret_features};
    uint32_t kind = window->kind[at], id = window->id[at];
    uint32_t before = id_at(window, at, -1), after = id_at(window, at, 1);
    uint32_t kind_before = kind_at(window, at, -1), kind_after = kind_at(window, at, 1);

    for (int offset = -3; offset <= 3; offset++)
        feature(&f, (uint32_t)(4 + offset), id_at(window, at, offset));
    for (int offset = -2; offset <= 2; offset++)
        feature(&f, (uint32_t)(11 + offset), kind_at(window, at, offset));
    feature(&f, 14, names_mix(before, id));
    feature(&f, 15, names_mix(id, after));
    feature(&f, 16, names_mix(id_at(window, at, -2), before));
    feature(&f, 17, names_mix(after, id_at(window, at, 2)));
    feature(&f, 18, names_mix(before, kind));
    feature(&f, 19, names_mix(kind, after));
    feature(&f, 20, names_mix(names_mix(id_at(window, at, -2), before), kind));
    feature(&f, 21, names_mix(names_mix(kind, after), id_at(window, at, 2)));
    feature(&f, 22, names_mix(kind_before, kind));
    feature(&f, 23, names_mix(kind, kind_after));
    feature(&f, 24, names_mix(names_mix(kind_before, kind), kind_after));
    feature(&f, 25, names_mix(names_mix(before, kind), after));
    feature(&f, 26, names_mix(names_mix(kind_at(window, at, -2), kind_before), kind));
    feature(&f, 27, names_mix(names_mix(kind, kind_after), kind_at(window, at, 2)));
    feature(&f, 28, names_mix(shape_at(window, at, -1) * 64 + shape_at(window, at, 0),
                              shape_at(window, at, 1)));
    feature(&f, 29, names_mix(gaps(window, at), kind));
    feature(&f, 30, names_mix(gaps(window, at), before));
    if (window->topic[at] != 0)
        feature(&f, 31, names_mix(window->topic[at], kind));
    feature(&f, 32, names_mix(names_mix(gaps(window, at), kind_before), kind));
    if (is_word(window, at))
        word_features(window, at, &f);
    return f.count;
}
