#include "classify/sieve/blocks.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define WITH_VECTOR __attribute__((target("avx512f,avx512bw,popcnt,bmi,bmi2")))

bool sieve_avx512_is_there(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("popcnt") && __builtin_cpu_supports("bmi") &&
           __builtin_cpu_supports("bmi2");
}

typedef __m512i block;

WITH_VECTOR SIEVE_INLINED block load(const uint8_t *at)
{
    return _mm512_loadu_si512(at);
}

/* Bytes from `least` to `most`. */
WITH_VECTOR SIEVE_INLINED uint64_t within(block bytes, char least, char most)
{
    return _mm512_cmple_epu8_mask(_mm512_sub_epi8(bytes, _mm512_set1_epi8(least)),
                                  _mm512_set1_epi8((char)(most - least)));
}

WITH_VECTOR SIEVE_INLINED uint64_t equal(block bytes, char byte)
{
    return _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8(byte));
}

/* Those above 0x7f. */
WITH_VECTOR SIEVE_INLINED uint64_t high(block bytes)
{
    return _mm512_movepi8_mask(bytes);
}

/* Both cases become the small one. */
WITH_VECTOR SIEVE_INLINED block small_of(block bytes)
{
    return _mm512_or_si512(bytes, _mm512_set1_epi8(0x20));
}

#include "classify/sieve/look.h"

WITH_VECTOR bool sieve_by_avx512(struct slice text, unsigned kinds, sieve_sink *sink,
                                 void *self)
{
    return sieve_blocks(text, kinds, sink, self, &eyes);
}

#else

bool sieve_avx512_is_there(void)
{
    return false;
}

bool sieve_by_avx512(struct slice text, unsigned kinds, sieve_sink *sink, void *self)
{
    return sieve_by_byte(text, kinds, sink, self);
}

#endif
