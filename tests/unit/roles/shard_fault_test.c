/*
 * A shard that ends and one that begins, killed in the middle of each system call: this
 * program runs itself below strace, which does that. The next start finds a ledger that holds
 * and whose key signs, with nothing left to do.
 */
#include "roles/shard_home.h"

#include "os/spawn.h"

#define NTH_MAX 400

/* Exit 0: done; 9: it could not, and said so. */
static int turn_here(const char *path)
{
    struct fixture home = {.folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    struct fault fault = {0};

    return shard_try_turn(&home, LEDGER_TURN_ROTATED, &fault) ? 0 : 9;
}

static void expect_gone(const struct fixture *home, const char *name, const char *what)
{
    if (file_exists(home->folder, name))
        fail_msg("%s: %s is left", what, name);
}

/* Starts without injection, as the next daemon does. */
static void check(const struct fixture *home, const char *what)
{
    AUTO_FREE struct shard_verdict *verdict = NULL;

    shard_run(home, 2);
    verdict = shard_verify(home, NULL, NULL);
    if (verdict->report.result != VERIFY_HOLDS)
        fail_msg("%s: %s", what, verdict->report.problems[0].text);
    assert_in_range(verdict->count, 1, 2);
    expect_gone(home, "shards/turn", what);
    expect_gone(home, "shards/next", what);
    if (verdict->count == 2) /* nothing was signed but once */
        assert_int_equal(verdict->shards[0].size, 5);
}

/* In memory, where there is such a file system: what counts is the order of the calls. */
static const char *place(void)
{
    return access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
}

/* Its exit status. */
static int run_with(const char *call, const char *injection, unsigned nth)
{
    struct fixture home = shard_home_in(place());
    AUTO_FREE char *trace = xformat("trace=%s", call);
    AUTO_FREE char *inject = xformat("inject=%s:%s:when=%u", call, injection, nth);
    AUTO_FREE char *self = realpath("/proc/self/exe", NULL);
    const char *const environment[] = {"PATH=/usr/bin:/bin", "ASAN_OPTIONS=detect_leaks=0",
                                       NULL};
    /* Not with --seccomp-bpf: it keeps some versions from injecting the signal. */
    const char *const words[] = {"strace", "-f",   "-qq", "-o",   "/dev/null", "-e", trace,
                                 "-e",     inject, self,  "turn", home.path,   NULL};
    struct spawn_program program = {
        .argv = words, .environment = environment, .in = -1, .out = -1, .err = -1};
    AUTO_BUF struct buf output = buf_with_limit(1 << 16);
    struct fault fault = {0};
    int status = 0;

    assert_ok(spawn_run(&program, (struct slice){0}, &output, &status, &fault), fault);
    if (status != 1) /* strace's own failure: nothing was done */
        check(&home, inject);
    fixture_drop(&home);
    return status;
}

static void a_turn_that_is_killed_anywhere_is_completed_or_forgotten(void **state)
{
    static const struct {
        const char *call, *injection;
        unsigned step;
    } rows[] = {
        {"renameat", "signal=KILL", 1},   {"renameat2", "signal=KILL", 1},
        {"fsync", "signal=KILL", 1},      {"mkdirat", "signal=KILL", 1},
        {"unlinkat", "signal=KILL", 1},   {"fdatasync", "signal=KILL", 1},
        {"flock", "signal=KILL", 1},      {"pwrite64", "signal=KILL", 1},
        {"write", "signal=KILL", 1},      {"openat", "signal=KILL", 2},
        {"renameat", "error=EIO", 2},     {"renameat2", "error=EIO", 1},
        {"renameat2", "error=EINVAL", 1}, {"fsync", "error=EIO", 2},
        {"mkdirat", "error=ENOSPC", 2},   {"unlinkat", "error=EIO", 2},
        {"fdatasync", "error=EIO", 1},    {"write", "error=ENOSPC", 2},
        {"openat", "error=ENOSPC", 5},
    };
    size_t reached = 0;

    (void)state;
    if (run_with("getppid", "error=EIO", 1) != 0) {
        print_message("# skipped: strace is missing, or may not trace here\n");
        skip();
    }
    for (size_t i = 0; i < COUNT(rows); i++) {
        unsigned missed = 0;

        for (unsigned nth = 1; nth <= NTH_MAX && missed < 3; nth += rows[i].step) {
            bool hit = run_with(rows[i].call, rows[i].injection, nth) != 0;

            reached += hit;
            missed = hit ? 0 : missed + 1;
        }
    }
    print_message("# %zu injections ended the turn\n", reached);
    assert_true(reached > 200);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(a_turn_that_is_killed_anywhere_is_completed_or_forgotten),
    };

    if (argc == 3 && strcmp(argv[1], "turn") == 0)
        return turn_here(argv[2]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
