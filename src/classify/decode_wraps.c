/* Numbers in groups of four that a line's end cuts between two groups. */
#include "base/sixteen.h"
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

struct digits {
    size_t count, separators;
    size_t beside;     /* of the group beside the line's end */
    bool are_in_fours; /* each group but the farthest */
};

/* Digits and single separators from `at` in one direction; gives where they end. */
static size_t run_of_digits(struct slice text, size_t at, int step, struct digits *ret_digits)
{
    struct digits digits = {.are_in_fours = true};
    size_t group = 0;

    while (at < text.len && digits.count <= DIGITS_MAX) {
        bool is_one = is_digit(text.at[at]);

        if (!is_one && (!is_separator(text.at[at]) || group == 0))
            break;
        digits.count += is_one;
        digits.separators += !is_one;
        digits.are_in_fours = digits.are_in_fours && (is_one || group == GROUP);
        group = is_one ? group + 1 : 0;
        digits.beside += is_one && digits.separators == 0;
        at += (size_t)(ptrdiff_t)step; /* below 0 is beyond the end */
    }
    *ret_digits = digits;
    return at;
}

static bool look(struct decoding *decoding, size_t end, struct fault *fault)
{
    struct slice text = decoding->text;
    size_t last = end - (text.at[end - 1] == '\r'), next = end + 1, from, to;
    struct digits before, after;

    while (next < text.len && next - end < 16 && memchr(" \t>*#/|", text.at[next], 7) != NULL)
        next++;
    if (last == 0 || next >= text.len || !is_digit(text.at[last - 1]) ||
        !is_digit(text.at[next]))
        return true;
    from = run_of_digits(text, last - 1, -1, &before) + 1;
    to = run_of_digits(text, next, 1, &after);
    if (before.beside != GROUP || before.separators + after.separators == 0 ||
        !before.are_in_fours || !after.are_in_fours ||
        before.count + after.count < DIGITS_MIN || before.count + after.count > DIGITS_MAX)
        return true;
    return reading_add_plain(decoding->inner, from, last, fault) &&
           reading_add_piece(decoding->inner, SLICE(" "), last, next, FORM_PLAIN, fault) &&
           reading_add_plain(decoding->inner, next, to, fault) &&
           reading_add_break(decoding->inner, SLICE("\n"), to, fault);
}

/* The first line's end at or after `at`, which is not 0, that comes behind a digit or CR. */
static size_t find_end(struct slice text, size_t at)
{
    for (; text.len - at >= SIXTEEN; at += SIXTEEN) {
        sixteen before = sixteen_load(text.at + at - 1);
        unsigned first =
            sixteen_first(sixteen_is(sixteen_load(text.at + at), '\n') &
                          (sixteen_within(before, '0', '9') | sixteen_is(before, '\r')));

        if (first < SIXTEEN)
            return at + first;
    }
    return at < text.len ? slice_find_byte(text, '\n', at) : SIZE_MAX;
}

/* Not in tables: there a line's end is a row's. */
bool decode_wraps(struct decoding *decoding, struct fault *fault)
{
    struct slice text = decoding->text;
    enum format format = decoding->outer->format;

    if (format == FORMAT_TABLE || format == FORMAT_SQL || text.len == 0)
        return true;
    for (size_t end = find_end(text, 1); end != SIZE_MAX; end = find_end(text, end + 1))
        if (!look(decoding, end, fault))
            return false;
    return true;
}
