/*
 * Runs the hostile program in a cell without a view: everything but what the view holds back
 * must be stopped. `custody run` runs the same program with a view in tests/system.
 */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/scope.h"
#include "ground.h"
#include "os/file.h"

#define PROGRAM_BYTES_MAX (64 << 20)
#define ATTEMPTS_MIN 35

static const char *program; /* of the build */
static const char *page;    /* docs/escape.md */
static int program_fd = -1; /* opened while we were who we were */

/* An ordinary user may not be able to reach the build: a copy where it can. */
static char *copy_program(const struct ground *ground)
{
    AUTO_BUF struct buf bytes = buf_with_limit(PROGRAM_BYTES_MAX);
    struct fault fault = {0};
    char *path = xformat("%s/escape", ground->folder);

    assert_int_equal(lseek(program_fd, 0, SEEK_SET), 0);
    assert_ok(file_read_fd(program_fd, &bytes, &fault), fault);
    assert_ok(file_create(AT_FDCWD, path, buf_slice(&bytes), 0755, &fault), fault);
    return path;
}

/* What went wrong, line by line: a message of the test frame is cut. */
static void print_lines(const char *text)
{
    struct slice rest = slice_of(text), line;

    while (slice_cut(&rest, '\n', &line))
        if (!slice_starts_with(line, SLICE("stopped ")) &&
            !slice_starts_with(line, SLICE("skipped ")))
            print_error("%.*s\n", SLICE_ARGS(line));
}

static void no_attempt_gets_through(void **state)
{
    struct ground ground;
    struct outcome outcome;
    struct cell_mount mount = {.kind = CELL_BIND, .target = "/opt/escape"};
    AUTO_FREE char *copy = NULL;
    AUTO_FREE char *text = NULL;
    size_t stopped = 0;

    (void)state;
    ground_begin(&ground);
    copy = copy_program(&ground);
    mount.source = copy;
    cell_mounts_add(&ground.plan.mounts, &mount);
    ground.plan.tmp_bytes = ground.plan.home_bytes = 16 << 20;
    ground.plan.shm_bytes = 4 << 20;
    ground.plan.pids = 64;
    ground_run(&ground, (const char *const[]){"/opt/escape", ground.plan.repository, NULL},
               NULL, &outcome);
    text = slice_dup(buf_slice(&outcome.output));
    for (const char *at = text; (at = strstr(at, "stopped ")) != NULL; at++)
        stopped++;
    if (!outcome.exited || outcome.last.exit.status != 0) {
        print_lines(text);
        fail_msg("status %d %s", outcome.last.exit.status, outcome.last.fault.why);
    }
    assert_true(stopped >= ATTEMPTS_MIN);
    print_message("# %zu attempts stopped\n", stopped);
    outcome_free(&outcome);
    ground_end(&ground);
}

static void the_page_is_the_programs_table(void **state)
{
    AUTO_BUF struct buf printed = buf_with_limit(1 << 20);
    AUTO_BUF struct buf written = buf_with_limit(1 << 20);
    struct fault fault = {0};
    int ends[2];
    pid_t pid;

    (void)state;
#ifndef __x86_64__
    print_message("skipped: the page is that of x86_64\n");
    skip();
#endif
    if (geteuid() != 0 && access(page, R_OK) < 0) {
        print_message("skipped: the sources are out of this user's reach\n");
        skip();
    }
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid = fork();
    if (pid == 0) {
        (void)dup2(ends[1], 1);
        (void)fexecve(program_fd,
                      (char *const[]){(char *)(uintptr_t) "escape",
                                      (char *)(uintptr_t) "--markdown", NULL},
                      environ);
        _exit(127);
    }
    (void)close(ends[1]);
    assert_ok(file_read_fd(ends[0], &printed, &fault), fault);
    (void)close(ends[0]);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_ok(file_read(AT_FDCWD, page, &written, &fault), fault);
    if (slice_find(buf_slice(&written), buf_slice(&printed), 0) == SIZE_MAX)
        fail_msg("%s lacks the table that `escape --markdown` prints", page);
}

static int as_user(bool probe)
{
    pid_t pid = fork();
    int status = 0;

    if (pid == 0) {
        AUTO_FREE char *number = xformat("%d", program_fd);

        if (setgroups(0, NULL) < 0 || setresgid(65534, 65534, 65534) < 0 ||
            setresuid(65534, 65534, 65534) < 0)
            _exit(100);
        if (probe)
            _exit(unshare(CLONE_NEWUSER) < 0 ? 101 : 0);
        (void)fcntl(program_fd, F_SETFD, 0);
        (void)dup2(2, 1);
        (void)setenv("CMOCKA_MESSAGE_OUTPUT", "STDOUT", 1);
        (void)execl("/proc/self/exe", "escape_test", number, page, (char *)NULL);
        _exit(102);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WEXITSTATUS(status);
}

static void nor_does_one_of_an_ordinary_users_cell(void **state)
{
    (void)state;
    if (geteuid() != 0) {
        print_message("skipped: this is the ordinary user\n");
        skip();
    }
    if (as_user(true) == 101) {
        print_message("skipped: ordinary users get no user namespace here\n");
        skip();
    }
    assert_int_equal(as_user(false), 0);
}

/* escape_test PROGRAM|DESCRIPTOR PAGE */
int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(no_attempt_gets_through),
        TEST(the_page_is_the_programs_table),
        TEST(nor_does_one_of_an_ordinary_users_cell),
    };

    if (argc != 3)
        return 3;
    program = argv[1];
    page = argv[2];
    program_fd = argv[1][0] == '/' ? open(program, O_RDONLY | O_CLOEXEC)
                                   : (int)strtol(argv[1], NULL, 10);
    if (program_fd < 0)
        return 3;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
