#include "test.h"

#include "base/scope.h"
#include "wire/base64.h"

static void encoding_follows_rfc_4648(void **state)
{
    static const struct {
        const char *bytes, *text;
    } cases[] = {{"", ""},
                 {"f", "Zg=="},
                 {"fo", "Zm8="},
                 {"foo", "Zm9v"},
                 {"foob", "Zm9vYg=="},
                 {"fooba", "Zm9vYmE="},
                 {"foobar", "Zm9vYmFy"}};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO_BUF struct buf text = buf_with_limit(64);
        AUTO_BUF struct buf bytes = buf_with_limit(64);
        struct fault fault = {0};

        assert_ok(base64_encode(slice_of(cases[i].bytes), &text, &fault), fault);
        assert_string_equal(buf_text(&text), cases[i].text);
        assert_ok(base64_decode(buf_slice(&text), &bytes, &fault), fault);
        assert_true(slice_equal(buf_slice(&bytes), slice_of(cases[i].bytes)));
    }
}

static void decoding_takes_canonical_text_only(void **state)
{
    static const char *const refused[] = {
        "A",    "AA",     "AAA",      "AB==", "AAB=", "AA=A", "====",     "=AAA",
        " AAA", "AAAA\n", "AA==AAAA", "AA-_", "A===", "AAA ", "AAA=AAA=", "\xc3\xa9\xc3\xa9"};

    (void)state;
    for (size_t i = 0; i < COUNT(refused); i++) {
        AUTO_BUF struct buf bytes = buf_with_limit(64);
        struct fault fault = {0};

        assert_false(base64_decode(slice_of(refused[i]), &bytes, &fault));
        assert_int_equal(fault.kind, FAULT_INVALID);
        assert_int_equal(bytes.len, 0);
    }
}

static void every_text_of_four_letters_decodes_or_is_not_canonical(void **state)
{
    static const char letters[] = "AQgwZ9+/=\n ";
    char text[5] = "";

    (void)state;
    for (size_t n = 0; n < 11 * 11 * 11 * 11; n++) {
        AUTO_BUF struct buf bytes = buf_with_limit(8);
        AUTO_BUF struct buf again = buf_with_limit(8);
        struct fault fault = {0};

        for (size_t i = 0, rest = n; i < 4; i++, rest /= 11)
            text[i] = letters[rest % 11];
        if (!base64_decode(slice_of(text), &bytes, &fault))
            continue;
        assert_ok(base64_encode(buf_slice(&bytes), &again, &fault), fault);
        assert_string_equal(buf_text(&again), text);
    }
}

static void an_exact_length_is_exact(void **state)
{
    uint8_t bytes[4] = {0};

    (void)state;
    assert_true(base64_decode_exactly(SLICE("AQIDBA=="), bytes, 4));
    assert_int_equal(bytes[3], 4);
    assert_false(base64_decode_exactly(SLICE("AQIDBA=="), bytes, 3));
    assert_false(base64_decode_exactly(SLICE("AQIDBAU="), bytes, 4));
    assert_false(base64_decode_exactly(SLICE("AQIDBB=="), bytes, 4));
    assert_false(base64_decode_exactly(SLICE("AQID"), bytes, 4));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(encoding_follows_rfc_4648),
        TEST(decoding_takes_canonical_text_only),
        TEST(every_text_of_four_letters_decodes_or_is_not_canonical),
        TEST(an_exact_length_is_exact),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
