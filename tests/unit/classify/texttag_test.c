/* Tags of texts: as slow arithmetic says, and never alike. */
#include "classify/texttag.h"

#include <stdlib.h>

#include "test.h"

#define PRIME ((UINT64_C(1) << 61) - 1)
#define TEXT_BYTES 300

static const uint8_t key[TEXTTAG_KEY_BYTES] = {1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11,
                                               12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22,
                                               23, 24, 25, 26, 27, 28, 29, 30, 31, 32};

static bool is_same(struct texttag a, struct texttag b)
{
    return a.words[0] == b.words[0] && a.words[1] == b.words[1];
}

/* Of memory that ends where the text does. */
static struct texttag tag_of(const struct texttag_key *made, const uint8_t *text, size_t len)
{
    uint8_t *exact = malloc(len + 1);
    struct texttag tag;

    if (len > 0)
        memcpy(exact + 1, text, len);
    tag = texttag_of(made, slice_of_bytes(exact + 1, len), SLICE("path"));
    free(exact);
    return tag;
}

static uint64_t add(uint64_t a, uint64_t b)
{
    return (a + b) % PRIME;
}

/* Bit by bit. */
static uint64_t multiply(uint64_t a, uint64_t b)
{
    uint64_t product = 0;

    for (int bit = 60; bit >= 0; bit--)
        product = add(add(product, product), (b >> bit & 1) != 0 ? a : 0);
    return product;
}

static uint64_t word_at(const uint8_t *text, size_t len, size_t at)
{
    uint64_t word = 0;

    for (size_t i = 0; i < 7 && at + i < len; i++)
        word |= (uint64_t)text[at + i] << 8 * i;
    return word;
}

/* One word at a time; two texts whose sums are alike must have one tag, and others not. */
static uint64_t slow_sum(uint64_t place, const uint8_t *text, size_t len)
{
    uint64_t sum = 4;

    sum = add(multiply(sum, place), word_at((const uint8_t *)"path", 4, 0));
    for (size_t at = 0; at < len; at += 7)
        sum = add(multiply(sum, place), word_at(text, len, at));
    return add(multiply(sum, place), len);
}

/* A text whose polynomial is worth the same at one place as another's: by the last word. */
static void sums_are_as_slow_arithmetic_has_them(void **state)
{
    static const uint8_t one_place[TEXTTAG_KEY_BYTES] = {0x9d, 0x44, 0x13, 7, 0, 1, 0, 0,
                                                         0x9d, 0x44, 0x13, 7, 0, 1, 0, 0, 5};
    uint64_t place = UINT64_C(0x000001000713449d);
    struct texttag_key made;
    size_t found = 0;

    (void)state;
    texttag_key_make(one_place, &made);
    for (unsigned seed = 0; seed < 4000 && found < 20; seed++) {
        uint8_t a[TEXT_BYTES], b[TEXT_BYTES];
        size_t words = 2 + seed % 40, len = words * 7;
        uint64_t wanted;

        srand(seed);
        for (size_t i = 0; i < len; i++) {
            a[i] = (uint8_t)rand();
            b[i] = (uint8_t)rand();
        }
        memset(b + len - 7, 0, 7);
        /* what the last word must be, so that both are worth the same */
        wanted = add(slow_sum(place, a, len), PRIME - slow_sum(place, b, len));
        /* the word is multiplied once by the place: divide, by Fermat */
        for (uint64_t power = PRIME - 2, square = place; power > 0; power >>= 1) {
            if ((power & 1) != 0)
                wanted = multiply(wanted, square);
            square = multiply(square, square);
        }
        if (wanted >> 56 != 0)
            continue; /* seven bytes do not hold it */
        for (size_t i = 0; i < 7; i++)
            b[len - 7 + i] = (uint8_t)(wanted >> 8 * i);
        assert_int_equal(slow_sum(place, a, len), slow_sum(place, b, len));
        assert_true(is_same(tag_of(&made, a, len), tag_of(&made, b, len)));
        b[len - 1] ^= 1;
        assert_false(is_same(tag_of(&made, a, len), tag_of(&made, b, len)));
        found++;
    }
    assert_int_equal(found, 20);
}

static void a_text_that_differs_anywhere_has_another_tag(void **state)
{
    uint8_t text[TEXT_BYTES];
    struct texttag_key made;

    (void)state;
    texttag_key_make(key, &made);
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (uint8_t)(i * 37);
    for (size_t len = 0; len < sizeof(text); len++) {
        struct texttag whole = tag_of(&made, text, len);

        assert_true(is_same(whole, tag_of(&made, text, len)));
        assert_false(is_same(whole, tag_of(&made, text, len + 1)));
        for (size_t at = 0; at < len; at++) {
            text[at] ^= 0x40;
            assert_false(is_same(whole, tag_of(&made, text, len)));
            text[at] ^= 0x40;
        }
    }
}

static void what_is_empty_or_nought_is_told_apart(void **state)
{
    static const uint8_t noughts[100];
    struct texttag tags[100];
    struct texttag_key made;

    (void)state;
    texttag_key_make(key, &made);
    for (size_t len = 0; len < COUNT(tags); len++) {
        tags[len] = tag_of(&made, noughts, len);
        for (size_t other = 0; other < len; other++)
            assert_false(is_same(tags[len], tags[other]));
    }
    assert_false(is_same(texttag_of(&made, SLICE("bc"), SLICE("a")),
                         texttag_of(&made, SLICE("c"), SLICE("ab"))));
    assert_false(is_same(texttag_of(&made, SLICE(""), SLICE("a")),
                         texttag_of(&made, SLICE("a"), SLICE(""))));
}

static void each_half_of_the_key_counts(void **state)
{
    uint8_t other[TEXTTAG_KEY_BYTES];
    struct texttag_key made, changed;

    (void)state;
    texttag_key_make(key, &made);
    for (size_t i = 0; i < sizeof(other); i++) {
        memcpy(other, key, sizeof(other));
        other[i] ^= 1;
        texttag_key_make(other, &changed);
        assert_false(is_same(texttag_of(&made, SLICE("a text"), SLICE("")),
                             texttag_of(&changed, SLICE("a text"), SLICE(""))));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(sums_are_as_slow_arithmetic_has_them),
        TEST(a_text_that_differs_anywhere_has_another_tag),
        TEST(what_is_empty_or_nought_is_told_apart),
        TEST(each_half_of_the_key_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
