/* Values that a process may read and a model may not, wherever they stand. */
#include "test.h"

#include "base/scope.h"
#include "classify/known.h"
#include "wire/base64.h"

#define SECRET "zx-Horse/Battery+9?staple"

static struct known *known_of(const char *value, enum data_class class)
{
    struct known *known = known_new();
    struct fault fault = {0};

    assert_ok(known_add(known, slice_of(value), class, &fault), fault);
    return known;
}

static char *base64_of(const char *before, const char *value, bool is_url)
{
    AUTO_FREE char *all = xformat("%s%s, then more", before, value);
    AUTO_BUF struct buf text = buf_with_limit(4096);
    struct fault fault = {0};

    assert_ok(base64_encode(slice_of(all), &text, &fault), fault);
    for (size_t i = 0; is_url && i < text.len; i++)
        text.at[i] = text.at[i] == '+' ? '-' : text.at[i] == '/' ? '_' : text.at[i];
    return xformat("see %s for it", buf_text(&text));
}

struct spelling {
    const char *before, *after;
    bool is_upper;
};

static char *each_byte(const char *value, const struct spelling *spelling)
{
    AUTO_BUF struct buf text = buf_with_limit(4096);
    struct fault fault = {0};

    for (; *value != 0; value++) {
        assert_ok(buf_add_text(&text, spelling->before, &fault), fault);
        assert_ok(spelling->is_upper ? buf_add_format(&text, &fault, "%02X", *value)
                                     : buf_add_format(&text, &fault, "%02x", *value),
                  fault);
        assert_ok(buf_add_text(&text, spelling->after, &fault), fault);
    }
    return xstrdup(buf_text(&text));
}

static void check_found(struct known *known, char *text)
{
    if (known_find(known, slice_of(text)) != CLASS_BIT(CLASS_SECRET))
        fail_msg("not found: %s", text);
    free(text);
}

static void a_value_is_found_in_every_encoding_that_is_promised(void **state)
{
    static const struct spelling spellings[] = {
        {"", "", false},     {"", "", true},    {"", " ", false}, {"", ":", false},
        {"0x", ", ", false}, {"\\x", "", true}, {"%", "", true},  {"\\u00", "", false},
    };
    static const char *const before[] = {"", "a", "ab", "abc"};
    struct known *known = known_of(SECRET, CLASS_SECRET);

    (void)state;
    check_found(known, xstrdup("pass " SECRET " on"));
    check_found(known, xstrdup("ZX-HORSE/battery+9?STAPLE"));
    check_found(known, xstrdup("elpats?9+yrettaB/esroH-xz"));
    check_found(known, xstrdup("zx-Horse%2FBattery%2b9%3Fstaple"));
    check_found(known, xstrdup("zx-Horse\\/Battery+9\\u003fstaple"));
    for (size_t i = 0; i < COUNT(spellings); i++) {
        AUTO_FREE char *odd = each_byte(SECRET, &spellings[i]);

        check_found(known, xstrdup(odd));
        check_found(known, xformat("f %s", odd));
        check_found(known, xformat("f%s", odd));
    }
    for (size_t i = 0; i < COUNT(before); i++)
        for (int is_url = 0; is_url < 2; is_url++) {
            AUTO_FREE char *once = base64_of(before[i], SECRET, is_url);

            check_found(known, xstrdup(once));
            check_found(known, xformat("x%sx", once));
            check_found(known, base64_of("", once, false));
            check_found(known, each_byte(once, &spellings[0]));
        }
    known_free(known);
}
static void line_breaks_and_utf16_do_not_hide_it(void **state)
{
    struct known *known = known_of(SECRET, CLASS_SECRET);
    AUTO_FREE char *text = base64_of("ab", SECRET, false);
    AUTO_BUF struct buf wrapped = buf_with_limit(4096), wide = buf_with_limit(4096);
    struct fault fault = {0};

    (void)state;
    for (size_t i = 4; text[i] != 0; i++)
        assert_ok(buf_add_format(&wrapped, &fault, "%c%s", text[i], i % 8 == 0 ? "\r\n" : ""),
                  fault);
    assert_int_equal(known_find(known, buf_slice(&wrapped)), CLASS_BIT(CLASS_SECRET));
    for (const char *at = SECRET; *at != 0; at++)
        assert_ok(buf_add(&wide, slice_of_bytes((char[]){*at, 0}, 2), &fault), fault);
    assert_int_equal(known_find(known, buf_slice(&wide)), CLASS_BIT(CLASS_SECRET));
    known_free(known);
}

