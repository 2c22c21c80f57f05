#include "classify/names/gate.h"

#define BEFORE 5U /* tokens around a word that may name somebody; zones grow where a name does */
#define AFTER 4U
#define SMALL_SHARE 32U /* a text with fewer capitals than one word in so many is written small */
#define MIXED_BYTES 14U
#define SHORT_BYTES 3U  /* capitals in no list: so few are an abbreviation */
#define MISSES_MAX 4U
#define NAMES (WORD_GIVEN | WORD_FAMILY | WORD_PLACE)

/* In lists of names, too, but next to never one on their own. Words that tell of somebody (my, her,
 * who) are not among them: what follows may be an address. */
static const char *const function_words[] = {
    "a",    "an",   "and",  "any",  "are",  "as",   "at",   "be",   "but",  "by",   "can",
    "do",   "each", "even", "for",  "from", "go",   "has",  "have", "here", "how",  "if",
    "in",   "is",   "it",   "just", "many", "more", "most", "must", "new",  "no",   "not",
    "of",   "on",   "one",  "or",   "per",  "see",  "set",  "show", "so",   "some", "that",
    "the",  "then", "these", "they", "this", "to",  "use",  "we",   "what", "when", "why",
    "with", "you",
};

#define SLOTS 256U

static void function_words_fill(uint32_t table[SLOTS])
{
    for (size_t i = 0; i < COUNT(function_words); i++) {
        struct token_reader reader = {.text = slice_of(function_words[i])};
        struct token token;
        uint32_t slot;

        if (!token_next(&reader, &token))
            continue;
        slot = token.word % SLOTS;
        while (table[slot] != 0)
            slot = (slot + 1) % SLOTS;
        table[slot] = token.word;
    }
}

static bool is_function_word(uint32_t word)
{
    static uint32_t table[SLOTS]; /* hashes of words; 0: none */
    static bool is_filled;
    uint32_t slot = word % SLOTS;

    _Static_assert(COUNT(function_words) < SLOTS / 2, "the table is never full");
    if (!is_filled)
        function_words_fill(table);
    is_filled = true;
    while (table[slot] != 0 && table[slot] != word)
        slot = (slot + 1) % SLOTS;
    return table[slot] == word;
}

/* One half of JOHN MILLER. `at` may be outside of the window. */
static bool is_upper_name(const struct window *window, size_t at)
{
    return at < window->count && window->tokens[at].shape == SHAPE_UPPER &&
           (window->class[at] & NAMES) != 0;
}

/* A word in no list at all is what rare names are, and much else. */
static bool may_name(const struct window *window, size_t at, bool is_small_text)
{
    const struct token *token = &window->tokens[at];
    unsigned class = window->class[at];
    bool is_common = (class & WORD_COMMON) != 0, is_listed = (class & NAMES) != 0;

    if (is_common && is_listed && is_function_word(token->word))
        return false;
    switch (token->shape) {
    case SHAPE_LOWER:
        return is_small_text && (is_listed || class == 0 || (class & WORD_STREET) != 0);
    case SHAPE_MIXED: /* McDonald, but not camelCase or a LongNameOfAType */
        return is_listed || (token->is_headed && token->end - token->start <= MIXED_BYTES);
    case SHAPE_CAPITAL:
        return is_listed || !is_common || (class & WORD_STREET) != 0;
    case SHAPE_UPPER:
        if (is_common && (class & WORD_STREET) == 0)
            return is_listed && (is_upper_name(window, at - 1) || is_upper_name(window, at + 1));
        return class != 0 || token->end - token->start > SHORT_BYTES;
    case SHAPE_CASELESS:
        return true;
    default:
        return false;
    }
}

/* Shapes of words that may name somebody in any text, and in one that is written small. */
static const bool is_asked[256] = {[SHAPE_CAPITAL] = true,
                                   [SHAPE_UPPER] = true,
                                   [SHAPE_MIXED] = true,
                                   [SHAPE_INITIAL] = true,
                                   [SHAPE_CASELESS] = true};
static const bool is_capital[256] = {
    [SHAPE_CAPITAL] = true, [SHAPE_UPPER] = true, [SHAPE_MIXED] = true};

static bool is_small_text(const struct window *window)
{
    size_t capitals = 0, words = 0;

    for (size_t i = 0; i < window->count; i++) {
        uint8_t shape = window->tokens[i].shape;

        words += shape == SHAPE_LOWER;
        capitals += is_capital[shape];
    }
    return capitals * SMALL_SHARE < words;
}

static bool is_known_thing(const struct gate *gate, uint32_t word)
{
    return gate->words[word % GATE_WORDS] == word && gate->misses[word % GATE_WORDS] >= MISSES_MAX;
}

void gate_learn(struct gate *gate, uint32_t word, bool is_name)
{
    uint8_t *misses = &gate->misses[word % GATE_WORDS];

    if (gate->words[word % GATE_WORDS] != word)
        *misses = 0;
    gate->words[word % GATE_WORDS] = word;
    *misses = is_name ? 0 : (uint8_t)(*misses + (*misses < MISSES_MAX));
}

/* Words are looked up together, so that memory is on its way. */
static size_t look_up(struct window *window, const struct model *model, bool is_small,
                      uint16_t ret_asked[WINDOW_TOKENS])
{
    size_t count = 0;

    for (size_t i = 0; i < window->count; i++) {
        uint8_t shape = window->tokens[i].shape;

        ret_asked[count] = (uint16_t)i;
        count += is_asked[shape] | (is_small & (shape == SHAPE_LOWER));
    }
    for (size_t i = 0; i < count; i++)
        model_expect_word(model, window->tokens[ret_asked[i]].word);
    for (size_t i = 0; i < count; i++)
        window->class[ret_asked[i]] =
            (uint8_t)model_word(model, window->tokens[ret_asked[i]].word);
    return count;
}

void gate_look(struct gate *gate, struct window *window, const struct model *model)
{
    bool is_small = is_small_text(window);
    uint16_t asked[WINDOW_TOKENS];
    size_t count;

    memset(window->class, 0, window->count);
    memset(gate->may_name, 0, window->count);
    count = look_up(window, model, is_small, asked);
    for (size_t i = 0; i < count; i++)
        gate->may_name[asked[i]] = may_name(window, asked[i], is_small) &&
                                   !is_known_thing(gate, window->tokens[asked[i]].word);
}

bool gate_next(const struct gate *gate, const struct window *window, size_t at,
               struct zone *ret_zone)
{
    size_t first = at, last;

    while (first < window->count && !gate->may_name[first])
        first++;
    if (first == window->count)
        return false;
    last = first;
    for (size_t i = first + 1; i < window->count && i <= last + BEFORE + AFTER; i++)
        if (gate->may_name[i])
            last = i;
    ret_zone->from = first - at > BEFORE ? first - BEFORE : at;
    ret_zone->to = window->count - last > AFTER ? last + AFTER + 1 : window->count;
    return true;
}
