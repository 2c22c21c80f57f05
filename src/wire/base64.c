#include "wire/base64.h"

#include <assert.h>

#define EXACTLY_BYTES_MAX 128 /* keys, hashes, signatures */

static const char alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int base64_digit(uint8_t byte)
{
    if (byte >= 'A' && byte <= 'Z')
        return byte - 'A';
    if (byte >= 'a' && byte <= 'z')
        return byte - 'a' + 26;
    if (byte >= '0' && byte <= '9')
        return byte - '0' + 52;
    if (byte == '+' || byte == '-')
        return 62;
    return byte == '/' || byte == '_' ? 63 : -1;
}

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
