/*
 * base/eight.h - eight bytes looked at together, in a 64-bit word.
 */
#ifndef CUSTODY_BASE_EIGHT_H
#define CUSTODY_BASE_EIGHT_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

#define EIGHT_OF(byte) (UINT64_C(0x0101010101010101) * (byte))
#define EIGHT_ALL EIGHT_OF(0x80) /* an answer that is yes for each of them */

static inline uint64_t eight_load(const uint8_t *at)
{
    uint64_t word;

    memcpy(&word, at, sizeof(word));
    return le64toh(word); /* the first byte is the lowest */
}

/* The high bit of each byte that is `least` (1 to 0x80) or more. Other bits are of no meaning.
 */
static inline uint64_t eight_from(uint64_t word, uint8_t least)
{
    return ((word & EIGHT_OF(0x7f)) + EIGHT_OF(0x80 - (uint64_t)least)) | word;
}

/* Of each byte that is neither below `least` nor above `most`, both below 0x80. */
static inline uint64_t eight_within(uint64_t word, uint8_t least, uint8_t most)
{
    return eight_from(word, least) & ~eight_from(word, (uint8_t)(most + 1));
}

/* Of each byte that is another than `byte`. */
static inline uint64_t eight_other(uint64_t word, uint8_t byte)
{
    return eight_from(word ^ EIGHT_OF((uint64_t)byte), 1);
}

/* How many bytes come before the first for which the answer is no; at least one is. */
static inline size_t eight_first_no(uint64_t answers)
{
    return (size_t)__builtin_ctzll(~answers & EIGHT_ALL) / 8;
}

#endif