static void lines_of_any_length_do_not_hide_it(void **state)
{
    static const char *const values[] = {"s3cr3t", "zx-Horse/Battery+9?staple", "GARDEN-gate-77"};
    static const char *const before[] = {"", "a", "ab", "some words, then "};

    (void)state;
    for (size_t v = 0; v < COUNT(values); v++)
        for (size_t b = 0; b < COUNT(before); b++)
            for (unsigned width = 3; width < 20; width++) {
                struct known *known = known_of(values[v], CLASS_SECRET);
                AUTO_FREE char *all = xformat("%s%s!", before[b], values[v]);
                AUTO_BUF struct buf text = buf_with_limit(4096), wrapped = buf_with_limit(4096);
                struct fault fault = {0};

                assert_ok(base64_encode(slice_of(all), &text, &fault), fault);
                for (size_t i = 0; i < text.len; i++)
                    assert_ok(buf_add_format(&wrapped, &fault, "%c%s", text.at[i],
                                             i % width == width - 1 ? "\n" : ""),
                              fault);
                if (known_find(known, buf_slice(&wrapped)) != CLASS_BIT(CLASS_SECRET))
                    fail_msg("%s in lines of %u:\n%s", all, width, buf_text(&wrapped));
                known_free(known);
            }
}

static void letters_of_another_size_are_found_encoded(void **state)
{
    struct known *known = known_of("Garden-Gate-seven", CLASS_SECRET);

    (void)state;
    check_found(known, base64_of("x", "garden-gate-seven", false));
    check_found(known, base64_of("xy", "GARDEN-GATE-SEVEN", true));
    check_found(known, each_byte("GARDEN-GATE-SEVEN", &(struct spelling){"", ":", true}));
    /* In a run that decodes to text any mixture. */
    check_found(known, base64_of("it is said to be ", "gArDeN-gAtE-sEvEn", false));
    known_free(known);
}

static void a_number_within_a_number_is_not_found_encoded(void **state)
{
    struct known *known = known_of("123456", CLASS_PHI);
    AUTO_FREE char *within = base64_of("id 9", "1234567", false);
    AUTO_FREE char *alone = base64_of("id ", "123456", false);

    (void)state;
    assert_int_equal(known_find(known, slice_of(within)), 0);
    assert_int_equal(known_find(known, slice_of(alone)), CLASS_BIT(CLASS_PHI));
    assert_int_equal(known_find(known, SLICE("39313233343536")), 0);
    assert_int_equal(known_find(known, SLICE("20313233343536")), CLASS_BIT(CLASS_PHI));
    known_free(known);
}

