#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/scope.h"
#include "os/file.h"
#include "os/loop.h"
#include "os/message.h"
#include "os/spawn.h"

static void a_packet_carries_bytes_and_descriptors(void **state)
{
    AUTO_BUF struct buf body = buf_with_limit(MESSAGE_BYTES_MAX);
    struct message_fds sent = {.fd = {0}, .count = 1};
    struct message_fds got = {0};
    struct fault fault = {0};
    int ends[2];
    bool end;

    (void)state;
    assert_ok(message_pair(ends, &fault), fault);
    assert_ok(message_send(ends[0], SLICE("hello"), &sent, &fault), fault);
    assert_ok(message_receive(ends[1], &body, &got, 1000, &end, &fault), fault);
    assert_false(end);
    assert_string_equal(buf_text(&body), "hello");
    assert_int_equal(got.count, 1);
    message_fds_close(&got);
    assert_false(message_receive(ends[1], &body, NULL, 10, &end, &fault));
    assert_int_equal(fault.kind, FAULT_LIMIT);
    (void)close(ends[0]);
    assert_ok(message_receive(ends[1], &body, NULL, 1000, &end, &fault), fault);
    assert_true(end);
    (void)close(ends[1]);
}

/* Else whoever may put a pipe in a file's place has its readers wait for ever. */
static void only_plain_files_are_read(void **state)
{
    char path[] = "/tmp/custody-plain-XXXXXX";
    AUTO_BUF struct buf bytes = buf_with_limit(16);
    AUTO_CLOSE int folder = -1;
    struct fault fault = {0};

    (void)state;
    assert_non_null(mkdtemp(path));
    folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(mkfifoat(folder, "pipe", 0600), 0);
    assert_int_equal(mkdirat(folder, "folder", 0700), 0);
    assert_int_equal(symlinkat("/dev/zero", folder, "link"), 0);
    assert_false(file_read(folder, "pipe", &bytes, &fault));
    assert_int_equal(fault.kind, FAULT_INVALID);
    assert_non_null(strstr(fault.why, "pipe is not a plain file"));
    assert_false(file_read(folder, "folder", &bytes, &fault));
    assert_int_equal(fault.kind, FAULT_INVALID);
    assert_false(file_read(folder, "link", &bytes, &fault));
    assert_int_equal(bytes.len, 0);
    assert_ok(file_remove_tree(AT_FDCWD, path, &fault), fault);
}

static int echo_role(void *self)
{
    return *(int *)self;
}

static void a_role_keeps_only_what_it_is_given(void **state)
{
    struct process process;
    struct fault fault = {0};
    int code = 7;
    int status = 0;

    (void)state;
    assert_ok(spawn_role("test-role", echo_role, &code, NULL, 0, &process, &fault), fault);
    assert_ok(process_wait(&process, 5000, &status, &fault), fault);
    assert_int_equal(status, 7);
}

static void a_program_gets_its_input_and_only_its_environment(void **state)
{
    const char *const argv[] = {"sh", "-c", "cat; echo $ONLY$HOME", NULL};
    const char *const environment[] = {"PATH=/usr/bin:/bin", "ONLY=this", NULL};
    struct spawn_program program = {.argv = argv, .environment = environment, .err = -1};
    AUTO_BUF struct buf output = buf_with_limit(1000);
    struct fault fault = {0};
    int status = -1;

    (void)state;
    assert_ok(spawn_run(&program, SLICE("in:"), &output, &status, &fault), fault);
    assert_int_equal(status, 0);
    assert_string_equal(buf_text(&output), "in:this\n");
}

static void a_failing_program_leaves_its_words(void **state)
{
    const char *const argv[] = {"sh", "-c", "echo broken >&2; exit 3", NULL};
    const char *const environment[] = {"PATH=/usr/bin:/bin", NULL};
    struct spawn_program program = {.argv = argv, .environment = environment};
    AUTO_BUF struct buf output = buf_with_limit(1000);
    struct fault fault = {0};
    int status = -1;

    (void)state;
    assert_ok(spawn_run(&program, slice_of(""), &output, &status, &fault), fault);
    assert_int_equal(status, 3);
    assert_string_equal(fault.why, "sh ended with 3: broken");
}

static void removing_a_tree_never_follows_a_link(void **state)
{
    char folder[] = "/tmp/custody-test-XXXXXX";
    struct fault fault = {0};
    AUTO_CLOSE int fd = -1;
    struct stat stat;

    (void)state;
    assert_non_null(mkdtemp(folder));
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(mkdirat(fd, "keep", 0700), 0);
    assert_ok(file_create(fd, "keep/file", SLICE("x"), 0600, &fault), fault);
    assert_int_equal(mkdirat(fd, "gone", 0700), 0);
    assert_int_equal(mkdirat(fd, "gone/deep", 0500), 0);
    assert_int_equal(symlinkat("../../keep", fd, "gone/link"), 0);
    assert_ok(file_remove_tree(fd, "gone", &fault), fault);
    assert_int_not_equal(fstatat(fd, "gone", &stat, 0), 0);
    assert_int_equal(fstatat(fd, "keep/file", &stat, 0), 0);
    assert_ok(file_remove_tree(AT_FDCWD, folder, &fault), fault);
}

static void stop_it(void *self)
{
    loop_stop(self);
}

static void timers_fire_in_order(void **state)
{
    struct loop *loop = NULL;
    struct loop_timer *late = NULL;
    struct fault fault = {0};

    (void)state;
    assert_ok(loop_new(&loop, &fault), fault);
    assert_ok(loop_timer(loop, 60000000, stop_it, loop, &late, &fault), fault);
    assert_ok(loop_timer(loop, 1000, stop_it, loop, NULL, &fault), fault);
    assert_ok(loop_run(loop, &fault), fault);
    loop_timer_cancel(late);
    loop_free(loop);
}

/* As an agent may leave it behind: deeper than there are descriptors, and closed to its owner.
 */
static void a_tree_of_any_depth_is_removed(void **state)
{
    enum { DEPTH = 600 };
    char folder[] = "/tmp/custody-deep-XXXXXX";
    struct rlimit before, few;
    struct fault fault = {0};
    int at;

    (void)state;
    assert_non_null(mkdtemp(folder));
    at = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    for (int i = 0; i < DEPTH; i++) {
        int below;

        assert_int_equal(mkdirat(at, i % 150 == 0 ? ".removed-0" : "d", 0700), 0);
        assert_int_equal(mkdirat(at, "e", 0), 0);
        below =
            openat(at, i % 150 == 0 ? ".removed-0" : "d", O_PATH | O_DIRECTORY | O_CLOEXEC);
        assert_true(below >= 0);
        (void)close(at);
        at = below;
    }
    (void)close(at);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few.rlim_max = before.rlim_max;
    few.rlim_cur = 100;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    assert_ok(file_remove_tree(AT_FDCWD, folder, &fault), fault);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(access(folder, F_OK), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_packet_carries_bytes_and_descriptors),
        TEST(only_plain_files_are_read),
        TEST(a_role_keeps_only_what_it_is_given),
        TEST(a_program_gets_its_input_and_only_its_environment),
        TEST(a_failing_program_leaves_its_words),
        TEST(removing_a_tree_never_follows_a_link),
        TEST(a_tree_of_any_depth_is_removed),
        TEST(timers_fire_in_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
