#include "classify/texttag.h"

#include "base/eight.h"

#define PRIME ((UINT64_C(1) << 61) - 1)
#define WORD_BYTES 7U
#define WORD_MASK ((UINT64_C(1) << 8 * WORD_BYTES) - 1)

__extension__ typedef unsigned __int128 wide;

/* Below 2^61 + 8, and alike by PRIME. */
static uint64_t reduce(wide number)
{
    uint64_t low = (uint64_t)number & PRIME, high = (uint64_t)(number >> 61);

    low += (high & PRIME) + (high >> 61);
    return (low & PRIME) + (low >> 61);
}

static uint64_t canonical(uint64_t number)
{
    number = (number & PRIME) + (number >> 61);
    return number >= PRIME ? number - PRIME : number;
}

static void take_word(const struct texttag_key *key, uint64_t sums[2], uint64_t word)
{
    for (int i = 0; i < 2; i++)
        sums[i] = reduce((wide)sums[i] * key->powers[i][1] + word);
}

/* TEXTTAG_STEP words, of which eight bytes each can be read. Nine products are below 2^125. */
static void take_step(const struct texttag_key *key, uint64_t sums[2], const uint8_t *at)
{
    wide first = (wide)sums[0] * key->powers[0][TEXTTAG_STEP];
    wide second = (wide)sums[1] * key->powers[1][TEXTTAG_STEP];

    for (size_t i = 0; i < TEXTTAG_STEP; i++) {
        uint64_t word = eight_load(at + i * WORD_BYTES) & WORD_MASK;

        first += (wide)word * key->powers[0][TEXTTAG_STEP - 1 - i];
        second += (wide)word * key->powers[1][TEXTTAG_STEP - 1 - i];
    }
    sums[0] = reduce(first);
    sums[1] = reduce(second);
}

static void take_text(const struct texttag_key *key, uint64_t sums[2], struct slice text)
{
    const size_t step = TEXTTAG_STEP * WORD_BYTES;

    for (; text.len > step; text.at += step, text.len -= step) /* a byte more can be read */
        take_step(key, sums, text.at);
    while (text.len > 0) {
        size_t len = text.len < WORD_BYTES ? text.len : WORD_BYTES;
        uint8_t word[8] = {0};

        memcpy(word, text.at, len);
        take_word(key, sums, eight_load(word));
        text.at += len;
        text.len -= len;
    }
}

static uint64_t rotate(uint64_t word, unsigned bits)
{
    return word << bits | word >> (64 - bits);
}

static void sip_rounds(uint64_t v[4], int count)
{
    for (int i = 0; i < count; i++) {
        v[0] += v[1];
        v[2] += v[3];
        v[1] = rotate(v[1], 13) ^ v[0];
        v[3] = rotate(v[3], 16) ^ v[2];
        v[0] = rotate(v[0], 32);
        v[2] += v[1];
        v[0] += v[3];
        v[1] = rotate(v[1], 17) ^ v[2];
        v[3] = rotate(v[3], 21) ^ v[0];
        v[2] = rotate(v[2], 32);
    }
}

static void sip_word(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    sip_rounds(v, 2);
    v[0] ^= word;
}

/* SipHash-2-4 of two words, with 128 bits. */
static struct texttag mixed(const struct texttag_key *key, const uint64_t sums[2])
{
    uint64_t v[4] = {key->mix[0] ^ UINT64_C(0x736f6d6570736575),
                     key->mix[1] ^ UINT64_C(0x646f72616e646f6d) ^ 0xee,
                     key->mix[0] ^ UINT64_C(0x6c7967656e657261),
                     key->mix[1] ^ UINT64_C(0x7465646279746573)};
    struct texttag tag;

    sip_word(v, sums[0]);
    sip_word(v, sums[1]);
    sip_word(v, UINT64_C(16) << 56);
    v[2] ^= 0xee;
    sip_rounds(v, 4);
    tag.words[0] = v[0] ^ v[1] ^ v[2] ^ v[3];
    v[1] ^= 0xdd;
    sip_rounds(v, 4);
    tag.words[1] = v[0] ^ v[1] ^ v[2] ^ v[3];
    return tag;
}

void texttag_key_make(const uint8_t key[TEXTTAG_KEY_BYTES], struct texttag_key *ret_key)
{
    for (int i = 0; i < 2; i++) {
        uint64_t place = canonical(eight_load(key + 8 * i));

        ret_key->powers[i][0] = 1;
        for (int power = 1; power <= TEXTTAG_STEP; power++)
            ret_key->powers[i][power] =
                canonical(reduce((wide)ret_key->powers[i][power - 1] * place));
        ret_key->mix[i] = eight_load(key + 16 + 8 * i);
    }
}

/*
 * The lengths are coefficients, too, the text's the last one and the path's the first: where one
 * of them differs so do the polynomials, and where neither does, the words stand at the same places.
 */
struct texttag texttag_of(const struct texttag_key *key, struct slice text, struct slice path)
{
    uint64_t sums[2] = {0, 0};

    take_word(key, sums, path.len);
    take_text(key, sums, path);
    take_text(key, sums, text);
    take_word(key, sums, text.len);
    sums[0] = canonical(sums[0]);
    sums[1] = canonical(sums[1]);
    return mixed(key, sums);
}
