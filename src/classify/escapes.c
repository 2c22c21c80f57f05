/* Escapes by a backslash, and what else a name may be. */
#include <strings.h>

#include "base/hex.h"
#include "base/utf8.h"
#include "classify/read.h"

#define REPLACEMENT 0xfffdU /* half of a pair stands for no character */

/* The number of `digits` digits of `bits` bits each at `at`; fewer where `least` are enough.
 * -1: there is none. */
static int64_t number_at(struct slice text, size_t at, size_t least, size_t digits,
                         unsigned bits, size_t *ret_digits)
{
    int64_t number = 0;
    size_t count = 0;

    while (count < digits && at + count < text.len) {
        int digit = hex_digit(text.at[at + count]);

        if (digit < 0 || digit >= 1 << bits)
            break;
        number = number << bits | digit;
        count++;
    }
    *ret_digits = count;
    return count < least ? -1 : number;
}

static size_t put(uint8_t ret_bytes[4], int64_t point)
{
    bool is_one = point >= 0 && point <= 0x10ffff && (point < 0xd800 || point > 0xdfff);
    struct buf out = {.at = ret_bytes, .room = 4, .limit = 4};
    struct fault fault;

    return utf8_add(&out, is_one ? (uint32_t)point : REPLACEMENT, &fault) ? out.len : 0;
}

/* \uXXXX, and the other half of its pair. */
static size_t unit_at(struct slice text, size_t at, uint8_t ret_bytes[4], size_t *ret_len)
{
    size_t digits;
    int64_t unit = number_at(text, at + 2, 4, 4, 4, &digits), low = -1;

    if (unit < 0)
        return 0;
    if (unit >= 0xd800 && unit <= 0xdbff && at + 8 <= text.len && text.at[at + 6] == '\\' &&
        text.at[at + 7] == 'u')
        low = number_at(text, at + 8, 4, 4, 4, &digits);
    if (low >= 0xdc00 && low <= 0xdfff) {
        *ret_len = put(ret_bytes, 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00));
        return 12;
    }
    *ret_len = put(ret_bytes, unit);
    return 6;
}

/* One letter behind the backslash. */
static inline size_t simple(struct slice text, size_t at, const uint8_t *bytes,
                            uint8_t ret_bytes[4], size_t *ret_len)
{
    ret_bytes[0] = bytes[text.at[at + 1]];
    *ret_len = 1;
    return ret_bytes[0] == 0 ? 0 : 2;
}

size_t read_escape_json(struct slice text, size_t at, uint8_t ret_bytes[4], size_t *ret_len)
{
    static const uint8_t bytes[256] = {['n'] = '\n', ['t'] = '\t', ['r'] = '\r',  ['b'] = '\b',
                                       ['f'] = '\f', ['"'] = '"',  ['\\'] = '\\', ['/'] = '/'};

    if (text.len - at < 2)
        return 0;
    if (text.at[at + 1] == 'u')
        return unit_at(text, at, ret_bytes, ret_len);
    return simple(text, at, bytes, ret_bytes, ret_len);
}

/* \u{1F600} */
static size_t braces_at(struct slice text, size_t at, uint8_t ret_bytes[4], size_t *ret_len)
{
    size_t digits;
    int64_t point = number_at(text, at + 3, 1, 6, 4, &digits);

    if (point < 0 || at + 3 + digits >= text.len || text.at[at + 3 + digits] != '}')
        return 0;
    *ret_len = put(ret_bytes, point);
    return digits + 4;
}

/* A byte: \x41, \101. */
static size_t byte_at(struct slice text, size_t at, size_t prefix, unsigned bits,
                      uint8_t ret_bytes[4], size_t *ret_len)
{
    size_t digits;
    int64_t byte =
        number_at(text, at + prefix, bits == 3 ? 1 : 2, bits == 3 ? 3 : 2, bits, &digits);

    if (byte < 0 || byte > 0xff)
        return 0;
    ret_bytes[0] = (uint8_t)byte;
    *ret_len = 1;
    return prefix + digits;
}

size_t read_escape_c(struct slice text, size_t at, uint8_t ret_bytes[4], size_t *ret_len)
{
    static const uint8_t bytes[256] = {
        ['n'] = '\n',  ['t'] = '\t', ['r'] = '\r', ['b'] = '\b', ['f'] = '\f',
        ['a'] = '\a',  ['v'] = '\v', ['e'] = 0x1b, ['"'] = '"',  ['\''] = '\'',
        ['\\'] = '\\', ['/'] = '/',  ['`'] = '`'};
    size_t digits;
    int64_t point;

    if (text.len - at < 2)
        return 0;
    switch (text.at[at + 1]) {
    case 'u':
        return text.len - at > 2 && text.at[at + 2] == '{'
                   ? braces_at(text, at, ret_bytes, ret_len)
                   : unit_at(text, at, ret_bytes, ret_len);
    case 'U':
        point = number_at(text, at + 2, 8, 8, 4, &digits);
        *ret_len = put(ret_bytes, point);
        return point < 0 ? 0 : 10;
    case 'x':
        return byte_at(text, at, 2, 4, ret_bytes, ret_len);
    default:
        if (text.at[at + 1] >= '0' && text.at[at + 1] <= '7')
            return byte_at(text, at, 1, 3, ret_bytes, ret_len);
        return simple(text, at, bytes, ret_bytes, ret_len);
    }
}

/* ---- names ---- */

static bool is_one_of(struct slice name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (name.len == strlen(names[i]) &&
            strncasecmp((const char *)name.at, names[i], name.len) == 0)
            return true;
    return false;
}

bool read_is_generic_name(struct slice name)
{
    static const char *const generic[] = {"value", "val",     "text",  "content",
                                          "data",  "$t",      "#text", "_text",
                                          "raw",   "default", "_",     "$value"};

    return name.len <= 7 && is_one_of(name, generic, COUNT(generic));
}

bool read_is_label_name(struct slice name)
{
    static const char *const labels[] = {"name", "key",  "field",  "column", "label",
                                         "type", "kind", "system", "param",  "header"};

    return name.len <= 6 && name.len >= 3 && is_one_of(name, labels, COUNT(labels));
}
