/* A block of differences, marked: as a plain reading of it says, and never outside the window.
 */
#include <stdlib.h>

#include "index/postings.h"

#define WINDOW 512

static bool plain(uint64_t first, struct slice bytes, uint64_t from, uint64_t to,
                  bool *ret_marks)
{
    uint64_t ordinal = first, difference;

    while (ordinal < to) {
        if (ordinal >= from)
            ret_marks[ordinal - from] = true;
        if (bytes.len == 0)
            break;
        if (!postings_take(&bytes, &difference) || difference == 0 ||
            __builtin_add_overflow(ordinal, difference, &ordinal))
            return false;
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t bits[WINDOW / 64 + 2] = {0};
    bool marks[WINDOW] = {false};
    uint64_t first, from;
    struct slice bytes;
    bool ok;

    if (size < 2)
        return 0;
    first = data[0];
    from = data[1] * UINT64_C(16);
    bytes = slice_of_bytes(data + 2, size - 2);
    bits[WINDOW / 64] = 0x5a5a;
    ok = postings_mark(first, bytes, from, from + WINDOW, bits);
    if (ok != plain(first, bytes, from, from + WINDOW, marks))
        abort();
    for (size_t i = 0; i < WINDOW; i++)
        if ((bits[i / 64] >> i % 64 & 1) != marks[i])
            abort();
    if (bits[WINDOW / 64] != 0x5a5a)
        abort();
    return 0;
}
