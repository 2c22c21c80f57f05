/*
 * Which programs a cell has started: what the guard writes, the view finds; nobody else's is
 * lent to it.
 */
#include "test.h"

#include <unistd.h>

#include "roles/guard/seen.h"

static const uint8_t first[SEEN_DIGEST_BYTES] = {1}, second[SEEN_DIGEST_BYTES] = {2};

static struct seen *make(void)
{
    struct fault fault = {0};
    struct seen *seen;
    int fd;

    assert_ok(seen_make(&fd, &fault), fault);
    assert_ok(seen_open(fd, true, &seen, &fault), fault);
    (void)close(fd);
    return seen;
}

static void put(struct seen *seen, uint64_t started, const char *program, uint64_t inode,
                const char *before, uint64_t before_inode, const uint8_t *command)
{
    seen_put_process(seen, &(struct seen_start){.pid = 7,
                                                .parent = 3,
                                                .started = started,
                                                .program = slice_of(program),
                                                .program_file = {1, inode},
                                                .before = slice_of(before),
                                                .before_file = {1, before_inode},
                                                .command = command});
}

/* 0: none, 1: the first, 2: the second. */
static int command_of(const struct seen *seen, pid_t pid, uint64_t started,
                      const char *program)
{
    struct seen_process process;

    (void)seen_find(seen, pid, started, slice_of(program), &process);
    return process.has_command ? process.command[0] : 0;
}

static void a_process_is_its_number_and_its_beginning(void **state)
{
    struct seen *seen = make();
    struct seen_process process;

    (void)state;
    put(seen, 100, "/bin/cat", 1, "/bin/sh", 2, first);
    assert_true(seen_find(seen, 7, 100, SLICE("/bin/cat"), &process));
    assert_int_equal(process.parent, 3);
    assert_int_equal(command_of(seen, 7, 100, "/bin/cat"), 1);
    assert_false(seen_find(seen, 7, 101, SLICE("/bin/cat"), &process));
    assert_false(process.has_command);
    assert_false(seen_find(seen, 8, 100, SLICE("/bin/cat"), &process));
    seen_close(seen);
}

static void a_start_that_failed_leaves_what_was(void **state)
{
    struct seen *seen = make();

    (void)state;
    put(seen, 100, "/bin/bash", 1, "/bin/sh", 2, first);
    put(seen, 100, "/bin/cat", 3, "/bin/bash", 1, second);
    assert_int_equal(command_of(seen, 7, 100, "/bin/cat"), 2);
    assert_int_equal(command_of(seen, 7, 100, "/bin/bash"), 1);
    assert_int_equal(command_of(seen, 7, 100, "/bin/other"), 0);
    /* Another process, and its parent's program: not the command of whoever had the number. */
    put(seen, 200, "/bin/cat", 3, "/bin/cat2", 4, second);
    assert_int_equal(command_of(seen, 7, 200, "/bin/cat2"), 0);
    seen_close(seen);
}

static void what_nobody_could_follow_is_whatever_runs_next(void **state)
{
    struct seen *seen = make();

    (void)state;
    put(seen, 100, "", 0, "/bin/sh", 2, first);
    assert_int_equal(command_of(seen, 7, 100, "/repo/a.out"), 1);
    assert_int_equal(command_of(seen, 7, 100, "/bin/sh"), 0); /* before it, or after: who knows */
    assert_false(seen_is_other(seen, 7, 100, (struct seen_file){1, 9}));
    seen_close(seen);
}

static void another_file_than_was_asked_for_is_noticed(void **state)
{
    struct seen *seen = make();

    (void)state;
    put(seen, 100, "/bin/cat", 1, "/bin/sh", 2, first);
    assert_false(seen_is_other(seen, 7, 100, (struct seen_file){1, 1}));
    assert_false(seen_is_other(seen, 7, 100, (struct seen_file){1, 2}));
    assert_true(seen_is_other(seen, 7, 100, (struct seen_file){1, 3}));
    assert_true(seen_is_other(seen, 7, 100, (struct seen_file){2, 1}));
    assert_false(seen_is_other(seen, 7, 101, (struct seen_file){1, 3}));
    seen_close(seen);
}

static void digests_are_of_programs(void **state)
{
    struct seen *seen = make();
    struct seen_process process;

    (void)state;
    seen_put_program(seen, SLICE("/bin/cat"), second);
    assert_false(seen_find(seen, 9, 1, SLICE("/bin/cat"), &process));
    assert_true(process.has_digest && process.digest[0] == 2);
    assert_false(seen_find(seen, 9, 1, SLICE("/bin/sh"), &process));
    assert_false(process.has_digest);
    seen_close(seen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_process_is_its_number_and_its_beginning),
        TEST(a_start_that_failed_leaves_what_was),
        TEST(what_nobody_could_follow_is_whatever_runs_next),
        TEST(another_file_than_was_asked_for_is_noticed), TEST(digests_are_of_programs)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
