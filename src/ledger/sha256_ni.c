#include "ledger/sha256_lanes.h"

const uint32_t sha256_round_words[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
    0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
    0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
    0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
    0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
    0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
    0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
    0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
    0xc67178f2};

const uint32_t sha256_begin[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                  0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

#if defined(__x86_64__)

#include <cpuid.h>
#include <immintrin.h>

#define WITH_SHA __attribute__((target("sha,sse4.1,ssse3")))

bool sha256_ni_is_there(void)
{
    unsigned a, b, c, d;

    if (__get_cpuid(1, &a, &b, &c, &d) == 0 || (c & bit_SSSE3) == 0 || (c & bit_SSE4_1) == 0)
        return false;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (b & bit_SHA) != 0;
}

/* A, B, E, F and C, D, G, H, as the instructions want them. */
struct state {
    __m128i abef, cdgh;
};

WITH_SHA static inline struct state hash_block(struct state before, const uint8_t *at)
{
    const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    struct state state = before;
    __m128i w[4], sum;

#pragma GCC unroll 16
    for (int i = 0; i < 16; i++) {
        if (i < 4)
            w[i] = _mm_shuffle_epi8(
                _mm_loadu_si128((const __m128i *)(const void *)(at + 16 * i)), swap);
        else
            w[i % 4] = _mm_sha256msg2_epu32(
                _mm_add_epi32(_mm_sha256msg1_epu32(w[i % 4], w[(i + 1) % 4]),
                              _mm_alignr_epi8(w[(i + 3) % 4], w[(i + 2) % 4], 4)),
                w[(i + 3) % 4]);
        sum = _mm_add_epi32(
            w[i % 4],
            _mm_loadu_si128((const __m128i *)(const void *)(sha256_round_words + 4 * i)));
        state.cdgh = _mm_sha256rnds2_epu32(state.cdgh, state.abef, sum);
        state.abef =
            _mm_sha256rnds2_epu32(state.abef, state.cdgh, _mm_shuffle_epi32(sum, 0x0e));
    }
    state.abef = _mm_add_epi32(state.abef, before.abef);
    state.cdgh = _mm_add_epi32(state.cdgh, before.cdgh);
    return state;
}

WITH_SHA void sha256_ni(const struct sha256_padded *message, uint8_t *ret_hash)
{
    const __m128i swap = _mm_set_epi64x(0x0001020304050607, 0x08090a0b0c0d0e0f);
    const int *h = (const int *)sha256_begin;
    struct state state = {.abef = _mm_set_epi32(h[0], h[1], h[4], h[5]),
                          .cdgh = _mm_set_epi32(h[2], h[3], h[6], h[7])};

    for (size_t i = 0; i < message->blocks; i++)
        state = hash_block(state, message->at + i * SHA256_BLOCK_BYTES);
    /* From the lowest word: F E B A and H G D C. */
    _mm_storeu_si128((__m128i *)(void *)ret_hash,
                     _mm_shuffle_epi8(_mm_unpackhi_epi64(state.cdgh, state.abef), swap));
    _mm_storeu_si128((__m128i *)(void *)(ret_hash + 16),
                     _mm_shuffle_epi8(_mm_unpacklo_epi64(state.cdgh, state.abef), swap));
}

#else

bool sha256_ni_is_there(void)
{
    return false;
}

void sha256_ni(const struct sha256_padded *message, uint8_t *ret_hash)
{
    (void)message, (void)ret_hash; /* it is not there */
}

#endif
