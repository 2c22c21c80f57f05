/* Numbers in groups of four that a line's end cuts between two groups. */
#include "classify/decode_parts.h"

#define DIGITS_MIN 12
#define DIGITS_MAX 19
#define GROUP 4

static bool is_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9';
}

static bool is_separator(uint8_t byte)
{
    return byte == ' ' || byte == '-';
}

/* Digits and single separators from `at` in one direction; gives where they end. */
static size_t run_of_digits(struct slice text, size_t at, int step, size_t *ret_digits,
                            size_t *ret_separators, size_t *ret_group)
{
    bool was_digit = true;

    *ret_digits = *ret_separators = *ret_group = 0;
    while (at < text.len && *ret_digits <= DIGITS_MAX) {
        bool is_one = is_digit(text.at[at]);

        if (!is_one && (!is_separator(text.at[at]) || !was_digit))
            break;
        *ret_digits += is_one;
        *ret_separators += !is_one;
        *ret_group += is_one && *ret_separators == 0; /* the group beside the line's end */
        was_digit = is_one;
        at += (size_t)(ptrdiff_t)step; /* below 0 is beyond the end */
    }
    return at;
}

static bool look(struct decoding *decoding, size_t end, struct fault *fault)
{
    struct slice text = decoding->text;
    size_t last = end, next = end + 1, digits[2], separators[2], groups[2], from, to;

    while (last > 0 && end - last < 4 && memchr("\r -", text.at[last - 1], 3) != NULL)
        last--;
    while (next < text.len && next - end < 16 && memchr(" \t>*#/|", text.at[next], 7) != NULL)
        next++;
    if (last == 0 || next >= text.len || !is_digit(text.at[last - 1]) ||
        !is_digit(text.at[next]))
        return true;
    from = run_of_digits(text, last - 1, -1, &digits[0], &separators[0], &groups[0]) + 1;
    to = run_of_digits(text, next, 1, &digits[1], &separators[1], &groups[1]);
    if (groups[0] != GROUP || separators[0] + separators[1] == 0 ||
        digits[0] + digits[1] < DIGITS_MIN || digits[0] + digits[1] > DIGITS_MAX)
        return true;
    return reading_add_plain(decoding->inner, from, last, fault) &&
           reading_add_piece(decoding->inner, SLICE(" "), last, next, FORM_PLAIN, fault) &&
           reading_add_plain(decoding->inner, next, to, fault) &&
           reading_add_break(decoding->inner, SLICE("\n"), to, fault);
}

bool decode_wraps(struct decoding *decoding, struct fault *fault)
{
    struct slice text = decoding->text;

    for (size_t end = slice_find_byte(text, '\n', 0); end != SIZE_MAX;
         end = slice_find_byte(text, '\n', end + 1))
        if (end > 0 && text.at[end - 1] <= '9' && !look(decoding, end, fault))
            return false;
    return true;
}
