#include "test.h"

#include "base/scope.h"
#include "wire/toml.h"

static const struct toml *at(const struct toml *node, const char *key)
{
    const struct toml *found = toml_find(node, key);

    if (found == NULL)
        fail_msg("no key %s", key);
    return found;
}

static void texts_lists_and_tables_are_read(void **state)
{
    static const char text[] = "# a comment\r\n"
                               "title = \"a\\tb\\u00e9 \\\\\"  # behind\n"
                               "literal = 'a\\b'\n"
                               "[extend]\n"
                               "useDefault = true\n"
                               "a.\"b c\".d = -1_000.5e1\n"
                               "[[rules]]\n"
                               "id = 'one'\n"
                               "list = [ 'x', # why\n  \"y\",\n]\n"
                               "regex = '''a'b''c\\n'''\n"
                               "[[rules.allowlists]]\n"
                               "inline = { k = [1, 2], l.m = 'n' }\n"
                               "[[rules.allowlists]]\n"
                               "folded = \"\"\"\none \\\n   \n  two\nthree\"\"\"\"\n"
                               "[[rules]]\n"
                               "id = 'two'\n";
    AUTO_TOML struct toml *root = NULL;
    struct fault fault = {0};
    const struct toml *rules, *first;

    (void)state;
    if (!toml_parse(slice_of(text), "a.toml", &root, &fault))
        fail_msg("%s", fault.why);
    assert_string_equal(at(root, "title")->text, "a\tb\xc3\xa9 \\");
    assert_string_equal(at(root, "literal")->text, "a\\b");
    assert_true(at(at(root, "extend"), "useDefault")->flag);
    assert_true(at(at(at(at(root, "extend"), "a"), "b c"), "d")->number == -10005);
    rules = at(root, "rules");
    assert_int_equal(rules->count, 2);
    first = rules->children[0];
    assert_int_equal(first->line, 7);
    assert_string_equal(at(first, "list")->children[1]->text, "y");
    assert_string_equal(at(first, "regex")->text, "a'b''c\\n");
    assert_int_equal(at(first, "allowlists")->count, 2);
    assert_int_equal(at(at(at(first, "allowlists")->children[0], "inline"), "k")->count, 2);
    assert_string_equal(at(at(first, "allowlists")->children[1], "folded")->text,
                        "one two\nthree\"");
    assert_string_equal(at(rules->children[1], "id")->text, "two");
    assert_null(toml_find(root, "none"));
}

static void what_is_no_toml_is_refused_with_its_line(void **state)
{
    static const struct {
        const char *text, *why;
    } cases[] = {
        {"a", "a.toml:1: no ="},
        {"a = 1\na = 2\n", "a.toml:2: a key stands twice"},
        {"a = 1 b = 2\n", "behind a value"},
        {"a = 'x\n'\n", "does not end in its line"},
        {"a = '''x\n", "does not end"},
        {"a = \"\\x41\"\n", "an escape"},
        {"a = \"\\u0000\"\n", "no character"},
        {"a = \"\\ud800\"\n", "no character"},
        {"a = 2026-11-26\n", "no text"},
        {"a = 0x10\n", "no text"},
        {"a = 01\n", "no text"},
        {"a = 1__0\n", NULL},
        {"a = 1_\n", "no text"},
        {"a = inf\n", "no text"},
        {"a = \n", "no text"},
        {"a = [1 2]\n", "lacks a comma"},
        {"a = [1,\n", "no text"},
        {"a = {b = 1,\nc = 2}\n", "a key is missing"},
        {"[a]\n[a]\n", "a.toml:2: a table stands twice"},
        {"[[a]]\n[a]\n", "a table stands twice"},
        {"a = []\n[[a]]\n", "a list of tables is something else"},
        {"a = {b = 1}\n[a.c]\n", "a closed one"},
        {"a = 1\n[a.b]\n", "is no table"},
        {"[a\n", "not closed"},
        {"a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a = 1\n", "too many parts"},
        {"a = [[[[[[[[[[[[[[1]]]]]]]]]]]]]]\n", "too deep"},
        {"a = '\x01'\n", "a control character"},
        {"a = '\xff'\n", "not UTF-8"},
        {"a = 1\rb = 2\n", "a CR"},
        {"\"\"\"a\"\"\" = 1\n", "over several lines"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO_TOML struct toml *root = NULL;
        struct fault fault = {0};
        bool ok = toml_parse(slice_of(cases[i].text), "a.toml", &root, &fault);

        if (ok != (cases[i].why == NULL) || (!ok && strstr(fault.why, cases[i].why) == NULL))
            fail_msg("%zu: %s", i, ok ? "taken" : fault.why);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(texts_lists_and_tables_are_read),
        TEST(what_is_no_toml_is_refused_with_its_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
