#include "test.h"

#include "wire/yamltext.h"

static void plain_text_passes(void **state)
{
    static const char *const texts[] = {
        "",
        "\n",
        "a: 1",
        "a: 1\nb: 2\n",
        "a: 1\r\nb:\t2\r\n",
        "# caf\xc3\xa9 \xf0\x9f\x8f\xa5\n",
        "a: 100%\n",
        " %a\n",
    };
    struct fault fault = {0};

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++)
        assert_ok(yamltext_check(slice_of(texts[i]), "x", &fault), fault);
}

static void what_the_parser_must_not_see_is_refused_with_its_place(void **state)
{
    const struct {
        struct slice text;
        const char *why;
    } rows[] = {
        {SLICE("a: 1\n# caf\xe9\n"), "x.yaml:2:6: not UTF-8"},
        {SLICE("a: \xc3"), "x.yaml:1:4: not UTF-8"},
        {SLICE("a: \xed\xa0\x80\n"), "x.yaml:1:4: not UTF-8"},
        {SLICE("%"), "x.yaml:1:1: directives have no place here"},
        {SLICE("%YAML 1.2\n"), "x.yaml:1:1: directives have no place here"},
        {SLICE("a: 1\n...\n%TAG"), "x.yaml:3:1: directives have no place here"},
        {SLICE("\xef\xbb\xbf%YAML"), "x.yaml:1:1: a byte order mark"},
        {SLICE("a: \xef\xbb\xbf"), "x.yaml:1:4: a byte order mark"},
        {SLICE("a: 1\r%TAG x\n"), "x.yaml:1:5: a control character"},
        {SLICE("a: 1\r"), "x.yaml:1:5: a control character"},
        {SLICE("a: \0b\n"), "x.yaml:1:4: a control character"},
        {SLICE("a: \033[2J\n"), "x.yaml:1:4: a control character"},
        {SLICE("a: \x7f\n"), "x.yaml:1:4: a control character"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct fault fault = {0};

        assert_false(yamltext_check(rows[i].text, "x.yaml", &fault));
        assert_int_equal(fault.kind, FAULT_INVALID);
        assert_string_equal(fault.why, rows[i].why);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(plain_text_passes),
        TEST(what_the_parser_must_not_see_is_refused_with_its_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
