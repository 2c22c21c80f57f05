#include "test.h"

#include "change/path.h"

static void names_that_could_hurt_somebody_are_refused(void **state)
{
    static const struct {
        const char *path, *problem;
    } cases[] = {
        {"src/main.c", NULL},
        {"a b/c~d/.github/x", NULL},
        {"\xc3\xa9t\xc3\xa9/\xe6\x97\xa5", NULL},
        {".gitignore", NULL}, /* policy's business */
        {"", "path-empty"},
        {"/etc/passwd", "path-absolute"},
        {"../x", "path-traversal"},
        {"a/../b", "path-traversal"},
        {"a/./b", "path-traversal"},
        {"a//b", "path-traversal"},
        {"a/", "path-traversal"},
        {".git/config", "path-git"},
        {"sub/.git", "path-git"},
        {".GIT/hooks/x", "path-git"},
        {".Git", "path-git"},
        {".git.", "path-git"},
        {".git ", "path-git"},
        {".git . ", "path-git"},
        {"git~1", "path-git"},
        {"GIT~1/config", "path-git"},
        {".git::$INDEX_ALLOCATION/x", "path-git"},
        {".g\xe2\x80\x8cit", "path-git"}, /* zero-width non-joiner */
        {"\xef\xbb\xbf.git", "path-git"},
        {"a\\b", "path-control"},
        {"a\nb", "path-control"},
        {"a\x7f", "path-control"},
        {"a\xff", "path-encoding"},
        {"a\xc0\xae", "path-encoding"},
        {"a\xed\xa0\x80", "path-encoding"},
        {"a\xe2\x80", "path-encoding"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *problem = change_path_problem(slice_of(cases[i].path));

        if ((problem == NULL) != (cases[i].problem == NULL) ||
            (problem != NULL && strcmp(problem, cases[i].problem) != 0))
            fail_msg("%s: %s", cases[i].path, problem == NULL ? "fine" : problem);
    }
}

static void a_name_of_256_bytes_or_a_path_of_4096_is_too_long(void **state)
{
    char path[5000];

    (void)state;
    memset(path, 'a', sizeof(path));
    assert_null(change_path_problem(slice_of_bytes(path, 255)));
    assert_string_equal(change_path_problem(slice_of_bytes(path, 256)), "path-too-long");
    for (size_t i = 100; i < sizeof(path); i += 100)
        path[i] = '/';
    assert_null(change_path_problem(slice_of_bytes(path, 4095)));
    assert_string_equal(change_path_problem(slice_of_bytes(path, 4096)), "path-too-long");
}

static void a_link_stays_in_the_tree(void **state)
{
    static const struct {
        const char *path, *target;
        bool stays;
    } cases[] = {
        {"link", "a.txt", true},         {"d/link", "../a.txt", true},
        {"d/e/link", "../../a/b", true}, {"link", "./a", true},
        {"link", "../a", false},         {"d/link", "../../a", false},
        {"link", "/etc/passwd", false},  {"link", "", false},
        {"link", ".git/config", false},  {"d/link", "../.GIT/hooks", false},
        {"link", "a/..", false}, /* `a` may be a link */
        {"link", "a\nb", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        if (change_link_stays(slice_of(cases[i].path), slice_of(cases[i].target)) !=
            cases[i].stays)
            fail_msg("%s -> %s", cases[i].path, cases[i].target);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(names_that_could_hurt_somebody_are_refused),
        TEST(a_name_of_256_bytes_or_a_path_of_4096_is_too_long),
        TEST(a_link_stays_in_the_tree),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
