/*
 * The daemon and a client on its socket, under system calls of the daemon that fail and under
 * SIGKILL in the middle of each: this program runs itself as the daemon below strace, which
 * injects them. Whatever happens, what was acknowledged is there afterwards, the client is
 * told of the end in two seconds, and the ledger verifies.
 */
#include "fixture.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "ledger/ledger.h"
#include "ledger/reader.h"
#include "ledger/verify.h"
#include "os/clock_real.h"
#include "os/spawn.h"
#include "roles/ledger_role/daemon.h"

#define RECORDS 24
#define CHECKPOINT_AT 9
#define NTH_MAX 40
#define START_US 10000000

static struct sockaddr_un address_of(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%.80s/socket", path);
    return address;
}

static int listen_in(const char *path)
{
    struct sockaddr_un address = address_of(path);
    int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (bind(listener, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
        listen(listener, 4) < 0)
        return -1;
    return listener;
}

/* Exit 0: in order; 9: it stopped by itself, as it must when it cannot go on. */
static int serve(const char *path)
{
    AUTO_BUF struct buf vkey = buf_with_limit(1024);
    AUTO_CLOSE int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct note_signer *signer = fixture_signer(0, &vkey);
    struct ledger_gate_config config = {.folder = folder, .clock = &clock_real};
    struct ledger_writer_guard guard = {0};
    struct ledger_daemon daemon = {.lock = folder, .relay = -1};
    struct fault fault = {0};
    sigset_t none;
    bool ok;

    (void)sigemptyset(&none);
    daemon.signals = signalfd(-1, &none, SFD_CLOEXEC | SFD_NONBLOCK);
    if (!ledger_gate_open(&config, &guard.gate, &fault) ||
        !ledger_writer_open_guarded(&guard, folder, signer, &clock_real, &daemon.writer,
                                    &fault))
        return 9;
    daemon.listener = listen_in(path);
    if (daemon.listener < 0)
        return 9;
    ok = ledger_daemon_serve(&daemon, &fault);
    ledger_writer_free(daemon.writer);
    ledger_gate_free(guard.gate);
    note_signer_free(signer);
    return ok ? 0 : 9;
}

/* -1: it has ended before it listened. */
static int reach(const char *path, const struct process *daemon)
{
    struct sockaddr_un address = address_of(path);
    int64_t until_us = clock_monotonic_us(&clock_real) + START_US;

    while (clock_monotonic_us(&clock_real) < until_us) {
        AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        struct pollfd ended = {.fd = daemon->pidfd, .events = POLLIN};

        if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
            return take_fd(&fd);
        if (poll(&ended, 1, 2) > 0)
            return -1;
    }
    fail_msg("the daemon neither listens nor ends");
    return -1;
}

/* How many records were acknowledged; the first failure is the last thing that is asked. */
static size_t write_records(int socket)
{
    struct ledger_client *client = ledger_client_new(socket);
    size_t count = 0;
    bool ok = true;

    while (ok && count < RECORDS) {
        AUTO_FREE char *path = xformat("acknowledged/%zu.c", count);
        int64_t begun_us = clock_monotonic_us(&clock_real);
        struct fault fault = {0};
        struct record record;

        record_begin(&record, RECORD_FILE_READ);
        record_word(&record, RECORD_RUN, "r1");
        record_word(&record, RECORD_PATH, path);
        ok = ledger_record_durably(client, &record, NULL, &fault);
        count += ok;
        if (!ok)
            assert_true(clock_monotonic_us(&clock_real) - begun_us < 4000000);
        if (ok && count == CHECKPOINT_AT)
            ok = ledger_checkpoint(client, &fault);
    }
    ledger_client_free(client);
    return count;
}

static bool count_acknowledged(void *self, uint64_t index, struct slice leaf,
                               struct fault *fault)
{
    size_t *next = self;
    AUTO_FREE char *words = xformat("\"acknowledged/%zu.c\"", *next);

    (void)index, (void)fault;
    *next += slice_find(leaf, slice_of(words), 0) != SIZE_MAX;
    return true;
}

static void check(const struct fixture *fixture, size_t acknowledged, const char *what)
{
    static const struct verify_options records = {0};
    AUTO_FREE struct verify_report *report = xalloc(sizeof(*report));
    AUTO_BUF struct buf vkey = buf_with_limit(1024);
    struct note_signer *signer = fixture_signer(0, &vkey);
    struct reader_options all = {0};
    struct ledger_writer *writer;
    struct fault fault = {0};
    size_t found = 0;
    uint64_t next;

    if (!ledger_writer_open(fixture->folder, signer, &clock_real, &writer, &fault))
        fail_msg("%s: %s", what, fault.why);
    assert_ok(ledger_writer_end(writer, "idle", &fault), fault);
    ledger_writer_free(writer);
    assert_ok(reader_each(fixture->folder, &all, count_acknowledged, &found, &next, &fault),
              fault);
    if (found < acknowledged)
        fail_msg("%s: %zu of %zu acknowledged records are there", what, found, acknowledged);
    assert_ok(verify_ledger(fixture->folder, buf_slice(&vkey), &records, report, &fault),
              fault);
    if (report->result != VERIFY_HOLDS)
        fail_msg("%s: %s", what, report->problems[0].text);
    note_signer_free(signer);
}

/* One life of the daemon with its nth `call` failing; its exit status. */
static int run_with(const char *call, const char *injection, unsigned nth,
                    size_t *ret_acknowledged)
{
    struct fixture fixture = fixture_make();
    AUTO_FREE char *trace = xformat("trace=%s", call);
    AUTO_FREE char *inject = xformat("inject=%s:%s:when=%u", call, injection, nth);
    AUTO_FREE char *self = realpath("/proc/self/exe", NULL);
    const char *const environment[] = {"PATH=/usr/bin:/bin", "ASAN_OPTIONS=detect_leaks=0",
                                       NULL};
    /* Not with --seccomp-bpf: it keeps some versions from injecting the signal. */
    const char *const words[] = {"strace", "-f",   "-qq", "-o",    "/dev/null",  "-e", trace,
                                 "-e",     inject, self,  "serve", fixture.path, NULL};
    struct spawn_program program = {
        .argv = words, .environment = environment, .in = -1, .out = -1, .err = -1};
    struct process process;
    struct fault fault = {0};
    size_t acknowledged = 0;
    int status = 0, socket;

    assert_ok(spawn_program(&program, &process, &fault), fault);
    socket = reach(fixture.path, &process);
    if (socket >= 0)
        acknowledged = write_records(socket);
    assert_ok(process_wait(&process, 30000, &status, &fault), fault);
    if (status != 1) /* strace's own failure */
        check(&fixture, acknowledged, inject);
    if (ret_acknowledged != NULL)
        *ret_acknowledged = acknowledged;
    fixture_drop(&fixture);
    return status;
}

static void skip_without_strace(void)
{
    if (run_with("getppid", "error=EIO", 1, NULL) != 0) {
        print_message("# skipped: strace is missing, or may not trace here\n");
        skip();
    }
}

static void no_call_that_fails_loses_a_record(void **state)
{
    static const struct {
        const char *call, *injection;
    } rows[] = {
        {"fdatasync", "error=EIO"},   {"fdatasync", "error=ENOSPC"},
        {"fdatasync", "signal=KILL"}, {"fsync", "error=EIO"},
        {"fsync", "signal=KILL"},     {"pwrite64", "error=EIO"},
        {"pwrite64", "error=ENOSPC"}, {"pwrite64", "signal=KILL"},
        {"renameat", "error=EIO"},    {"renameat", "signal=KILL"},
        {"write", "error=ENOSPC"},    {"write", "signal=KILL"},
        {"openat", "error=EIO"},      {"openat", "signal=KILL"},
        {"fallocate", "error=EIO"},   {"sendto", "error=EPIPE"},
        {"sendto", "signal=KILL"},    {"recvfrom", "error=EIO"},
        {"recvfrom", "signal=KILL"},  {"epoll_wait", "error=EIO"},
        {"accept4", "error=EMFILE"},
    };
    size_t reached = 0, killed = 0;

    (void)state;
    skip_without_strace();
    for (size_t i = 0; i < COUNT(rows); i++) {
        unsigned missed = 0;

        for (unsigned nth = 1; nth <= NTH_MAX && missed < 2; nth += nth < 6 ? 1 : 7) {
            int status = run_with(rows[i].call, rows[i].injection, nth, NULL);
            bool hit = status != 0;

            reached += hit;
            killed += status == 128 + SIGKILL;
            missed = hit ? 0 : missed + 1;
        }
    }
    print_message("# %zu injections ended the daemon, %zu of them by SIGKILL\n", reached,
                  killed);
    assert_true(reached > 40 && killed > 10);
}

/* A signal that comes in between ends nothing. */
static void an_interrupted_call_is_made_again(void **state)
{
    static const char *const calls[] = {"recvfrom", "sendto", "epoll_wait", "accept4",
                                        "write"};

    (void)state;
    skip_without_strace();
    for (size_t i = 0; i < COUNT(calls); i++)
        for (unsigned nth = 1; nth <= 3; nth++) {
            size_t acknowledged = 0;

            if (run_with(calls[i], "error=EINTR", nth, &acknowledged) != 0 ||
                acknowledged != RECORDS)
                fail_msg("%s, interrupted the %u. time: %zu acknowledged", calls[i], nth,
                         acknowledged);
        }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(no_call_that_fails_loses_a_record),
        TEST(an_interrupted_call_is_made_again),
    };

    if (argc == 3 && strcmp(argv[1], "serve") == 0)
        return serve(argv[2]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
