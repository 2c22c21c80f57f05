#include "test.h"

#include "view/fixture.h"

static bool in_files; /* not a mount, but ordinary files */

static void begin_with(struct fixture *fixture)
{
    struct fault fault = {0};
    const char *reason;

    assert_ok(fixture_repository(fixture, fixture_files, &fault), fault);
    reason = in_files ? fixture_plain(fixture) : fixture_mount(fixture);
    if (reason != NULL) {
        print_message("skipped: %s\n", reason);
        fixture_end(fixture);
        skip();
    }
}

static int compare_lines(const void *a, const void *b)
{
    return slice_compare(*(const struct slice *)a, *(const struct slice *)b);
}

/* The changes, a line each, sorted. */
static void expect_changes(struct fixture *fixture, const char *wanted)
{
    AUTO_BUF struct buf answer = buf_with_limit(MESSAGE_BYTES_MAX);
    AUTO_BUF struct buf sorted = buf_with_limit(MESSAGE_BYTES_MAX);
    struct slice lines[100], rest;
    struct fault fault = {0};
    size_t count = 0;

    if (in_files)
        fixture_plain_changes(fixture, &answer);
    else
        fixture_ask(fixture, 'C', &answer);
    rest = buf_slice(&answer);
    while (count < COUNT(lines) && slice_cut(&rest, '\n', &lines[count]))
        count += lines[count].len > 0;
    qsort(lines, count, sizeof(lines[0]), compare_lines);
    for (size_t i = 0; i < count; i++)
        assert_ok(buf_add_format(&sorted, &fault, "%.*s\n", SLICE_ARGS(lines[i])), fault);
    assert_string_equal(buf_text(&sorted), wanted);
}

static void reading_changes_nothing(void **state)
{
    struct fixture fixture = {.hide_names = true};

    (void)state;
    begin_with(&fixture);
    assert_int_equal(RUN(".", NULL, "grep", "-r", "x", "."), 0);
    assert_int_equal(RUN(".", NULL, "git", "status"), 0);
    fixture_put(fixture.mount, "build/output", "in scratch");
    expect_changes(&fixture, "-\n");
    fixture_end(&fixture);
}

/* Where nothing can be mounted over the view (docs/modes.md). */
static void links_in_the_place_of_mounts_stay_and_are_no_change(void **state)
{
    struct fixture fixture = {.hide_names = true, .linked = true};
    char target[128] = "";

    (void)state;
    begin_with(&fixture);
    assert_int_equal(readlink("build", target, sizeof(target) - 1), strlen(FIXTURE_LINK));
    assert_string_equal(target, FIXTURE_LINK);
    assert_int_equal(RUN(".", NULL, "git", "status"), 0);
    assert_int_equal(unlink("build"), -1);
    assert_int_equal(errno, EBUSY);
    assert_int_equal(rename(".git", "other"), -1);
    assert_int_equal(rename("README.md", "build"), -1);
    assert_int_equal(errno, EBUSY);
    expect_changes(&fixture, "-\n");
    fixture_end(&fixture);
}

static void a_new_folder_that_ignores_itself_is_not_told(void **state)
{
    struct fixture fixture = {.hide_names = true};

    (void)state;
    begin_with(&fixture);
    fixture_put(fixture.mount, ".cache/.gitignore", "# made by a tool\n*\r\n\n");
    fixture_put(fixture.mount, ".cache/v/lastfailed", "{}");
    fixture_put(fixture.mount, "src/cache/.gitignore", "*");
    fixture_put(fixture.mount, "src/cache/x", "x");
    assert_int_equal(rename("data", "src/cache/data"), 0);
    fixture_put(fixture.mount, "part/.gitignore", "!x");
    fixture_put(fixture.mount, "part/x", "x");
    fixture_put(fixture.mount, "none/.gitignore", "# *");
    fixture_put(fixture.mount, "both/.gitignore", "*\n!x");
    expect_changes(&fixture, "!x]\n"
                             "added both/.gitignore 100644 size=4 from= source= [*\n"
                             "added none/.gitignore 100644 size=3 from= source= [# *]\n"
                             "added part/.gitignore 100644 size=2 from= source= [!x]\n"
                             "added part/x 100644 size=1 from= source= [x]\n"
                             "deleted data/cards.csv 0 size=0 from= source= base []\n"
                             "deleted data/empty 0 size=0 from= source= base []\n"
                             "deleted data/plain.csv 0 size=0 from= source= base []\n");
    fixture_end(&fixture);
}

