/* Any values and any text: a packet is what it was made from, and a value is found in each encoding that is promised. */
#include <stdint.h>
#include <stdlib.h>

#include "base/hex.h"
#include "classify/known.h"
#include "wire/base64.h"

#define VALUE_MAX 32

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must_find(struct known *known, struct slice text)
{
    if ((known_find(known, text) & CLASS_BIT(CLASS_SECRET)) == 0)
        abort();
}

static void packet_comes_back(const struct known *known)
{
    struct buf packet = buf_with_limit(KNOWN_PACKET_BYTES_MAX), again = packet;
    struct known *other = NULL;
    struct fault fault = {0};

    if (!known_encode(known, &packet, &fault) ||
        !known_decode(buf_slice(&packet), &other, &fault) ||
        !known_encode(other, &again, &fault) ||
        !slice_equal(buf_slice(&packet), buf_slice(&again)))
        abort();
    known_free(other);
    buf_free(&packet);
    buf_free(&again);
}

/* `value` after the rest of the input, encoded with that. */
static void is_found_encoded(struct known *known, struct slice before,
                             struct slice value)
{
    struct buf all = buf_with_limit(before.len + value.len + 4),
               text = buf_with_limit(1 << 20);
    struct fault fault = {0};
    char digits[VALUE_MAX * 2 + 1];

    if (!buf_add(&all, before, &fault) || !buf_add_byte(&all, '/', &fault) ||
        !buf_add(&all, value, &fault) || !buf_add_text(&all, "/..", &fault) ||
        !base64_encode(buf_slice(&all), &text, &fault))
        abort();
    must_find(known, buf_slice(&all));
    must_find(known, buf_slice(&text));
    hex_encode(value, digits);
    must_find(known, slice_of(digits));
    buf_free(&all);
    buf_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct known *known = NULL;
    struct fault fault = {0};
    size_t len = size == 0 ? 0 : data[0] % (VALUE_MAX + 1);
    struct slice value, rest;

    if (size > (1 << 16) || len >= size)
        return 0;
    value = slice_trim(slice_of_bytes(data + 1, len));
    rest = slice_of_bytes(data + 1 + len, size - 1 - len);
    if (known_decode(rest, &known, &fault)) {
        (void)known_find(known, slice_of_bytes(data, size));
        packet_comes_back(known);
        known_free(known);
    }
    known = known_new();
    if (!known_add(known, value, CLASS_SECRET, &fault))
        abort();
    packet_comes_back(known);
    if (value.len >= KNOWN_BYTES_MIN && slice_find_byte(value, '\n', 0) == SIZE_MAX)
        is_found_encoded(known, rest, value);
    known_free(known);
    return 0;
}
