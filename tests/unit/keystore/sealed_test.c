#include "keystore/sealed.h"

#include <openssl/evp.h>
#include <openssl/rand.h>

#include "base/scope.h"
#include "test.h"

#define VKEY "custody-test-0a1b2c3d+00000000+AQ=="
#define PLACE "file:/run/keys/custody"
#define LONG_WORDS "correct horse battery staple"

static const uint8_t seed[SEALED_SEED_BYTES] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 250, 251};

/* 32 bytes that are no text. */
static struct slice random_secret(void)
{
    static uint8_t bytes[SEALED_RANDOM_BYTES];

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 37 + 1);
    return slice_of_bytes(bytes, sizeof(bytes));
}

static void seal(struct slice secret, struct buf *ret_text)
{
    struct fault fault = {0};

    assert_ok(sealed_write(slice_of(VKEY), slice_of(PLACE), secret, seed, ret_text, &fault),
              fault);
}

static bool opens(struct slice text, struct slice secret, uint8_t *ret_seed)
{
    struct keyfile file;
    struct fault fault = {0};

    return keyfile_parse(text, &file, &fault) && file.kind == KEYFILE_SEALED &&
           sealed_open(&file, secret, ret_seed, &fault);
}

static void what_was_sealed_is_opened_by_its_secret_only(void **state)
{
    static const struct {
        const char *secret, *same, *other; /* NULL: the random one */
    } cases[] = {
        {NULL, NULL, LONG_WORDS},
        {LONG_WORDS, LONG_WORDS "\n", LONG_WORDS " "},
        {"0123456789abcdef0123456789abcdef", "0123456789abcdef0123456789abcdef\n", NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO_BUF struct buf text = buf_with_limit(KEYFILE_BYTES_MAX);
        uint8_t opened[SEALED_SEED_BYTES] = {0};
        const uint8_t zeros[SEALED_SEED_BYTES] = {0};
        struct slice words[3];
        const char *given[3] = {cases[i].secret, cases[i].same, cases[i].other};

        for (size_t j = 0; j < 3; j++)
            words[j] = given[j] == NULL ? random_secret() : slice_of(given[j]);
        seal(words[0], &text);
        assert_false(opens(buf_slice(&text), words[2], opened));
        assert_memory_equal(opened, zeros, sizeof(zeros)); /* nothing of it came out */
        assert_true(opens(buf_slice(&text), words[1], opened));
        assert_memory_equal(opened, seed, sizeof(seed));
    }
}

static void every_flipped_bit_and_every_truncation_is_refused(void **state)
{
    AUTO_BUF struct buf text = buf_with_limit(KEYFILE_BYTES_MAX);
    uint8_t opened[SEALED_SEED_BYTES];
    size_t tried = 0;

    (void)state;
    seal(random_secret(), &text);
    for (size_t i = 0; i < text.len; i++)
        for (unsigned bit = 0; bit < 8; bit++) {
            text.at[i] ^= (uint8_t)(1U << bit);
            assert_false(opens(buf_slice(&text), random_secret(), opened));
            text.at[i] ^= (uint8_t)(1U << bit);
            tried++;
        }
    for (size_t len = 0; len < text.len; len++)
        assert_false(opens(slice_part(buf_slice(&text), 0, len), random_secret(), opened));
    assert_true(tried > 2000);
    assert_true(opens(buf_slice(&text), random_secret(), opened));
}

/* Replaces one line's value. */
static void with_line(struct slice text, const char *name, const char *value, struct buf *ret)
{
    struct slice line;
    struct fault fault = {0};
    bool found = false;

    while (slice_cut(&text, '\n', &line) && (line.len > 0 || text.len > 0)) {
        bool this = slice_starts_with(line, slice_of(name)) && line.at[strlen(name)] == ' ';

        found |= this;
        if (this)
            assert_ok(buf_add_format(ret, &fault, "%s %s\n", name, value), fault);
        else
            assert_ok(buf_add_format(ret, &fault, "%.*s\n", SLICE_ARGS(line)), fault);
    }
    assert_true(found);
}

static void another_vkey_place_or_cost_is_refused(void **state)
{
    static const struct {
        const char *name, *value;
    } cases[] = {
        {"vkey", "custody-else-0a1b2c3d+00000000+AQ=="},
        {"secret", "file:/tmp/mine"},
        {"kdf", "scrypt 17 8 1"},
        {"kdf", "scrypt 30 8 1"},
        {"kdf", "none"},
        {"cipher", "AES-256-CBC"},
    };
    AUTO_BUF struct buf text = buf_with_limit(KEYFILE_BYTES_MAX);
    uint8_t opened[SEALED_SEED_BYTES];

    (void)state;
    seal(random_secret(), &text);
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO_BUF struct buf changed = buf_with_limit(KEYFILE_BYTES_MAX);

        with_line(buf_slice(&text), cases[i].name, cases[i].value, &changed);
        assert_false(opens(buf_slice(&changed), random_secret(), opened));
    }
}

static void two_sealings_of_one_seed_have_nothing_in_common(void **state)
{
    AUTO_BUF struct buf one = buf_with_limit(KEYFILE_BYTES_MAX);
    AUTO_BUF struct buf two = buf_with_limit(KEYFILE_BYTES_MAX);
    struct keyfile first, second;
    struct fault fault = {0};

    (void)state;
    seal(random_secret(), &one);
    seal(random_secret(), &two);
    assert_true(keyfile_parse(buf_slice(&one), &first, &fault));
    assert_true(keyfile_parse(buf_slice(&two), &second, &fault));
    assert_false(slice_equal(first.line[KEYFILE_SALT], second.line[KEYFILE_SALT]));
    assert_false(slice_equal(first.line[KEYFILE_NONCE], second.line[KEYFILE_NONCE]));
    assert_false(slice_equal(first.line[KEYFILE_CIPHERTEXT], second.line[KEYFILE_CIPHERTEXT]));
}

static void a_short_secret_seals_nothing(void **state)
{
    static const char *const short_ones[] = {"", "\n", "secret", "elevenchars\n"};

    (void)state;
    for (size_t i = 0; i < COUNT(short_ones); i++) {
        AUTO_BUF struct buf text = buf_with_limit(KEYFILE_BYTES_MAX);
        struct fault fault = {0};

        assert_false(sealed_write(slice_of(VKEY), slice_of(PLACE), slice_of(short_ones[i]),
                                  seed, &text, &fault));
        assert_int_equal(fault.kind, FAULT_INVALID);
        assert_int_equal(text.len, 0);
    }
}

static void an_openssl_without_the_algorithm_says_so(void **state)
{
    AUTO_BUF struct buf text = buf_with_limit(KEYFILE_BYTES_MAX);
    struct fault fault = {0};
    bool sealed;

    (void)state;
    assert_int_equal(EVP_set_default_properties(NULL, "fips=yes"), 1);
    sealed = sealed_write(slice_of(VKEY), slice_of(PLACE), slice_of(LONG_WORDS), seed, &text,
                          &fault);
    assert_int_equal(EVP_set_default_properties(NULL, NULL), 1);
    assert_false(sealed);
    assert_int_equal(fault.kind, FAULT_HOST);
    assert_non_null(strstr(fault.why, "SCRYPT"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_was_sealed_is_opened_by_its_secret_only),
        TEST(every_flipped_bit_and_every_truncation_is_refused),
        TEST(another_vkey_place_or_cost_is_refused),
        TEST(two_sealings_of_one_seed_have_nothing_in_common),
        TEST(a_short_secret_seals_nothing),
        TEST(an_openssl_without_the_algorithm_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
