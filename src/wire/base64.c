#include "wire/base64.h"

#include <assert.h>

#define EXACTLY_BYTES_MAX 128 /* keys, hashes, signatures */

static const char alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

const uint8_t base64_digits[256] = {
    ['A'] = 1, ['B'] = 2, ['C'] = 3, ['D'] = 4, ['E'] = 5, ['F'] = 6, ['G'] = 7, ['H'] = 8,
    ['I'] = 9, ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15,
    ['P'] = 16, ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22,
    ['W'] = 23, ['X'] = 24, ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29,
    ['d'] = 30, ['e'] = 31, ['f'] = 32, ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36,
    ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40, ['o'] = 41, ['p'] = 42, ['q'] = 43,
    ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48, ['w'] = 49, ['x'] = 50,
    ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56, ['4'] = 57,
    ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['+'] = 63, ['/'] = 64,
    ['-'] = 63, ['_'] = 64,
};

bool base64_encode(struct slice bytes, struct buf *ret_text, struct fault *fault)
{
    size_t len = base64_text_len(bytes.len);
    uint8_t *text;

    if (!buf_reserve(ret_text, len, fault))
        return false;
    text = ret_text->at + ret_text->len;
    for (size_t i = 0; i < bytes.len; i += 3, text += 4) {
        size_t left = bytes.len - i;
        unsigned group = (unsigned)bytes.at[i] << 16;

        if (left > 1)
            group |= (unsigned)bytes.at[i + 1] << 8;
        if (left > 2)
            group |= bytes.at[i + 2];
        text[0] = (uint8_t)alphabet[group >> 18];
        text[1] = (uint8_t)alphabet[group >> 12 & 63];
        text[2] = left > 1 ? (uint8_t)alphabet[group >> 6 & 63] : '=';
        text[3] = left > 2 ? (uint8_t)alphabet[group & 63] : '=';
    }
    ret_text->len += len;
    return true;
}

/* What each digit stands for; 64: none. */
static const uint8_t *digit_values(void)
{
    static uint8_t values[256];

    if (values[0] == 64)
        return values;
    memset(values, 64, sizeof(values));
    for (uint8_t i = 0; i < 64; i++)
        values[(uint8_t)alphabet[i]] = i;
    return values;
}

/* Four digits (see digit_values) into at most three bytes; `last` allows padding. 0: not
 * canonical. */
static inline size_t decode_group(const uint8_t *values, const uint8_t *text, bool last,
                                  uint8_t ret_bytes[3])
{
    size_t pads = last && text[3] == '=' ? (text[2] == '=' ? 2 : 1) : 0;
    unsigned digits[4] = {values[text[0]], values[text[1]], pads > 1 ? 0 : values[text[2]],
                          pads > 0 ? 0 : values[text[3]]};
    unsigned group = digits[0] << 18 | digits[1] << 12 | digits[2] << 6 | digits[3];

    if (((digits[0] | digits[1] | digits[2] | digits[3]) & 64) != 0)
        return 0;
    if ((pads == 2 && (group & 0xffff) != 0) || (pads == 1 && (group & 0xff) != 0))
        return 0; /* bits that no byte uses must be clear */
    ret_bytes[0] = (uint8_t)(group >> 16);
    ret_bytes[1] = (uint8_t)(group >> 8);
    ret_bytes[2] = (uint8_t)group;
    return 3 - pads;
}

bool base64_decode(struct slice text, struct buf *ret_bytes, struct fault *fault)
{
    const uint8_t *values = digit_values();
    size_t before = ret_bytes->len;

    if (text.len % 4 != 0)
        return fault_set(fault, FAULT_INVALID, "base64 of %zu characters", text.len);
    for (size_t i = 0; i < text.len; i += 4) {
        uint8_t bytes[3];
        size_t count = decode_group(values, text.at + i, i + 4 == text.len, bytes);

        if (count == 0 || !buf_add(ret_bytes, slice_of_bytes(bytes, count), fault)) {
            ret_bytes->len = before;
            return count == 0 ? fault_set(fault, FAULT_INVALID, "base64 is not canonical")
                              : false;
        }
    }
    return true;
}

bool base64_decode_exactly(struct slice text, uint8_t *ret_bytes, size_t len)
{
    const uint8_t *values = digit_values();
    uint8_t bytes[EXACTLY_BYTES_MAX + 3];
    size_t at = 0;

    assert(len <= EXACTLY_BYTES_MAX);
    if (text.len != base64_text_len(len))
        return false;
    for (size_t i = 0; i < text.len; i += 4) {
        size_t count = decode_group(values, text.at + i, i + 4 == text.len, bytes + at);

        if (count == 0)
            return false;
        at += count;
    }
    if (at != len)
        return false;
    memcpy(ret_bytes, bytes, len);
    return true;
}
