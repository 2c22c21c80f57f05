/* Driving licences: what the states of the United States print on them. A shape only; the label decides. */
#include "classify/validate/list.h"
#include "classify/validate/shape.h"

/* Letters, then digits, then letters. What is shorter than five is left out, though some states have it. */
static const struct licence {
    const char state[3];
    uint8_t before, least, most, after;
} licences[] = {
    {"AL", 0, 7, 8, 0},   {"AK", 0, 5, 7, 0},   {"AZ", 1, 8, 8, 0},   {"AZ", 0, 9, 9, 0},
    {"AR", 0, 8, 9, 0},   {"CA", 1, 7, 7, 0},   {"CO", 0, 9, 9, 0},   {"CO", 1, 4, 6, 0},
    {"CO", 2, 3, 5, 0},   {"CT", 0, 9, 9, 0},   {"DE", 0, 5, 7, 0},   {"DC", 0, 7, 7, 0},
    {"DC", 0, 9, 9, 0},   {"FL", 1, 12, 12, 0}, {"GA", 0, 7, 9, 0},   {"HI", 1, 8, 8, 0},
    {"HI", 0, 9, 9, 0},   {"ID", 2, 6, 6, 1},   {"ID", 0, 9, 9, 0},   {"IL", 1, 11, 12, 0},
    {"IN", 1, 9, 9, 0},   {"IN", 0, 9, 10, 0},  {"IA", 0, 9, 9, 0},   {"KS", 1, 8, 8, 0},
    {"KS", 0, 9, 9, 0},   {"KY", 1, 8, 9, 0},   {"KY", 0, 9, 9, 0},   {"LA", 0, 7, 9, 0},
    {"ME", 0, 7, 7, 1},   {"ME", 0, 7, 8, 0},   {"MD", 1, 12, 12, 0}, {"MA", 1, 8, 8, 0},
    {"MA", 2, 7, 7, 0},   {"MA", 0, 9, 9, 0},   {"MI", 1, 10, 10, 0}, {"MI", 1, 12, 12, 0},
    {"MN", 1, 12, 12, 0}, {"MS", 0, 9, 9, 0},   {"MO", 1, 5, 9, 0},   {"MO", 1, 6, 6, 1},
    {"MO", 0, 8, 8, 2},   {"MO", 0, 9, 9, 1},   {"MO", 0, 9, 9, 0},   {"MT", 1, 8, 8, 0},
    {"MT", 0, 9, 9, 0},   {"MT", 0, 13, 14, 0}, {"NE", 1, 6, 8, 0},   {"NV", 0, 9, 10, 0},
    {"NV", 0, 12, 12, 0}, {"NV", 1, 8, 8, 0},   {"NH", 3, 8, 8, 0},   {"NJ", 1, 14, 14, 0},
    {"NM", 0, 8, 9, 0},   {"NY", 1, 7, 7, 0},   {"NY", 1, 18, 18, 0}, {"NY", 0, 8, 9, 0},
    {"NY", 0, 16, 16, 0}, {"NC", 0, 5, 12, 0},  {"ND", 3, 6, 6, 0},   {"ND", 0, 9, 9, 0},
    {"OH", 1, 4, 8, 0},   {"OH", 2, 3, 7, 0},   {"OH", 0, 8, 8, 0},   {"OK", 1, 9, 9, 0},
    {"OK", 0, 9, 9, 0},   {"OR", 0, 5, 9, 0},   {"OR", 1, 6, 6, 0},   {"PA", 0, 8, 8, 0},
    {"RI", 1, 6, 6, 0},   {"RI", 0, 7, 8, 0},   {"SC", 0, 5, 11, 0},  {"SD", 0, 6, 10, 0},
    {"SD", 0, 12, 12, 0}, {"TN", 0, 7, 9, 0},   {"TX", 0, 7, 8, 0},   {"UT", 0, 5, 10, 0},
    {"VT", 0, 8, 8, 0},   {"VT", 0, 7, 7, 1},   {"VA", 1, 8, 11, 0},  {"VA", 0, 9, 9, 0},
    {"WV", 0, 7, 7, 0},   {"WV", 1, 5, 6, 0},   {"WV", 2, 5, 6, 0},   {"WI", 1, 13, 13, 0},
    {"WY", 0, 9, 10, 0},
};

/* Those that mix: Iowa, Kansas, Missouri, New Hampshire, Washington (new; old where no name was too short). */
#define MIXED "###@@####|@#@#@|###@######|##@@@#####|WDL*********|@@@@@@@###**"

static size_t count_of(const struct plain *text, size_t *at, bool letters)
{
    size_t start = *at;

    while (*at < text->len && is_letter(text->at[*at]) == letters)
        ++*at;
    return *at - start;
}

bool validate_driver_licence(struct slice text)
{
    struct plain plain;
    size_t at = 0, before, digits, after;

    if (shape_fits(text, MIXED))
        return true;
    if (!plain_of(text, "-", &plain) && !plain_of(text, " ", &plain))
        return false;
    before = count_of(&plain, &at, true);
    digits = count_of(&plain, &at, false);
    after = count_of(&plain, &at, true);
    for (size_t i = 0; at == plain.len && i < COUNT(licences); i++)
        if (before == licences[i].before && after == licences[i].after &&
            digits >= licences[i].least && digits <= licences[i].most)
            return true;
    return false;
}
