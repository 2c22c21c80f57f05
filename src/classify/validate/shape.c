#include "classify/validate/shape.h"

static bool fits_byte(uint8_t byte, char wanted)
{
    switch (wanted) {
    case '#':
        return is_digit(byte);
    case '@':
        return is_letter(byte);
    case '^':
        return is_upper(byte);
    case '*':
        return is_alnum(byte);
    default:
        return byte == (uint8_t)wanted;
    }
}

bool shape_fits(struct slice text, const char *shapes)
{
    size_t at = 0;
    bool fits = true;

    for (; *shapes != 0; shapes++) {
        if (*shapes == '|') {
            if (fits && at == text.len)
                return true;
            at = 0;
            fits = true;
        } else if (fits) {
            fits = at < text.len && fits_byte(text.at[at], *shapes);
            at++;
        }
    }
    return fits && at == text.len;
}

bool shape_take(struct slice text, const char *shapes, struct plain *ret_plain)
{
    size_t len = 0;

    if (!shape_fits(text, shapes))
        return false;
    for (size_t i = 0; i < text.len && len < PLAIN_MAX; i++)
        if (is_alnum(text.at[i]))
            ret_plain->at[len++] = upper(text.at[i]);
    ret_plain->len = len;
    return true;
}

static bool take_plain(struct slice text, const char *separators, bool letters,
                       struct plain *ret_plain)
{
    uint8_t separator = 0;
    size_t len = 0;

    if (text.len > 2 * PLAIN_MAX)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = text.at[i];

        if (is_digit(byte) || (letters && is_letter(byte))) {
            if (len == PLAIN_MAX)
                return false;
            ret_plain->at[len++] = upper(byte);
            continue;
        }
        if ((separator != 0 ? separator != byte
                            : byte == 0 || strchr(separators, byte) == NULL) ||
            i == 0 || i + 1 == text.len || !is_alnum(text.at[i - 1]) ||
            !is_alnum(text.at[i + 1]))
            return false;
        separator = byte;
    }
    ret_plain->len = len;
    return len > 0;
}

bool plain_of(struct slice text, const char *separators, struct plain *ret_plain)
{
    return take_plain(text, separators, true, ret_plain);
}

bool plain_digits(struct slice text, const char *separators, struct plain *ret_plain)
{
    return take_plain(text, separators, false, ret_plain);
}

uint64_t plain_number(const struct plain *plain, size_t from, size_t to)
{
    uint64_t number = 0;

    for (size_t i = from; i < to; i++)
        number = number * 10 + (plain->at[i] - (uint64_t)'0');
    return number;
}