static void what_is_only_like_it_is_not_found(void **state)
{
    static const struct {
        const char *value, *text;
        bool is_found;
    } cases[] = {
        {"123456", "id 123456.", true},
        {"123456", "id 9123456", false},
        {"123456", "id 1234567", false},
        {"123456", "a123456b", true},
        {"12345", "id 12345", false},
        {SECRET, "zx-Horse/Battery+9?stapl", false},
        {SECRET, "", false},
        {SECRET, "zx-Ho\nrse/Battery+9?staple", false},
        {"p\\\"ss\\\\word", "p\"ss\\word", true},
        {"us%40er%3Aone", "us@er:one", true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct known *known = known_of(cases[i].value, CLASS_PHI);

        if ((known_find(known, slice_of(cases[i].text)) != 0) != cases[i].is_found)
            fail_msg("%s in %s", cases[i].value, cases[i].text);
        known_free(known);
    }
}

static void a_key_is_known_by_its_lines_and_a_long_line_by_its_pieces(void **state)
{
    struct known *known = known_of("-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0B\n"
                                   "short\n-----END PRIVATE KEY-----\n",
                                   CLASS_SECRET);
    AUTO_BUF struct buf line = buf_with_limit(1000);
    struct fault fault = {0};

    (void)state;
    assert_int_equal(known_find(known, SLICE("-----BEGIN PRIVATE KEY-----")), 0);
    assert_int_equal(known_find(known, SLICE("short")), 0);
    assert_int_equal(known_find(known, SLICE("12\tMIIEvQIBADANBgkqhkiG9w0B")),
                     CLASS_BIT(CLASS_SECRET));
    known_free(known);
    for (unsigned i = 0; i < 50; i++)
        assert_ok(buf_add_format(&line, &fault, "%04u", i * 37), fault);
    known = known_of(buf_text(&line), CLASS_PII);
    for (size_t at = 0; at + 63 <= line.len; at++)
        assert_int_equal(known_find(known, slice_part(buf_slice(&line), at, at + 63)) &
                             CLASS_BIT(CLASS_PII),
                         CLASS_BIT(CLASS_PII));
    known_free(known);
}

static void it_comes_back_from_its_packet(void **state)
{
    static const char *const bad[] = {"\x02",
                                      "\x02\x05"
                                      "abcde",
                                      "\x02\x06"
                                      "abcde",
                                      "\x09\x06"
                                      "abcdef",
                                      "\x02\x06"
                                      "abcdefg"};
    struct known *known = known_of(SECRET, CLASS_SECRET), *other = NULL;
    AUTO_BUF struct buf packet = buf_with_limit(KNOWN_PACKET_BYTES_MAX);
    struct fault fault = {0};

    (void)state;
    assert_ok(known_add(known, SLICE(SECRET), CLASS_SECRET, &fault), fault);
    assert_int_equal(known_count(known), 1);
    assert_ok(known_add(known, SLICE("another one"), CLASS_PHI, &fault), fault);
    assert_ok(known_encode(known, &packet, &fault), fault);
    assert_ok(known_decode(buf_slice(&packet), &other, &fault), fault);
    assert_int_equal(known_count(other), 2);
    assert_int_equal(known_find(other, SLICE("x" SECRET "x another one")),
                     CLASS_BIT(CLASS_SECRET) | CLASS_BIT(CLASS_PHI));
    known_free(other);
    known_free(known);
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_false(known_decode(slice_of(bad[i]), &other, &fault));
}

static void what_takes_too_long_is_not_called_clean(void **state)
{
    struct known *known = known_new();
    AUTO_BUF struct buf text = buf_with_limit(1 << 20);
    struct fault fault = {0};

    (void)state;
    for (unsigned i = 0; i < 20000; i++) {
        AUTO_FREE char *value = xformat("aaaaaaaaaaaaaaaa%u", i);

        assert_ok(known_add(known, slice_of(value), CLASS_SECRET, &fault), fault);
    }
    for (unsigned i = 0; i < 100000; i++)
        assert_ok(buf_add_byte(&text, 'a', &fault), fault);
    assert_true((known_find(known, buf_slice(&text)) & CLASS_BIT(CLASS_OPAQUE)) != 0);
    known_free(known);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_value_is_found_in_every_encoding_that_is_promised),
        TEST(line_breaks_and_utf16_do_not_hide_it),
        TEST(lines_of_any_length_do_not_hide_it),
        TEST(letters_of_another_size_are_found_encoded),
        TEST(a_number_within_a_number_is_not_found_encoded),
        TEST(what_is_only_like_it_is_not_found),
        TEST(a_key_is_known_by_its_lines_and_a_long_line_by_its_pieces),
        TEST(it_comes_back_from_its_packet),
        TEST(what_takes_too_long_is_not_called_clean),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
