#include "test.h"

#include "base/scope.h"
#include "classify/classify.h"
#include "classify/confirm.h"
#include "classify/import/import.h"
#include "classify/import/pattern.h"

static void patterns_of_re2_are_written_for_pcre2(void **state)
{
    static const struct {
        const char *re2, *pcre2, *why;
    } cases[] = {
        {"a(?P<n>b)\\d{2}$", "a(b)\\d{2}$", NULL},
        {"(?i:x)[[:alpha:]_[]", "(?i:x)[[:alpha:]_\\[]", NULL},
        {"\\v[\\v]\\x{41}", "\\x0b[\\x0b]A", NULL},
        {"a{,3}{b}", "a\\{,3\\}\\{b\\}", NULL},
        {"\\Qa.b\\E+", "a\\.b+", NULL},
        {"caf\xc3\xa9?", "caf(?:\xc3\xa9)?", NULL},
        {"a(?=b)c", "a(?=b)c", NULL},
        {"(?U)a+?", "(?U)a+?", NULL},
        {"a++", NULL, "a repeat of a repeat"},
        {"*a", NULL, "a repeat of nothing"},
        {"(a", NULL, "does not end"},
        {"a)", NULL, "closes nothing"},
        {"[a", NULL, "does not end"},
        {"[z-a]", NULL, "backwards"},
        {"(a)\\1", NULL, "a reference back"},
        {"\\pL", NULL, "a class of Unicode"},
        {"[\xc3\xa9]", NULL, "beyond ASCII in a class"},
        {"\\x{e9}", NULL, "beyond ASCII"},
        {"\\K", NULL, "an escape that RE2 does not have"},
        {"(?>a)", NULL, "of a kind that RE2 does not have"},
        {"a{2000}", NULL, "a repeat that RE2 does not have"},
        {"a\\", NULL, "a backslash at the end"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct pattern pattern = {0};
        struct fault fault = {0};
        bool ok = pattern_read(slice_of(cases[i].re2), &pattern, &fault);

        if (ok != (cases[i].pcre2 != NULL) || (!ok && strstr(fault.why, cases[i].why) == NULL))
            fail_msg("%s: %s", cases[i].re2, ok ? "taken" : fault.why);
        if (ok && strcmp(cases[i].pcre2, "a\\.b+") == 0)
            assert_true(strstr(buf_text(&pattern.text), "a\\.b") != NULL);
        else if (ok)
            assert_string_equal(buf_text(&pattern.text), cases[i].pcre2);
        pattern_free(&pattern);
    }
}

static void what_is_always_in_a_match_is_found(void **state)
{
    static const struct {
        const char *pattern, *first;
        size_t count; /* 0: nothing */
    } cases[] = {
        {"own_[a-z]{8}", "own_", 1},
        {"(?:alpha|beta)_[0-9]+", "alpha_", 2},
        {"(?i)Token[=:]\\s*(x+)", "token", 1},
        {"ey[a-f]{17}", "eya", 6},
        {"[a-z]+", NULL, 0},
        {"[a-z]{4,}own_x", NULL, 0}, /* too far, maybe */
        {"[a-z]{4,40}own_x", "own_x", 1},
        {"(?:abc)?def", "abcdef", 2},
        {"(?:abc|x)[0-9]", NULL, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct pattern pattern = {0};
        struct fault fault = {0};
        struct literals *found;
        bool has_first = false;

        assert_true(pattern_read(slice_of(cases[i].pattern), &pattern, &fault));
        found = pattern_literals(&pattern);
        for (size_t f = 0; found != NULL && f < found->count; f++)
            has_first = has_first || strncmp(found->at[f], cases[i].first, strlen(cases[i].first)) == 0;
        if ((found == NULL) != (cases[i].count == 0) ||
            (found != NULL && (found->count < cases[i].count || !has_first)))
            fail_msg("%s: %zu, %s", cases[i].pattern, found == NULL ? 0 : found->count,
                     found == NULL ? "" : found->at[0]);
        free(found);
        pattern_free(&pattern);
    }
}

static void examples_are_matched_by_their_pattern(void **state)
{
    static const char *const patterns[] = {
        "own_[a-z0-9]{16}",
        "(?i)\\bowner(?:[ \\t\\w.-]{0,20})[\\s'\"]{0,3}(?:=|:=)[\"'\\s=]{0,5}([a-z0-9=_\\-]{32})(?:['\"\\s;]|$)",
        "\\{\\{[a-f]{4}\\}\\}",
        "[^a-z]{3}x(?:-[0-9]{4}){3}",
        "-----BEGIN[ A-Z]{0,20}KEY-----[\\s\\S-]{64,}?KEY-----",
        "a(?:b|c(?:d|e){2}){2,3}\\.f",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(patterns); i++) {
        struct pattern pattern = {0};
        struct fault fault = {0};
        struct confirm *confirm;

        assert_true(pattern_read(slice_of(patterns[i]), &pattern, &fault));
        confirm = confirm_new(buf_slice(&pattern.text));
        for (unsigned variant = 0; variant < 20; variant++) {
            AUTO_BUF struct buf template = buf_with_limit(16000), text = buf_with_limit(16000);
            struct confirm_match match;

            assert_true(pattern_example(&pattern, variant, &template, &fault));
            assert_true(rule_expand(buf_slice(&template), &text, &fault));
            if (confirm_find(confirm, buf_slice(&text),
                             (struct confirm_place){0, text.len, true, true},
                             &match) != CONFIRM_YES)
                fail_msg("%s is not matched by %s", buf_text(&text), patterns[i]);
        }
        confirm_free(confirm);
        pattern_free(&pattern);
    }
}

static const char file[] =
    "title = 'own'\n"
    "[extend]\nuseDefault = true\n"
    "[[allowlists]]\npaths = ['vendor/']\nregexes = ['^sample_']\n"
    "[[rules]]\nid = 'Own_Token'\ndescription = \"it's own\"\nregex = '''own_[a-z0-9]{24}'''\n"
    "keywords = ['own_']\nentropy = 3\ntags = ['a']\n"
    "[[rules.allowlists]]\nstopwords = ['zz9']\nregexes = ['q{3}']\n"
    "[[rules.allowlists]]\nregexTarget = 'line'\nregexes = ['# not one']\n"
    "[[rules]]\nid = 'two-ways'\nregex = '''twoways(?:=([a-z0-9]{20})|: ([a-z0-9]{20}))'''\n"
    "keywords = ['tw']\n"
    "[[rules]]\nid = 'path-only'\npath = '\\.p12$'\n"
    "[[rules]]\nid = 'elsewhere'\nregex = '[0-9]{15}x[a-z]{27}'\nkeywords = ['somewhere']\n"
    "[[rules]]\nid = 'second'\nregex = 'own(ed|er)=([a-z0-9]{12})'\nsecretGroup = 2\n"
    "path = '\\.cfg$'\nkeywords = ['owned', 'owner']\n";

static bool has_note(const struct import *import, enum import_kind kind, const char *rule,
                     const char *why)
{
    for (size_t i = 0; i < import->note_count; i++)
        if (import->notes[i].kind == kind && strcmp(import->notes[i].rule, rule) == 0 &&
            strstr(import->notes[i].why, why) != NULL)
            return true;
    return false;
}

/* Where a value is found by a rule: its first byte, or SIZE_MAX. */
static size_t found_at(const char *text, const char *rule)
{
    struct finding *findings = NULL;
    struct fault fault = {0};
    size_t count = 0, start = SIZE_MAX;
    unsigned mask;

    assert_true(classify_scan(slice_of(text), SLICE("a.txt"), &findings, &count, &mask, &fault));
    for (size_t i = 0; i < count; i++)
        if (strcmp(classify_rule_id(findings[i].rule), rule) == 0)
            start = findings[i].start;
    free(findings);
    return start;
}

static void a_file_becomes_rules_that_find_the_same(void **state)
{
    struct import import = {0};
    struct fault fault = {0};
    struct rules_text text;

    (void)state;
    if (!rules_import(slice_of(file), "own.toml", &import, &fault))
        fail_msg("%s", fault.why);
    assert_int_equal(import.taken, 3);
    assert_int_equal(import.left_out, 2);
    assert_int_equal(import.wrong, 0);
    assert_true(has_note(&import, IMPORT_CHANGED, "", "extend.useDefault"));
    assert_true(has_note(&import, IMPORT_CHANGED, "", "paths and commits"));
    assert_true(has_note(&import, IMPORT_CHANGED, "Own_Token", "tags"));
    assert_true(has_note(&import, IMPORT_CHANGED, "two-ways", "fewer than 3 bytes"));
    assert_true(has_note(&import, IMPORT_LEFT_OUT, "path-only", "a path only"));
    assert_true(has_note(&import, IMPORT_LEFT_OUT, "elsewhere", "no keyword stands in"));
    assert_true(has_note(&import, IMPORT_CHANGED, "second", "never surer"));
    text = (struct rules_text){"own.yaml", import.yaml.at, import.yaml.len};
    if (!rules_use_texts(&text, 1, &fault))
        fail_msg("%s", fault.why);
    import_free(&import);

#define OWN "secret.imported.own-token"
    assert_int_equal(found_at("k own_abcdefghijklmnopqrst0123 ;", OWN), 2);
    assert_int_equal(found_at("k own_aaaaaaaaaaaaaaaaaaaaaaaa ;", OWN), SIZE_MAX); /* entropy */
    assert_int_equal(found_at("k own_abcdefghijklmnopqzZ90123 ;", OWN), SIZE_MAX);
    assert_int_equal(found_at("k own_abcdefghijklmnzz9rst0123 ;", OWN), SIZE_MAX); /* stop word */
    assert_int_equal(found_at("k own_abcdefghijkqqqopqrst0123 ;", OWN), SIZE_MAX); /* value */
    assert_int_equal(found_at("k own_abcdefghijklmnopqrst0123 # not one", OWN), SIZE_MAX);
    assert_int_equal(found_at("# not one\nk own_abcdefghijklmnopqrst0123", OWN), 12);
    assert_int_equal(found_at("x twoways=abcdefghij0123456789", "secret.imported.two-ways"), 10);
    assert_int_equal(found_at("x twoways: abcdefghij0123456789", "secret.imported.two-ways"), 11);
    assert_true(rules_use_texts(NULL, 0, &fault));
}

static void what_is_wrong_is_said_of_its_rule(void **state)
{
#define HEAD "[[rules]]\nid = 'r'\n"
    static const struct {
        const char *text, *why;
    } cases[] = {
        {HEAD "regex = 'own_['\nkeywords = ['own_']\n", "does not end"},
        {HEAD "regex = 'own_(?P<v>a)'\nsecretGroup = 2\nkeywords = ['own_']\n", "there are 1 groups"},
        {HEAD "regex = 'own_a'\nentropy = 9\n", "from 0 to 8"},
        {HEAD "regex = 1\n", "regex must be a text"},
        {HEAD "regex = 'own_a'\nkeywords = [1]\n", "a list of texts"},
        {HEAD "regex = 'own_[ab]{4}'\nkeywords = ['own_']\nentropy = 4\n", "add examples"},
        {HEAD "regex = 'own_[a-z]*'\nkeywords = ['own_']\n[[rules.allowlists]]\nregexTarget = 'file'\n"
              "regexes = ['a']\n", "regexTarget"},
        {HEAD "regex = '(?:own_)?'\nkeywords = ['own_']\n", "empty text"},
        {"[[rules]]\nregex = 'own_a'\n", "without id"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct import import = {0};
        struct fault fault = {0};

        assert_true(rules_import(slice_of(cases[i].text), "own.toml", &import, &fault));
        if (import.wrong != 1 || strstr(import.notes[import.note_count - 1].why, cases[i].why) == NULL)
            fail_msg("%zu: %zu wrong, %s", i, import.wrong,
                     import.note_count == 0 ? "-" : import.notes[import.note_count - 1].why);
        import_free(&import);
    }
}

static void an_example_that_is_given_is_kept(void **state)
{
    static const char text[] = HEAD "regex = 'own_[ab]{4}'\nkeywords = ['own_']\nexamples = ['own_abab']\n";
    struct import import = {0};
    struct fault fault = {0};

    (void)state;
    assert_true(rules_import(slice_of(text), "own.toml", &import, &fault));
    assert_int_equal(import.wrong, 0);
    assert_non_null(strstr(buf_text(&import.yaml), "examples: ['own_abab']"));
    import_free(&import);
    assert_false(rules_import(SLICE("a = 1\n"), "own.toml", &import, &fault));
    assert_non_null(strstr(fault.why, "no [[rules]]"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(patterns_of_re2_are_written_for_pcre2),
        TEST(what_is_always_in_a_match_is_found),
        TEST(examples_are_matched_by_their_pattern),
        TEST(a_file_becomes_rules_that_find_the_same),
        TEST(what_is_wrong_is_said_of_its_rule),
        TEST(an_example_that_is_given_is_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
