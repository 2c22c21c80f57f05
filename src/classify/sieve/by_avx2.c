#include "classify/sieve/blocks.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define WITH_VECTOR __attribute__((target("avx2,popcnt,bmi,bmi2")))

bool sieve_avx2_is_there(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("popcnt") &&
           __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
}

/* A block in two halves. */
typedef struct {
    __m256i low, high;
} block;

WITH_VECTOR SIEVE_INLINED block load(const uint8_t *at)
{
    return (block){_mm256_loadu_si256((const __m256i *)(const void *)at),
                   _mm256_loadu_si256((const __m256i *)(const void *)(at + 32))};
}

WITH_VECTOR SIEVE_INLINED uint64_t bits_of(__m256i low, __m256i high)
{
    return (uint64_t)(uint32_t)_mm256_movemask_epi8(high) << 32 |
           (uint32_t)_mm256_movemask_epi8(low);
}

WITH_VECTOR SIEVE_INLINED __m256i half_within(__m256i bytes, char least, char most)
{
    __m256i above = _mm256_sub_epi8(bytes, _mm256_set1_epi8(least));

    return _mm256_cmpeq_epi8(_mm256_min_epu8(above, _mm256_set1_epi8((char)(most - least))),
                             above);
}

/* Bytes from `least` to `most`. */
WITH_VECTOR SIEVE_INLINED uint64_t within(block bytes, char least, char most)
{
    return bits_of(half_within(bytes.low, least, most), half_within(bytes.high, least, most));
}

WITH_VECTOR SIEVE_INLINED uint64_t equal(block bytes, char byte)
{
    return bits_of(_mm256_cmpeq_epi8(bytes.low, _mm256_set1_epi8(byte)),
                   _mm256_cmpeq_epi8(bytes.high, _mm256_set1_epi8(byte)));
}

/* Those above 0x7f. */
WITH_VECTOR SIEVE_INLINED uint64_t high(block bytes)
{
    return bits_of(bytes.low, bytes.high);
}

/* Both cases become the small one. */
WITH_VECTOR SIEVE_INLINED block small_of(block bytes)
{
    __m256i bit = _mm256_set1_epi8(0x20);

    return (block){_mm256_or_si256(bytes.low, bit), _mm256_or_si256(bytes.high, bit)};
}

#include "classify/sieve/look.h"

WITH_VECTOR bool sieve_by_avx2(struct slice text, unsigned kinds, sieve_sink *sink, void *self)
{
    return sieve_blocks(text, kinds, sink, self, &eyes);
}

#else

bool sieve_avx2_is_there(void)
{
    return false;
}

bool sieve_by_avx2(struct slice text, unsigned kinds, sieve_sink *sink, void *self)
{
    return sieve_by_byte(text, kinds, sink, self);
}

#endif
