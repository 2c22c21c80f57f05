#include "test.h"

#include "base/scope.h"
#include "base/utf8.h"

static void what_is_no_utf8_is_told(void **state)
{
    static const char *const bad[] = {"\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80",
                                      "\x80",     "\xe2\x82",     "\xff"};

    (void)state;
    assert_true(utf8_is_valid(SLICE("a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80")));
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_false(utf8_is_valid(slice_of(bad[i])));
    assert_false(utf8_is_printable(SLICE("a\tb")));
}

static void a_terminal_is_shown_everything_and_obeys_nothing(void **state)
{
    static const struct {
        const char *raw, *shown;
    } rows[] = {
        {"plain\ttext\n", "plain\ttext\n"},
        {"\x1b]52;c;aGk=\x07", "^[]52;c;aGk=^G"},
        {"a\rb", "a^Mb"},
        {"if (admin\xe2\x80\xae)", "if (admin<U+202E>)"},
        {"\xc2\x9b"
         "31m",
         "<U+009B>31m"},
        {"\xff"
         "a",
         "<FF>a"},
        {"caf\xc3\xa9", "caf\xc3\xa9"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO_BUF struct buf out = buf_with_limit(200);
        struct fault fault = {0};

        assert_ok(utf8_add_visible(&out, slice_of(rows[i].raw), &fault), fault);
        assert_string_equal(buf_text(&out), rows[i].shown);
    }
}

static void what_is_shown_moves_no_cursor(void **state)
{
    char text[] = "a\033[2Kb\tc\nd\x7f\xc2\x9b"
                  "e\xc3\xa9\xc2";
    struct fault fault = {0};

    (void)state;
    utf8_tame(text);
    assert_string_equal(text, "a?[2Kb?c?d???e\xc3\xa9?");
    assert_false(fault_set(&fault, FAULT_DENIED, "open %s", "x\033]0;y\007"));
    assert_string_equal(fault.why, "open x?]0;y?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_no_utf8_is_told),
        TEST(what_is_shown_moves_no_cursor),
        TEST(a_terminal_is_shown_everything_and_obeys_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
