/* classify/hex_runs.h - where hexadecimal digits stand close together, with or without what people
 * put between them. Private to classify/. */
#ifndef CUSTODY_CLASSIFY_HEX_RUNS_H
#define CUSTODY_CLASSIFY_HEX_RUNS_H

#include "base/bytes.h"
#include "base/sixteen.h"

/* Which of sixteen bytes may be in a run, as digits or between two; ret_digits: the digits. */
static inline sixteen hex_members(sixteen bytes, sixteen *ret_digits)
{
    *ret_digits = sixteen_within(bytes | 0x20, 'a', 'f') | sixteen_within(bytes, '0', '9');
    return *ret_digits | sixteen_within(bytes, '\t', '\r') | sixteen_within(bytes, ',', '-') |
           sixteen_is(bytes, ' ') | sixteen_is(bytes, ':') | sixteen_is(bytes, '\\') |
           sixteen_is(bytes | 0x20, 'x');
}

/* Eight bytes, a multiple of four away from `at`, that are all of a run, a digit in the second half:
 * any run of twelve digits holds such. Gives where its second half is, or less than SIXTEEN bytes
 * in front of the end. */
static inline size_t hex_find(struct slice text, size_t at)
{
    uint32_t before = 0;

    for (; text.len - at >= SIXTEEN; at += SIXTEEN) {
        sixteen digits, members = hex_members(sixteen_load(text.at + at), &digits);
        uint32_t fours[4], with_digits[4];

        memcpy(fours, &members, sizeof(fours));
        memcpy(with_digits, &digits, sizeof(with_digits));
        for (unsigned i = 0; i < 4; i++) {
            if (fours[i] == UINT32_MAX && before == UINT32_MAX && with_digits[i] != 0)
                return at + 4UL * i;
            before = fours[i];
        }
    }
    return at;
}

/* Sixteen bytes, a multiple of sixteen away from `at`, that are all of a run and hold four digits: any
 * run of twelve pairs with something between them holds such. Else less than SIXTEEN bytes in front
 * of the end. */
static inline size_t hex_find_pairs(struct slice text, size_t at)
{
    for (; text.len - at >= SIXTEEN; at += SIXTEEN) {
        sixteen bytes = sixteen_load(text.at + at), digits, members;
        uint64_t bits;

        if (sixteen_bits(sixteen_within(bytes | 0x20, 'g', 'w')) != 0)
            continue; /* words, nearly always */
        members = hex_members(bytes, &digits);
        bits = sixteen_bits(digits);
        bits &= bits - 1; /* all but the first one */
        bits &= bits - 1;
        bits &= bits - 1;
        if (bits != 0 && sixteen_bits(members) == 0xffff)
            return at;
    }
    return at;
}

#endif
