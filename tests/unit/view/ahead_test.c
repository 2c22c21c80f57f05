#include "test.h"

#include "cell/lister.h"
#include "view/ahead.h"
#include "view/fixture.h"

#define NAMES 200

static void a_folder_is_due_when_enough_of_it_was_asked_for(void **state)
{
    struct ahead ahead = {0};
    unsigned asked = 1;

    (void)state;
    for (unsigned i = 0; i < 100; i++)
        assert_false(ahead_is_due(&ahead, 1, 7));
    assert_false(ahead_is_due(&ahead, 2, 10));
    assert_true(ahead_is_due(&ahead, 2, 10));
    ahead_listed(&ahead, 2);
    while (!ahead_is_due(&ahead, 3, 100000))
        asked++;
    assert_in_range(asked, 1000, 10000); /* a listing of all these takes as long as that */
}

static void one_listing_at_a_time_and_a_lost_one_is_given_up(void **state)
{
    struct ahead ahead = {0};
    unsigned asked = 0;

    (void)state;
    (void)ahead_is_due(&ahead, 2, 10);
    assert_true(ahead_is_due(&ahead, 2, 10));
    for (unsigned i = 0; i < 10; i++)
        assert_false(ahead_is_due(&ahead, 3, 10));
    ahead_listed(&ahead, 4); /* another one, by somebody else */
    assert_false(ahead_is_due(&ahead, 3, 10));
    ahead_listed(&ahead, 2);
    assert_true(ahead_is_due(&ahead, 3, 10));
    while (!ahead_is_due(&ahead, 5, 10))
        asked++;
    assert_in_range(asked, 100, 1000);
}

static void many_files(const char *repo)
{
    for (int i = 0; i < NAMES; i++) {
        AUTO_FREE char *path = xformat("many/%03d.txt", i);

        fixture_put(repo, path, "a line\n");
    }
    fixture_put(repo, "custody.yaml", "version: 1\n");
}

static uint64_t requests(struct fixture *fixture)
{
    AUTO_BUF struct buf answer = buf_with_limit(MESSAGE_BYTES_MAX);

    fixture_ask(fixture, 'N', &answer);
    return strtoull(buf_text(&answer), NULL, 10);
}

static void look_at(int first, int end, bool read)
{
    for (int i = first; i < end; i++) {
        AUTO_FREE char *path = xformat("many/%03d.txt", i);
        struct stat stat;
        char text[16];
        int fd;

        assert_int_equal(lstat(path, &stat), 0);
        assert_int_equal(stat.st_size, 7);
        if (!read)
            continue;
        fd = open(path, O_RDONLY | O_CLOEXEC);
        assert_int_equal(pread(fd, text, sizeof(text), 0), 7);
        (void)close(fd);
    }
}

/* Names, then attributes that each close has made the kernel forget: a few are asked for, not each. */
static void a_search_does_not_ask_for_every_file(void **state)
{
    struct fixture fixture = {0};
    struct fault fault = {0};
    const char *reason;
    uint64_t before;
    int ends[2], root;

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    fixture.lister_fd = ends[0];
    assert_ok(fixture_repository(&fixture, many_files, &fault), fault);
    reason = fixture_mount(&fixture);
    if (reason != NULL) {
        print_message("skipped: %s\n", reason);
        fixture_end(&fixture);
        skip();
    }
    root = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    for (int round = 0; round < 3; round++) {
        look_at(0, 20, false);
        assert_true(lister_take(ends[1], root));
        before = requests(&fixture);
        look_at(20, NAMES, false);
        assert_in_range(requests(&fixture) - before, 0, 3);
        look_at(0, NAMES, true);
        assert_true(lister_take(ends[1], root)); /* a wish from in between, or none */
    }
    (void)close(root);
    fixture_end(&fixture);
    (void)close(ends[0]);
    assert_false(lister_take(ends[1], -1)); /* the view is gone */
    (void)close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_folder_is_due_when_enough_of_it_was_asked_for),
        cmocka_unit_test(one_listing_at_a_time_and_a_lost_one_is_given_up),
        cmocka_unit_test(a_search_does_not_ask_for_every_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
