#include "ledger/sha256_lanes.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define WITH_AVX512 __attribute__((target("avx512f,avx512bw")))
#define INLINED __attribute__((always_inline)) static inline

bool sha256_avx512_is_there(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw");
}

/* Each is one word of all lanes. */
struct words {
    __m512i at[16];
};

/* Ternary logic: the table of a function of three bits. */
#define XOR3 0x96
#define CHOOSE 0xca
#define MAJORITY 0xe8

/* FIPS 180-4 section 4.1.2. Macros, since clang wants to see that the counts are constants. */
#define BIG_SIGMA(x, a, b, c)                                                                 \
    _mm512_ternarylogic_epi32(_mm512_ror_epi32(x, a), _mm512_ror_epi32(x, b),                 \
                              _mm512_ror_epi32(x, c), XOR3)
#define SMALL_SIGMA(x, a, b, shift)                                                           \
    _mm512_ternarylogic_epi32(_mm512_ror_epi32(x, a), _mm512_ror_epi32(x, b),                 \
                              _mm512_srli_epi32(x, shift), XOR3)

/* Rows of one lane's words become columns of one word's lanes. */
WITH_AVX512 INLINED void transpose(struct words *w)
{
    __m512i a[16], b[16];

#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) {
        a[2 * i] = _mm512_unpacklo_epi32(w->at[2 * i], w->at[2 * i + 1]);
        a[2 * i + 1] = _mm512_unpackhi_epi32(w->at[2 * i], w->at[2 * i + 1]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        b[4 * i] = _mm512_unpacklo_epi64(a[4 * i], a[4 * i + 2]);
        b[4 * i + 1] = _mm512_unpackhi_epi64(a[4 * i], a[4 * i + 2]);
        b[4 * i + 2] = _mm512_unpacklo_epi64(a[4 * i + 1], a[4 * i + 3]);
        b[4 * i + 3] = _mm512_unpackhi_epi64(a[4 * i + 1], a[4 * i + 3]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        __m512i low0 = _mm512_shuffle_i32x4(b[i], b[4 + i], 0x88);
        __m512i high0 = _mm512_shuffle_i32x4(b[i], b[4 + i], 0xdd);
        __m512i low1 = _mm512_shuffle_i32x4(b[8 + i], b[12 + i], 0x88);
        __m512i high1 = _mm512_shuffle_i32x4(b[8 + i], b[12 + i], 0xdd);

        w->at[i] = _mm512_shuffle_i32x4(low0, low1, 0x88);
        w->at[4 + i] = _mm512_shuffle_i32x4(high0, high1, 0x88);
        w->at[8 + i] = _mm512_shuffle_i32x4(low0, low1, 0xdd);
        w->at[12 + i] = _mm512_shuffle_i32x4(high0, high1, 0xdd);
    }
}

/* One block of each lane whose bit is set in `live`; the others' state stays. */
WITH_AVX512 static void hash_block(__m512i state[8], const uint8_t *const at[SHA256_LANES],
                                   __mmask16 live)
{
    const __m512i swap =
        _mm512_broadcast_i32x4(_mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203));
    __m512i a = state[0], b = state[1], c = state[2], d = state[3], e = state[4], f = state[5],
            g = state[6], h = state[7];
    struct words w;

#pragma GCC unroll 16
    for (int i = 0; i < SHA256_LANES; i++)
        w.at[i] = _mm512_shuffle_epi8(_mm512_loadu_si512(at[i]), swap);
    transpose(&w);
#pragma GCC unroll 64
    for (int i = 0; i < 64; i++) {
        __m512i first, second;

        if (i >= 16)
            w.at[i % 16] = _mm512_add_epi32(
                _mm512_add_epi32(w.at[i % 16], SMALL_SIGMA(w.at[(i + 1) % 16], 7, 18, 3)),
                _mm512_add_epi32(w.at[(i + 9) % 16],
                                 SMALL_SIGMA(w.at[(i + 14) % 16], 17, 19, 10)));
        first = _mm512_add_epi32(
            _mm512_add_epi32(
                h,
                _mm512_add_epi32(w.at[i % 16], _mm512_set1_epi32((int)sha256_round_words[i]))),
            _mm512_add_epi32(BIG_SIGMA(e, 6, 11, 25),
                             _mm512_ternarylogic_epi32(e, f, g, CHOOSE)));
        second = _mm512_add_epi32(BIG_SIGMA(a, 2, 13, 22),
                                  _mm512_ternarylogic_epi32(a, b, c, MAJORITY));
        h = g;
        g = f;
        f = e;
        e = _mm512_add_epi32(d, first);
        d = c;
        c = b;
        b = a;
        a = _mm512_add_epi32(first, second);
    }
    state[0] = _mm512_mask_add_epi32(state[0], live, state[0], a);
    state[1] = _mm512_mask_add_epi32(state[1], live, state[1], b);
    state[2] = _mm512_mask_add_epi32(state[2], live, state[2], c);
    state[3] = _mm512_mask_add_epi32(state[3], live, state[3], d);
    state[4] = _mm512_mask_add_epi32(state[4], live, state[4], e);
    state[5] = _mm512_mask_add_epi32(state[5], live, state[5], f);
    state[6] = _mm512_mask_add_epi32(state[6], live, state[6], g);
    state[7] = _mm512_mask_add_epi32(state[7], live, state[7], h);
}

WITH_AVX512 void sha256_avx512(const struct sha256_padded *messages, size_t count,
                               uint8_t *const *ret_hashes)
{
    uint32_t words[8][SHA256_LANES] __attribute__((aligned(64), uninitialized));
    const uint8_t *at[SHA256_LANES];
    __m512i state[8];
    size_t longest = 0;

    for (int i = 0; i < 8; i++)
        state[i] = _mm512_set1_epi32((int)sha256_begin[i]);
    for (size_t i = 0; i < count; i++)
        longest = messages[i].blocks > longest ? messages[i].blocks : longest;
    for (size_t block = 0; block < longest; block++) {
        unsigned live = 0;

        for (size_t i = 0; i < SHA256_LANES; i++) {
            bool is_live = i < count && block < messages[i].blocks;

            /* A lane that is through reads something, and it is not taken. */
            at[i] = is_live ? messages[i].at + block * SHA256_BLOCK_BYTES : messages[0].at;
            live |= (unsigned)is_live << i;
        }
        hash_block(state, at, (__mmask16)live);
    }
    for (int i = 0; i < 8; i++)
        _mm512_store_si512(words[i], state[i]);
    for (size_t i = 0; i < count; i++)
        for (int k = 0; k < 8; k++) {
            uint32_t word = __builtin_bswap32(words[k][i]);

            memcpy(ret_hashes[i] + 4 * k, &word, sizeof(word));
        }
}

#else

bool sha256_avx512_is_there(void)
{
    return false;
}

void sha256_avx512(const struct sha256_padded *messages, size_t count,
                   uint8_t *const *ret_hashes)
{
    (void)messages, (void)count, (void)ret_hashes; /* it is not there */
}

#endif
