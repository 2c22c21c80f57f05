/*
 * The log under system calls that fail, and under SIGKILL in the middle of each: this program
 * runs itself as a writer below strace, which injects them. Whatever happens, each
 * acknowledged record is at its index afterwards, and the ledger verifies.
 */
#include "fixture.h"

#include <signal.h>
#include <sys/wait.h>

#include "ledger/log.h"
#include "ledger/reader.h"
#include "ledger/verify.h"
#include "os/spawn.h"

struct acknowledged {
    uint64_t index;
    struct tree_hash hash;
};

/* Exit 0: to its end; 9: it stopped by itself, as it must when it cannot go on. */
static int write_log(const char *path)
{
    AUTO_BUF struct buf vkey = buf_with_limit(1024);
    struct note_signer *signer = fixture_signer(0, &vkey);
    AUTO_CLOSE int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct log_recovery recovery;
    struct fault fault = {0};
    struct log *log;

    if (!log_open(folder, signer, NULL, NULL, &log, &recovery, &fault))
        return 9;
    for (int i = 0; i < 9; i++) {
        struct acknowledged acknowledged[40];
        size_t count = i == 4 ? 40 : 3;

        for (size_t k = 0; k < count; k++) {
            AUTO_FREE char *text = xformat("record %llu", (unsigned long long)log_size(log));

            if (!log_append(log, slice_of(text), &acknowledged[k].index, &acknowledged[k].hash,
                            &fault))
                return 9;
        }
        if (!log_commit(log, &fault))
            return 9;
        if (write(STDOUT_FILENO, acknowledged, count * sizeof(acknowledged[0])) < 0)
            return 8;
        if (i % 3 == 2 && !log_checkpoint(log, &fault) && fault.kind != FAULT_LIMIT)
            return 9;
    }
    if (!log_close(log, &fault))
        return 9;
    log_free(log);
    note_signer_free(signer);
    return 0;
}

struct expectation {
    struct slice told;
    size_t found;
};

static bool compare(void *self, uint64_t index, struct slice leaf, struct fault *fault)
{
    struct expectation *expectation = self;
    struct tree_hash hash = tree_leaf(leaf);

    (void)fault;
    for (size_t at = 0; at + sizeof(struct acknowledged) <= expectation->told.len;
         at += sizeof(struct acknowledged)) {
        struct acknowledged known;

        memcpy(&known, expectation->told.at + at, sizeof(known));
        if (known.index != index)
            continue;
        assert_true(tree_hash_equal(&known.hash, &hash));
        expectation->found++;
    }
    return true;
}

/* Opens it without injection: what was acknowledged must be there. */
static void check(const struct fixture *fixture, struct slice told, const char *what)
{
    static const struct verify_options opaque = {.leaves_are_opaque = true};
    AUTO_FREE struct verify_report *report = xalloc(sizeof(*report));
    AUTO_BUF struct buf vkey = buf_with_limit(1024);
    struct note_signer *signer = fixture_signer(0, &vkey);
    struct expectation expectation = {.told = told};
    struct reader_options all = {0};
    struct log_recovery recovery;
    struct fault fault = {0};
    struct tree_hash hash;
    struct log *log;
    uint64_t next;

    if (!log_open(fixture->folder, signer, NULL, NULL, &log, &recovery, &fault))
        fail_msg("%s: %s", what, fault.why);
    assert_ok(log_append(log, SLICE("the last one"), &next, &hash, &fault), fault);
    assert_ok(log_close(log, &fault), fault);
    log_free(log);
    assert_ok(reader_each(fixture->folder, &all, compare, &expectation, &next, &fault), fault);
    if (expectation.found != told.len / sizeof(struct acknowledged))
        fail_msg("%s: %zu of %zu acknowledged records are there", what, expectation.found,
                 told.len / sizeof(struct acknowledged));
    assert_ok(verify_ledger(fixture->folder, buf_slice(&vkey), &opaque, report, &fault),
              fault);
    if (report->result != VERIFY_HOLDS)
        fail_msg("%s: %s", what, report->problems[0].text);
    note_signer_free(signer);
}

/* Runs the writer with the nth `call` failing; its exit status. */
static int run_with(const char *call, const char *injection, unsigned nth)
{
    struct fixture fixture = fixture_make();
    AUTO_FREE char *trace = xformat("trace=%s", call);
    AUTO_FREE char *inject = xformat("inject=%s:%s:when=%u", call, injection, nth);
    AUTO_FREE char *self = realpath("/proc/self/exe", NULL);
    const char *const environment[] = {"PATH=/usr/bin:/bin", "ASAN_OPTIONS=detect_leaks=0",
                                       NULL};
    /* Not with --seccomp-bpf: it keeps some versions from injecting the signal. */
    const char *const words[] = {"strace", "-f",   "-qq", "-o",    "/dev/null",  "-e", trace,
                                 "-e",     inject, self,  "write", fixture.path, NULL};
    struct spawn_program program = {
        .argv = words, .environment = environment, .in = -1, .out = -1, .err = -1};
    AUTO_BUF struct buf told = buf_with_limit(1 << 20);
    struct fault fault = {0};
    int status = 0;

    assert_ok(spawn_run(&program, (struct slice){0}, &told, &status, &fault), fault);
    if (status != 1) /* strace's own failure: nothing was written */
        check(&fixture, buf_slice(&told), inject);
    fixture_drop(&fixture);
    return status;
}

static void no_call_that_fails_loses_a_record(void **state)
{
    static const struct {
        const char *call, *injection;
    } rows[] = {
        {"fdatasync", "error=EIO"},   {"fdatasync", "signal=KILL"},
        {"fsync", "error=EIO"},       {"fsync", "error=ENOSPC"},
        {"fsync", "signal=KILL"},     {"pwrite64", "error=EIO"},
        {"pwrite64", "error=ENOSPC"}, {"pwrite64", "signal=KILL"},
        {"renameat", "error=EIO"},    {"renameat", "error=ENOSPC"},
        {"renameat", "signal=KILL"},  {"write", "error=EIO"},
        {"write", "error=ENOSPC"},    {"write", "signal=KILL"},
        {"openat", "error=EIO"},      {"openat", "error=ENOSPC"},
        {"openat", "signal=KILL"},    {"mkdirat", "error=ENOSPC"},
        {"mkdirat", "signal=KILL"},   {"pread64", "error=EIO"},
        {"pread64", "signal=KILL"},
    };
    size_t reached = 0;

    (void)state;
    if (run_with("getppid", "error=EIO", 1) != 0) {
        print_message("# skipped: strace is missing, or may not trace here\n");
        skip();
    }
    for (size_t i = 0; i < COUNT(rows); i++) {
        unsigned missed = 0;

        for (unsigned nth = 1; nth <= 60 && missed < 3; nth += nth < 10 ? 1 : 5) {
            bool hit = run_with(rows[i].call, rows[i].injection, nth) != 0;

            reached += hit;
            missed = hit ? 0 : missed + 1;
        }
    }
    print_message("# %zu injections ended the writer\n", reached);
    assert_true(reached > 120);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(no_call_that_fails_loses_a_record),
    };

    if (argc == 3 && strcmp(argv[1], "write") == 0)
        return write_log(argv[2]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
