#include "test.h"

#include "base/scope.h"
#include "base/utf8.h"
#include "wire/jcs.h"

static void strings_are_written_as_rfc_8785_says(void **state)
{
    static const struct {
        const char *text, *json;
    } cases[] = {
        {"", "\"\""},
        {"plain", "\"plain\""},
        /* RFC 8785 section 3.2.2 */
        {"\xe2\x82\xac$\x0f\nA'B\"\\\\\"/", "\"\xe2\x82\xac$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\""},
        {"\b\f\n\r\t\x1f\x7f", "\"\\b\\f\\n\\r\\t\\u001f\x7f\""},
        {"\xf0\x9f\x98\x82", "\"\xf0\x9f\x98\x82\""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO_BUF struct buf json = buf_with_limit(256);
        struct fault fault = {0};

        assert_ok(jcs_add_text(&json, slice_of(cases[i].text), &fault), fault);
        assert_string_equal(buf_text(&json), cases[i].json);
    }
}

static void only_well_formed_utf8_is_text(void **state)
{
    static const struct {
        const char *text;
        bool valid, printable;
    } cases[] = {
        {"abc", true, true},
        {"\xc3\xa9", true, true},
        {"\xed\x9f\xbf", true, true},
        {"\xf4\x8f\xbf\xbf", true, true},
        {"a\nb", true, false},
        {"a\x7f", true, false},
        {"\xc0\xaf", false, false},
        {"\xe0\x80\xaf", false, false}, /* overlong */
        {"\xf0\x80\x80\xaf", false, false},
        {"\xed\xa0\x80", false, false}, /* surrogate */
        {"\xf4\x90\x80\x80", false, false},
        {"\xf5\x80\x80\x80", false, false},
        {"\x80", false, false},
        {"\xc3", false, false},
        {"\xe2\x82", false, false},
        {"\xe2\x28\xa1", false, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(utf8_is_valid(slice_of(cases[i].text)), cases[i].valid);
        assert_int_equal(utf8_is_printable(slice_of(cases[i].text)), cases[i].printable);
    }
}

static void numbers_have_one_form(void **state)
{
    static const struct {
        const char *text;
        bool ok;
        int64_t number;
    } cases[] = {
        {"0", true, 0},
        {"7", true, 7},
        {"-7", true, -7},
        {"9007199254740991", true, JCS_NUMBER_MAX},
        {"-9007199254740991", true, -JCS_NUMBER_MAX},
        {"9007199254740992", false, 0},
        {"-0", false, 0},
        {"00", false, 0},
        {"07", false, 0},
        {"", false, 0},
        {"-", false, 0},
        {"+1", false, 0},
        {"99999999999999999999999", false, 0},
        {" 1", false, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct jcs_reader reader = {.text = slice_of(cases[i].text)};
        struct fault fault = {0};
        int64_t number = 0;

        assert_int_equal(jcs_take_number(&reader, &number, &fault), cases[i].ok);
        assert_int_equal(number, cases[i].number);
    }
}

static void a_number_beyond_two_to_the_53_is_not_written(void **state)
{
    AUTO_BUF struct buf json = buf_with_limit(64);
    struct fault fault = {0};

    (void)state;
    assert_false(jcs_add_number(&json, JCS_NUMBER_MAX + 1, &fault));
    assert_false(jcs_add_number(&json, INT64_MIN, &fault));
    assert_int_equal(json.len, 0);
}

static void the_reader_takes_no_other_escapes(void **state)
{
    static const char *const refused[] = {"\"\\n\"", "\"\\u0041\"", "\"\\/\"", "\"a",
                                          "a\"",     "\"\\",        "\"\n\""};

    (void)state;
    for (size_t i = 0; i < COUNT(refused); i++) {
        AUTO_BUF struct buf arena = buf_with_limit(64);
        struct jcs_reader reader = {.text = slice_of(refused[i])};
        struct fault fault = {0};
        struct slice text;

        assert_ok(buf_reserve(&arena, 32, &fault), fault);
        assert_false(jcs_take_text(&reader, &arena, &text, &fault));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(strings_are_written_as_rfc_8785_says),
        TEST(only_well_formed_utf8_is_text),
        TEST(numbers_have_one_form),
        TEST(a_number_beyond_two_to_the_53_is_not_written),
        TEST(the_reader_takes_no_other_escapes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