static void each_kind_of_change_is_told(void **state)
{
    struct fixture fixture = {.hide_names = true};

    (void)state;
    begin_with(&fixture);
    fixture_put(fixture.mount, "README.md", "new");
    fixture_put(fixture.mount, "made/a.txt", "a");
    fixture_put(fixture.mount, "data/empty", "");
    assert_int_equal(symlink("../../etc/passwd", "made/link"), 0);
    assert_int_equal(chmod("src.txt", 0755), 0);
    assert_int_equal(unlink("src-old/a"), 0);
    assert_int_equal(rename("src/deep", "moved"), 0);
    assert_int_equal(mkfifo("pipe", 0644), 0);
    assert_int_equal(mkdir("folder", 0755), 0);
    expect_changes(&fixture,
                   "added made/a.txt 100644 size=1 from= source= [a]\n"
                   "added made/link 120000 size=16 from= source= [../../etc/passwd]\n"
                   "added moved/er/x.txt 100644 size=2 from=src/deep/er/x.txt "
                   "source=src/deep/er/x.txt unchanged []\n"
                   "deleted src-old/a 0 size=0 from= source= base []\n"
                   "deleted src/deep/er/x.txt 0 size=0 from= source= base []\n"
                   "modified README.md 100644 size=3 from= source=README.md base [new]\n"
                   "modified src.txt 100755 size=30 from= source=src.txt unchanged base []\n");
    fixture_end(&fixture);
}

static void what_was_put_back_is_no_change(void **state)
{
    struct fixture fixture = {.hide_names = true};

    (void)state;
    begin_with(&fixture);
    fixture_put(fixture.mount, "README.md", "something else");
    fixture_put(fixture.mount, "README.md", "# payments\n");
    assert_int_equal(rename("src", "elsewhere"), 0);
    assert_int_equal(rename("elsewhere", "src"), 0);
    assert_int_equal(RUN(".", NULL, "cp", "data/cards.csv", "copy"), 0);
    assert_int_equal(rename("copy", "data/cards.csv"), 0);
    assert_int_equal(unlink("link"), 0);
    assert_int_equal(symlink("src/main.c", "link"), 0);
    assert_int_equal(RUN(".", NULL, "git", "rm", "-q", "-r", "data"), 0);
    assert_int_equal(RUN(".", NULL, "git", "reset", "-q", "--hard"), 0);
    expect_changes(&fixture, "-\n");
    fixture_end(&fixture);
}

static void surrogates_are_of_the_file_they_came_from(void **state)
{
    struct fixture fixture = {.hide_names = true};

    (void)state;
    begin_with(&fixture);
    /* edited in place, the way sed and editors do: another file renamed over it */
    assert_int_equal(RUN(".", NULL, "sed", "-i", "s/ada/eve/", "data/cards.csv"), 0);
    expect_changes(&fixture, "]\nbob,0000000000000000\neve,0000000000000000\n"
                             "modified data/cards.csv 100644 size=52 from= "
                             "source=data/cards.csv base [name,card\n");
    fixture_end(&fixture);
}

static void moved_and_edited_file_keeps_its_source(void **state)
{
    struct fixture fixture = {.hide_names = true};

    (void)state;
    begin_with(&fixture);
    assert_int_equal(rename("data/plain.csv", "data/other.csv"), 0);
    {
        AUTO_CLOSE int fd = open("data/other.csv", O_WRONLY | O_CLOEXEC);

        assert_int_equal(pwrite(fd, "X", 1, 0), 1);
        assert_int_equal(ftruncate(fd, 1), 0);
    }
    /* a copy is the agent's own: nothing is restored in it */
    assert_int_equal(RUN(".", NULL, "cp", "data/cards.csv", "copy"), 0);
    assert_int_equal(truncate("copy", 4), 0);
    expect_changes(&fixture, "added copy 100644 size=4 from= source= [name]\n"
                             "added data/other.csv 100644 size=1 from=data/plain.csv "
                             "source=data/plain.csv [X]\n"
                             "deleted data/plain.csv 0 size=0 from= source= base []\n");
    fixture_end(&fixture);
}

static void file_and_folder_can_change_places(void **state)
{
    struct fixture fixture = {.hide_names = true};

    (void)state;
    begin_with(&fixture);
    assert_int_equal(unlink("src.txt"), 0);
    fixture_put(fixture.mount, "src.txt/inside", "i");
    assert_int_equal(unlink("src-old/a"), 0);
    assert_int_equal(rmdir("src-old"), 0);
    fixture_put(fixture.mount, "src-old", "o");
    expect_changes(&fixture, "added src-old 100644 size=1 from= source= [o]\n"
                             "added src.txt/inside 100644 size=1 from= source= [i]\n"
                             "deleted src-old/a 0 size=0 from= source= base []\n"
                             "deleted src.txt 0 size=0 from= source= base []\n");
    fixture_end(&fixture);
}

