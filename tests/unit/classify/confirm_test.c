/* Where a match may begin, as it is read off a pattern. */
#include "test.h"

#include "classify/confirm.h"
#include "classify/confirm_begin.h"

static void what_stands_before_no_match_is_read_off_lookbehinds(void **unused)
{
    static const struct {
        const char *pattern, *never, *ever; /* bytes in front */
    } cases[] = {
        {"(?<![A-Za-z0-9])pat", "aZ5", "_-. \xe1"},
        {"(?i)(?<![\\w.-])\\d{9}", "a_9.-", "/ +"},
        {"(?<![\\w.])(?<![0-9]-)9", "x_.", "- "},
        {"(?<![ab])x|(?<![bc])y", "b", "ac"},
        {"(?<![ab])x|y", "", "ab"},
        {"(?<![ab])(?:x|y)", "ab", "cxy"},
        {"(?<![\\]a\\\\])x", "]a\\", "[b"},
        {"(?<![^a])x", "", "ab"},
        {"(?<!ab)x", "", "ab"},
        {"(?<!a|b)x", "", "ab"},
        {"(?<=[ab])x", "", "ab"},
        {"(?<![a\\s])x", "", "a "},
        {"(?<![[:alpha:]])x", "", "a:"},
        {"(?x) (?<![ab])x", "", "ab"},
        {"x(?<![ab])", "", "ab"},
        {"(?<![ab]", "", "ab"},
        {"(?<![ab", "", "ab"},
        {"", "", "a"},
    };

    (void)unused;
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint8_t bytes[256] = {0};

        confirm_not_before(slice_of(cases[i].pattern), bytes);
        for (const char *at = cases[i].never; *at != 0; at++)
            assert_true((bytes[(uint8_t)*at] & CONFIRM_NOT_BEFORE) != 0);
        for (const char *at = cases[i].ever; *at != 0; at++)
            assert_true((bytes[(uint8_t)*at] & CONFIRM_NOT_BEFORE) == 0);
    }
}

static void keywords_at_the_beginning_are_told_from_others(void **unused)
{
    static struct slice words[2];
    static const struct {
        const char *pattern, *words[2];
        bool is_cased, is_first;
    } cases[] = {
        {"(?<![A-Z])pat[a-z]{3}", {"pat"}, true, true},
        {"key-[0-9]", {"key-"}, true, true},
        {"key\\.x", {"key."}, false, true},
        {"(?i)nie\\b", {"nie"}, false, true},
        {"(?i)(?<![a-z])(?:nie|extranjero) x", {"nie", "extranjero"}, false, true},
        {"(?i)(?:nie|other) x", {"nie", "extranjero"}, false, false},
        {"(?i)(?:nie|extranjero)? x", {"nie", "extranjero"}, false, false},
        {"(?i)(?:nie|extranjero)", {"nie", "extranjero"}, false, true},
        {"nie|x?nie", {"nie"}, false, false},
        {"nie1|nie2", {"nie"}, false, true},
        {"(?i)KEY", {"key"}, true, false}, /* found in small letters only */
        {"KEY", {"key"}, true, false},
        {"KEY", {"key"}, false, true},
        {"keys?", {"keys"}, false, false},
        {"keys?", {"key"}, false, true},
        {"key{2}", {"key"}, false, false},
        {"key+", {"key"}, false, true},
        {"ke", {"key"}, false, false},
        {"(?<=key)x", {"key"}, false, false},
        {"(?<!a|b)key", {"key"}, false, true},
        {"(?=key)k", {"key"}, false, false},
        {"[k]ey", {"key"}, false, false},
        {"\\Qkey\\E", {"key"}, false, false},
        {"(key)", {"key"}, false, false},
        {"\\dkey", {"key"}, false, false},
        {"", {"key"}, false, false},
        {"key\\", {"key"}, false, true},
        {"(?:key", {"key"}, false, true},
        {"(?<!", {"key"}, false, false},
    };

    (void)unused;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct rule rule = {.pattern = slice_of(cases[i].pattern),
                            .is_cased = cases[i].is_cased,
                            .keywords = {.at = words}};

        for (; rule.keywords.count < 2 && cases[i].words[rule.keywords.count] != NULL;
             rule.keywords.count++)
            words[rule.keywords.count] = slice_of(cases[i].words[rule.keywords.count]);
        assert_int_equal(confirm_begins_with_keyword(&rule), cases[i].is_first);
    }
}

/* Where may_begin says no, a try finds nothing; in all texts of a few bytes. */
static void where_no_match_may_begin_none_does(void **unused)
{
    static const char *const patterns[] = {
        "(?<![a-c])ab", "(?i)(?<![\\w.])A1?", "(?:ab|c1)", "(?<![a1])a|(?<![b1])b", "[ab]c|1", "\\d{2}"};
    static const char bytes[] = "abcA1.";

    (void)unused;
    for (size_t p = 0; p < COUNT(patterns); p++) {
        struct confirm *confirm = confirm_new(slice_of(patterns[p]));

        for (size_t n = 0; n < 6 * 6 * 6 * 6; n++) {
            uint8_t text[4];
            const struct slice all = slice_of_bytes(text, sizeof(text));

            for (size_t i = 0, rest = n; i < sizeof(text); i++, rest /= 6)
                text[i] = (uint8_t)bytes[rest % 6];
            for (size_t at = 0; at < sizeof(text); at++) {
                const struct confirm_place place = {
                    .from = at, .last = at, .is_begin = true, .is_end = true};
                struct confirm_match match;

                if (!confirm_may_begin(confirm, all, at, at))
                    assert_int_equal(confirm_find(confirm, all, place, &match), CONFIRM_NO);
            }
        }
        confirm_free(confirm);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(what_stands_before_no_match_is_read_off_lookbehinds),
        TEST(keywords_at_the_beginning_are_told_from_others),
        TEST(where_no_match_may_begin_none_does),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
