#include "classify/names/gate.h"

#define BEFORE 3U /* tokens around a word that may name somebody; zones grow where a name does */
#define AFTER 4U
#define SMALL_SHARE 32U /* a text with fewer capitals than one word in so many is written small */

/* Neither in any list of names nor an ordinary word: what rare names are, and much else. */
static bool may_name(unsigned shape, unsigned class, bool is_small_text)
{
    bool is_listed = (class & (WORD_GIVEN | WORD_FAMILY | WORD_PLACE)) != 0;

    switch (shape) {
    case SHAPE_LOWER:
        return is_small_text && (is_listed || class == 0 || (class & WORD_STREET) != 0);
    case SHAPE_CAPITAL:
    case SHAPE_MIXED:
    case SHAPE_UPPER:
        return is_listed || (class & WORD_COMMON) == 0 || (class & WORD_STREET) != 0;
    case SHAPE_CASELESS:
        return true;
    default:
        return false;
    }
}

static bool is_small_text(const struct window *window)
{
    size_t capitals = 0, words = 0;

    for (size_t i = 0; i < window->count; i++) {
        uint8_t shape = window->tokens[i].shape;

        words += shape == SHAPE_LOWER;
        capitals += shape == SHAPE_CAPITAL || shape == SHAPE_UPPER || shape == SHAPE_MIXED;
    }
    return capitals * SMALL_SHARE < words;
}

void gate_look(struct gate *gate, struct window *window, const struct model *model)
{
    bool is_small = is_small_text(window);

    for (size_t i = 0; i < window->count; i++) {
        uint8_t shape = window->tokens[i].shape;

        window->class[i] = 0;
        if (shape < SHAPE_IDENTIFIER && (shape != SHAPE_LOWER || is_small))
            window->class[i] = (uint8_t)model_word(model, window->tokens[i].word);
        gate->may_name[i] = may_name(shape, window->class[i], is_small);
    }
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
