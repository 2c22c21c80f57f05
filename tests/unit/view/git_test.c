#include "test.h"

#include "view/fixture.h"

static void begin_with(struct fixture *fixture)
{
    struct fault fault = {0};
    const char *reason;

    assert_ok(fixture_repository(fixture, fixture_files, &fault), fault);
    reason = fixture_mount(fixture);
    if (reason != NULL) {
        print_message("skipped: %s\n", reason);
        fixture_end(fixture);
        skip();
    }
}

static void git_says(const char *wanted, const char *const *words)
{
    AUTO_BUF struct buf output = buf_with_limit(1 << 20);
    const char *w[8] = {NULL};

    for (size_t i = 0; i < COUNT(w) && words[i] != NULL; i++)
        w[i] = words[i];
    if (fixture_run(".", (struct slice){0}, &output, "git", w[0], w[1], w[2], w[3], w[4], w[5],
                    w[6], (char *)NULL) != 0)
        fail_msg("git %s %s failed: %s", w[0], w[1] == NULL ? "" : w[1], buf_text(&output));
    if (wanted != NULL)
        assert_string_equal(buf_text(&output), wanted);
}

#define GIT(wanted, ...) git_says(wanted, (const char *const[]){__VA_ARGS__, NULL})

static void the_cells_repository_is_whole_and_clean(void **state)
{
    static const char *const formats[] = {"sha1", "sha256"};

    (void)state;
    for (size_t i = 0; i < COUNT(formats); i++) {
        struct fixture fixture = {.hide_names = true, .format = formats[i]};
        AUTO_FREE char *head = NULL;

        begin_with(&fixture);
        head = xformat("%s\n", fixture.git.head);
        GIT("", "status", "--porcelain");
        GIT("", "diff", "HEAD");
        GIT(head, "rev-parse", "HEAD");
        GIT("main\n", "branch", "--show-current");
        GIT("coder@x \"q\" coder@run.invalid base\n", "log", "--format=%an %ae %s");
        GIT("", "fsck", "--strict", "--no-progress");
        GIT("name,card\nada,0000000000000000\nbob,0000000000000000\n", "show",
            "HEAD:data/cards.csv");
        GIT("README.md\n", "ls-files", "*.md");
        GIT("src/main.c:int main(void)\n", "grep", "int main");
        fixture_end(&fixture);
    }
}

static void git_reads_no_file_to_say_clean(void **state)
{
    struct fixture fixture = {.hide_names = true};

    (void)state;
    begin_with(&fixture);
    GIT("", "status", "--porcelain");
    assert_int_equal(fixture_records(&fixture, "read src"), 0);
    assert_int_equal(fixture_records(&fixture, "read data"), 0);
    fixture_end(&fixture);
}

static void the_same_input_gives_the_same_commit(void **state)
{
    char head[GITDIR_HEX_BYTES];

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct fixture fixture = {.hide_names = true};

        begin_with(&fixture);
        if (i == 0)
            memcpy(head, fixture.git.head, sizeof(head));
        assert_string_equal(head, fixture.git.head);
        fixture_end(&fixture);
    }
}

static void git_works_in_the_cell(void **state)
{
    struct fixture fixture = {.hide_names = true};

    (void)state;
    begin_with(&fixture);
    fixture_put(fixture.mount, "src/main.c", "int main(void)\n{\n    return 1;\n}\n");
    fixture_put(fixture.mount, "src/new.c", "int n;\n");
    fixture_put(fixture.mount, "build/ignored", "x");
    GIT(" M src/main.c\n?? src/new.c\n", "status", "--porcelain");
    GIT("1\t1\tsrc/main.c\n", "diff", "--numstat");
    GIT(NULL, "stash", "-u");
    GIT("", "status", "--porcelain");
    GIT(NULL, "stash", "pop");
    GIT(" M src/main.c\n?? src/new.c\n", "status", "--porcelain");
    GIT(NULL, "checkout", "-q", "-b", "work");
    GIT(NULL, "add", "-A");
    GIT(NULL, "commit", "-q", "-m", "work");
    GIT("", "status", "--porcelain");
    GIT(NULL, "checkout", "-q", "main");
    GIT(NULL, "merge", "-q", "--no-ff", "-m", "merge", "work");
    GIT(NULL, "mv", "README.md", "READ.md");
    GIT("R  README.md -> READ.md\n", "status", "--porcelain");
    GIT(NULL, "reset", "-q", "--hard");
    GIT(NULL, "rm", "-q", "data/plain.csv");
    GIT(NULL, "checkout", "-q", "HEAD", "--", ".");
    GIT(NULL, "gc", "-q", "--prune=now");
    GIT("", "fsck", "--strict", "--no-progress");
    GIT("", "status", "--porcelain");
    fixture_end(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_cells_repository_is_whole_and_clean),
        TEST(git_reads_no_file_to_say_clean),
        TEST(the_same_input_gives_the_same_commit),
        TEST(git_works_in_the_cell),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
