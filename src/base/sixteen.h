/*
 * base/sixteen.h - sixteen bytes looked at together, in a vector of whatever machine.
 * An answer is 0xff for each byte of which it is yes, else 0.
 */
#ifndef CUSTODY_BASE_SIXTEEN_H
#define CUSTODY_BASE_SIXTEEN_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

#define SIXTEEN 16U

typedef uint8_t sixteen __attribute__((vector_size(16)));

static inline sixteen sixteen_load(const uint8_t *at)
{
    sixteen bytes;

    memcpy(&bytes, at, sizeof(bytes));
    return bytes;
}

static inline sixteen sixteen_is(sixteen bytes, uint8_t byte)
{
    return (sixteen)(bytes == byte);
}

/* Of those from `first` to `last`. */
static inline sixteen sixteen_within(sixteen bytes, uint8_t first, uint8_t last)
{
    return (sixteen)((sixteen)(bytes - first) <= (uint8_t)(last - first));
}

/* The first eight answers, or the others; the first of them is the lowest byte. */
static inline uint64_t sixteen_half(sixteen answers, unsigned half)
{
    uint64_t halves[2];

    memcpy(halves, &answers, sizeof(halves));
    return le64toh(halves[half]);
}

/* A bit an answer, the first is the lowest. */
static inline uint64_t sixteen_bits(sixteen answers)
{
#if defined(__SSE2__)
    typedef char signed_sixteen __attribute__((vector_size(16)));

    return (uint64_t)(unsigned)__builtin_ia32_pmovmskb128((signed_sixteen)answers);
#else
    const uint64_t one_each = UINT64_C(0x0102040810204080);
    uint64_t low = sixteen_half(answers, 0) & UINT64_C(0x0101010101010101);
    uint64_t high = sixteen_half(answers, 1) & UINT64_C(0x0101010101010101);

    return (low * one_each >> 56) | (high * one_each >> 56) << 8;
#endif
}

/* The first byte of which it is yes; SIXTEEN: none. */
static inline unsigned sixteen_first(sixteen answers)
{
#if defined(__SSE2__)
    return (unsigned)__builtin_ctzll(sixteen_bits(answers) | 1U << SIXTEEN);
#else
    uint64_t low = sixteen_half(answers, 0), high = sixteen_half(answers, 1);

    if (low != 0)
        return (unsigned)__builtin_ctzll(low) / 8;
    return high != 0 ? 8 + (unsigned)__builtin_ctzll(high) / 8 : SIXTEEN;
#endif
}

#endif