static void rights_that_were_taken_away_hide_nothing(void **state)
{
    struct fixture fixture = {.hide_names = true};

    (void)state;
    begin_with(&fixture);
    fixture_put(fixture.mount, "src/main.c", "changed\n");
    assert_int_equal(chmod("src/main.c", 0), 0);
    assert_int_equal(chmod("src", 0), 0);
    assert_int_equal(chmod(".", 0), 0);
    expect_changes(&fixture, "]\nmodified src/main.c 100644 size=8 from= source=src/main.c "
                             "base [changed\n");
    fixture_end(&fixture);
}

static void times_that_were_put_back_hide_nothing(void **state)
{
    struct fixture fixture = {.hide_names = true};
    struct timespec times[2];
    struct stat stat;

    (void)state;
    begin_with(&fixture);
    assert_int_equal(lstat("README.md", &stat), 0);
    assert_int_equal(stat.st_mtim.tv_sec, 1700000000);
    fixture_put(fixture.mount, "README.md", "# payment$\n");
    times[0] = stat.st_atim;
    times[1] = stat.st_mtim;
    assert_int_equal(utimensat(AT_FDCWD, "README.md", times, 0), 0);
    expect_changes(&fixture,
                   "]\nmodified README.md 100644 size=11 from= source=README.md base "
                   "[# payment$\n");
    fixture_end(&fixture);
}

static void names_of_one_file_are_all_told(void **state)
{
    struct fixture fixture = {.hide_names = true};

    (void)state;
    begin_with(&fixture);
    assert_int_equal(link("src.txt", "also"), 0);
    assert_int_equal(rename("src.txt", "moved"), 0);
    expect_changes(&fixture,
                   "added also 100644 size=30 from=src.txt source=src.txt unchanged []\n"
                   "added moved 100644 size=30 from=src.txt source=src.txt unchanged []\n"
                   "deleted src.txt 0 size=0 from= source= base []\n");
    fixture_end(&fixture);
}

static void removed_files_number_is_not_the_new_ones(void **state)
{
    struct fixture fixture = {.hide_names = true};

    (void)state;
    begin_with(&fixture);
    assert_int_equal(unlink("data/plain.csv"), 0);
    for (int i = 0; i < 50; i++) {
        AUTO_FREE char *name = xformat("data/new-%02d", i);

        fixture_put(fixture.mount, name, "n");
        assert_int_equal(i == 49 ? 0 : unlink(name), 0);
    }
    expect_changes(&fixture, "added data/new-49 100644 size=1 from= source= [n]\n"
                             "deleted data/plain.csv 0 size=0 from= source= base []\n");
    fixture_end(&fixture);
}

static int begin_in_files(void **state)
{
    in_files = true;
    return test_before(state);
}

static int end_in_files(void **state)
{
    in_files = false;
    return test_after(state);
}

#define IN_FILES(test)                                                                        \
    {                                                                                         \
#test "_in_files", test, begin_in_files, end_in_files, NULL                           \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(reading_changes_nothing),
        TEST(links_in_the_place_of_mounts_stay_and_are_no_change),
        TEST(each_kind_of_change_is_told),
        TEST(a_new_folder_that_ignores_itself_is_not_told),
        TEST(what_was_put_back_is_no_change),
        TEST(surrogates_are_of_the_file_they_came_from),
        TEST(moved_and_edited_file_keeps_its_source),
        TEST(file_and_folder_can_change_places),
        TEST(times_that_were_put_back_hide_nothing),
        TEST(names_of_one_file_are_all_told),
        TEST(removed_files_number_is_not_the_new_ones),
        TEST(rights_that_were_taken_away_hide_nothing),
        IN_FILES(reading_changes_nothing),
        IN_FILES(each_kind_of_change_is_told),
        IN_FILES(a_new_folder_that_ignores_itself_is_not_told),
        IN_FILES(what_was_put_back_is_no_change),
        IN_FILES(surrogates_are_of_the_file_they_came_from),
        IN_FILES(moved_and_edited_file_keeps_its_source),
        IN_FILES(file_and_folder_can_change_places),
        IN_FILES(times_that_were_put_back_hide_nothing),
        IN_FILES(names_of_one_file_are_all_told),
        IN_FILES(removed_files_number_is_not_the_new_ones),
        IN_FILES(rights_that_were_taken_away_hide_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
