#include "wire/url_path.h"

#include "test.h"

static void paths_match_in_every_reading(void **state)
{
    static const struct {
        const char *path;
        const char *patterns[3];
        bool matches;
    } cases[] = {
        {"/", {"/**"}, true},
        {"/a/b", {"/**"}, true},
        {"/a", {"/a"}, true},
        {"/a/", {"/a"}, false},
        {"/a/", {"/a/"}, true},
        {"/a", {"/a/**"}, false},
        {"/a/", {"/a/**"}, true},
        {"/a/b/c", {"/a/**"}, true},
        {"/ab", {"/a/**"}, false},
        {"/a_evil/b", {"/a/**"}, false},
        {"/A/b", {"/a/**"}, false},
        {"/simple/flask/", {"/simple/*/"}, true},
        {"/simple//", {"/simple/*/"}, false},
        {"/simple/a/b/", {"/simple/*/"}, false},
        {"/p/1/flask-2.tar.gz", {"/p/**/*.tar.gz"}, true},
        {"/p/flask-2.tar.gz", {"/p/**/*.tar.gz"}, true},
        {"/p/flask-2.tar.gz/x", {"/p/**/*.tar.gz"}, false},
        {"/%61/b", {"/a/**"}, true},
        {"/a%2fb", {"/a/**"}, false}, /* servers differ: a name, or a path */
        {"/a%2fb", {"/a/**", "/a*"}, true},
        {"/@s%2Fn", {"/**"}, true},
        {"/x", {"/y", "/z", "/x"}, true},
        {"/x", {NULL}, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct url_path path;
        struct fault fault = {0};
        size_t count = 0;

        while (count < COUNT(cases[i].patterns) && cases[i].patterns[count] != NULL) {
            assert_ok(url_path_pattern_check(slice_of(cases[i].patterns[count]), &fault),
                      fault);
            count++;
        }
        assert_ok(url_path_read(slice_of(cases[i].path), &path, &fault), fault);
        if (url_path_matches(&path, cases[i].patterns, count) != cases[i].matches)
            fail_msg("%s", cases[i].path);
        url_path_free(&path);
    }
}

/* Some server reads another path out of each. */
static void doubtful_paths_are_refused(void **state)
{
    static const char *const cases[] = {
        "",        "a",        "/a/../b",   "/..",     "/a/./b",    "/a/%2e%2e/b",
        "/a/.%2E", "/a%2f..",  "/a%2f%2e.", "/..;/b",  "/a/..;x/b", "/a\\..\\b",
        "/a%5cb",  "/a%00",    "/a%0d%0a",  "/a%",     "/a%2",      "/a%zz",
        "/%252e",  "/a%252fb", "/a%2525",   "/a\001b",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct url_path path;
        struct fault fault = {0};

        if (url_path_read(slice_of(cases[i]), &path, &fault))
            fail_msg("taken: %s", cases[i]);
        assert_int_equal(fault.kind, FAULT_INVALID);
        url_path_free(&path);
    }
}

static void patterns_that_cannot_match_are_refused(void **state)
{
    static const char *const cases[] = {"",     "a",      "/a//b", "/a/../b", "/a/.",
                                        "/a**", "/a/**b", "/%61",  "/a?b",    "/a b"};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct fault fault = {0};

        if (url_path_pattern_check(slice_of(cases[i]), &fault))
            fail_msg("taken: %s", cases[i]);
    }
}

static void many_stars_take_no_longer_than_both_lengths(void **state)
{
    static const char *const patterns[] = {"/**/*a*a*a*a*a*b/**/*a*a*a*a*b/**/c"};
    struct buf text = buf_with_limit(URL_PATH_BYTES_MAX);
    struct url_path path;
    struct fault fault = {0};

    (void)state;
    for (size_t i = 0; i < 2000; i++)
        assert_ok(buf_add_text(&text, "/aa", &fault), fault);
    assert_ok(url_path_read(buf_slice(&text), &path, &fault), fault);
    assert_false(url_path_matches(&path, patterns, COUNT(patterns)));
    url_path_free(&path);
    buf_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(paths_match_in_every_reading),
        TEST(doubtful_paths_are_refused),
        TEST(patterns_that_cannot_match_are_refused),
        TEST(many_stars_take_no_longer_than_both_lengths),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
