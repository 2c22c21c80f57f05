#include "index/postings.h"

size_t postings_write(uint64_t difference, uint8_t ret_bytes[POSTINGS_DIFFERENCE_BYTES_MAX])
{
    size_t len = 0;

    for (; difference >= 0x80; difference >>= 7)
        ret_bytes[len++] = (uint8_t)(difference | 0x80);
    ret_bytes[len++] = (uint8_t)difference;
    return len;
}

bool postings_take(struct slice *rest, uint64_t *ret_difference)
{
    uint64_t difference = 0;

    for (size_t i = 0; i < rest->len && i < POSTINGS_DIFFERENCE_BYTES_MAX - 1; i++) {
        difference |= (uint64_t)(rest->at[i] & 0x7f) << (7 * i);
        if (rest->at[i] < 0x80) {
            *rest = slice_part(*rest, i + 1, rest->len);
            *ret_difference = difference;
            return true;
        }
    }
    return false;
}

bool postings_mark(uint64_t first, struct slice bytes, uint64_t from, uint64_t to,
                   uint64_t *bits)
{
    uint64_t ordinal = first;

    for (;;) {
        uint64_t difference;

        if (ordinal >= to)
            return true;
        if (ordinal >= from)
            bits[(ordinal - from) / 64] |= UINT64_C(1) << (ordinal - from) % 64;
        if (bytes.len == 0)
            return true;
        if (!postings_take(&bytes, &difference) || difference == 0 ||
            __builtin_add_overflow(ordinal, difference, &ordinal))
            return false;
    }
}
