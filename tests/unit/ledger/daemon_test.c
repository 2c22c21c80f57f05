#include "fixture.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "ledger/ledger.h"
#include "ledger/protocol.h"
#include "ledger/reader.h"
#include "ledger/verify.h"
#include "os/clock_real.h"
#include "os/message.h"
#include "roles/ledger_role/ledger.h"

static struct fixture home_make(void)
{
    struct fixture home = fixture_make();
    struct fault fault = {0};

    (void)setenv("CUSTODY_LEDGER_LINGER_MS", "0", 1);
    assert_ok(ledger_keys_make(home.folder, &fault), fault);
    return home;
}

static struct ledger_client *connect_core(const struct fixture *home, pid_t *ret_daemon)
{
    struct fault fault = {0};
    struct ucred peer;
    socklen_t len = sizeof(peer);
    int socket;

    assert_ok(ledger_connect(home->path, home->folder, &socket, &fault), fault);
    assert_int_equal(getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &len), 0);
    if (ret_daemon != NULL)
        *ret_daemon = peer.pid;
    return ledger_client_new(socket);
}

static void verify(const struct fixture *home, enum verify_result result,
                   struct verify_report *ret_report)
{
    static const struct verify_options records = {0};
    AUTO_BUF struct buf vkey = buf_with_limit(1024);
    AUTO_CLOSE int ledger = openat(home->folder, "ledger", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct fault fault = {0};

    assert_ok(file_read(home->folder, "keys/ledger.vkey", &vkey, &fault), fault);
    assert_ok(verify_ledger(ledger, buf_slice(&vkey), &records, ret_report, &fault), fault);
    if (ret_report->result != result)
        fail_msg("%s: %s", verify_result_name(ret_report->result),
                 ret_report->problems[0].text);
}

static struct record read_of(const char *path)
{
    struct record record;

    record_begin(&record, RECORD_FILE_READ);
    record_word(&record, RECORD_RUN, "r1");
    record_word(&record, RECORD_PATH, path);
    return record;
}

static void keys_are_made_once(void **state)
{
    struct fixture home = fixture_make();
    struct fault fault = {0};
    struct stat stat;

    (void)state;
    assert_ok(ledger_keys_make(home.folder, &fault), fault);
    assert_int_equal(fstatat(home.folder, "keys/ledger.key", &stat, 0), 0);
    assert_int_equal(stat.st_mode & 0777, 0600);
    assert_false(ledger_keys_make(home.folder, &fault));
    assert_int_equal(fault.kind, FAULT_CONFLICT);
    fixture_drop(&home);
}

static void records_are_acknowledged_and_published(void **state)
{
    struct fixture home = home_make();
    AUTO_FREE struct verify_report *report = xalloc(sizeof(*report));
    struct ledger_client *client = connect_core(&home, NULL);
    struct record record = read_of("src/main.c");
    struct fault fault = {0};
    uint64_t seq;

    (void)state;
    for (uint64_t i = 0; i < 600; i++) {
        bool durably = i % 3 == 0;

        assert_ok(durably ? ledger_record_durably(client, &record, &seq, &fault)
                          : ledger_record(client, &record, &seq, &fault),
                  fault);
        assert_int_equal(seq, i);
    }
    assert_ok(ledger_checkpoint(client, &fault), fault);
    verify(&home, VERIFY_HOLDS, report);
    assert_int_equal(report->size, 601); /* and ledger.opened */
    ledger_client_free(client);
    fixture_ledger_ended(&home);
    verify(&home, VERIFY_HOLDS, report);
    client = connect_core(&home, NULL);
    assert_ok(ledger_record_durably(client, &record, &seq, &fault), fault);
    assert_int_equal(seq, 0); /* another daemon, another sequence */
    assert_ok(ledger_checkpoint(client, &fault), fault);
    verify(&home, VERIFY_HOLDS, report);
    assert_int_equal(report->size, 604); /* and ledger.closed */
    assert_int_equal(report->producers, 3);
    ledger_client_free(client);
    fixture_ledger_ended(&home);
    fixture_drop(&home);
}

static void a_producer_writes_what_it_may_and_nothing_else(void **state)
{
    struct fixture home = home_make();
    struct ledger_client *core = connect_core(&home, NULL), *view;
    struct record record = read_of("src/main.c");
    struct fault fault = {0};
    uint64_t seq;
    int socket;

    (void)state;
    assert_ok(
        ledger_producer(core, "view/01JABC", UINT64_C(1) << RECORD_FILE_READ, &socket, &fault),
        fault);
    view = ledger_client_new(socket);
    assert_ok(ledger_record_durably(view, &record, &seq, &fault), fault);
    record_begin(&record, RECORD_RUN_STARTED);
    record_word(&record, RECORD_RUN, "r1");
    assert_false(ledger_record(view, &record, &seq, &fault));
    assert_int_equal(fault.kind, FAULT_INVALID);
    assert_false(ledger_producer(view, "view/other", ~UINT64_C(0), &socket, &fault));
    assert_false(ledger_producer(core, "no spaces", ~UINT64_C(0), &socket, &fault));
    assert_int_equal(fault.kind, FAULT_INVALID);
    ledger_client_free(view);
    assert_ok(ledger_checkpoint(core, &fault), fault); /* by now its end has been seen */
    /* under the same name it goes on where it ended */
    record = read_of("src/main.c");
    assert_ok(
        ledger_producer(core, "view/01JABC", UINT64_C(1) << RECORD_FILE_READ, &socket, &fault),
        fault);
    view = ledger_client_new(socket);
    assert_ok(ledger_record_durably(view, &record, &seq, &fault), fault);
    assert_int_equal(seq, 1);
    /* the ledger's own types are nobody else's, not even core's */
    record_begin(&record, RECORD_LEDGER_OPENED);
    record_word(&record, RECORD_REASON, "new");
    record_number(&record, RECORD_COUNT, 0);
    assert_false(ledger_record(core, &record, &seq, &fault));
    ledger_client_free(view);
    ledger_client_free(core);
    fixture_ledger_ended(&home);
    fixture_drop(&home);
}

struct count {
    const char *words;
    size_t found;
};

static bool count_words(void *self, uint64_t index, struct slice leaf, struct fault *fault)
{
    struct count *count = self;

    (void)index, (void)fault;
    count->found += slice_find(leaf, slice_of(count->words), 0) != SIZE_MAX;
    return true;
}

static size_t count_leaves_with(const struct fixture *home, const char *words)
{
    AUTO_CLOSE int ledger = openat(home->folder, "ledger", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct reader_options options = {.with_unsealed = true};
    struct count count = {.words = words};
    struct fault fault = {0};
    uint64_t next;

    assert_ok(reader_each(ledger, &options, count_words, &count, &next, &fault), fault);
    return count.found;
}

/* Whoever does not keep to the protocol is cut off; the others go on. */
static void packets_that_are_none_end_the_connection(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        bool is_recorded;
    } cases[] = {
        {"r", 1, true},
        {"r{}", 3, true},
        {"d{\"type\":\"heartbeat\"}", 21, true},
        {"d{\"count\":1,\"type\":\"heartbeat\"}", 31, true}, /* the ledger's own */
        {"x", 1, false},
        {"c", 1, false},
        {"p12345678", 9, false},
        {"h1234567812345678", 17, false},
    };
    struct fixture home = home_make();
    struct ledger_client *core = connect_core(&home, NULL);
    struct record record = read_of("src/main.c");
    struct fault fault = {0};
    size_t recorded = 0;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO_BUF struct buf body = buf_with_limit(MESSAGE_BYTES_MAX);
        AUTO_CLOSE int socket = -1;
        bool end = false;

        assert_ok(ledger_connect_running(home.folder, &socket, &fault), fault);
        assert_ok(
            message_send(socket, slice_of_bytes(cases[i].bytes, cases[i].len), NULL, &fault),
            fault);
        while (!end)
            assert_ok(message_receive(socket, &body, NULL, 5000, &end, &fault), fault);
        recorded += cases[i].is_recorded;
    }
    assert_ok(ledger_record_durably(core, &record, NULL, &fault), fault);
    assert_ok(ledger_checkpoint(core, &fault), fault);
    assert_int_equal(count_leaves_with(&home, "\"reason\":\"schema-reject\""), recorded);
    ledger_client_free(core);
    fixture_ledger_ended(&home);
    fixture_drop(&home);
}

static void a_ledger_that_hangs_is_noticed_in_two_seconds(void **state)
{
    struct fixture home = home_make();
    pid_t daemon;
    struct ledger_client *core = connect_core(&home, &daemon);
    struct record record = read_of("src/main.c");
    struct fault fault = {0};
    int64_t begun_us, took_us;

    (void)state;
    assert_ok(ledger_record_durably(core, &record, NULL, &fault), fault);
    assert_int_equal(kill(daemon, SIGSTOP), 0);
    begun_us = clock_monotonic_us(&clock_real);
    assert_false(ledger_record_durably(core, &record, NULL, &fault));
    took_us = clock_monotonic_us(&clock_real) - begun_us;
    assert_int_equal(fault.kind, FAULT_LIMIT);
    assert_in_range(took_us, 1900000, 4000000);
    assert_int_equal(kill(daemon, SIGCONT), 0);
    assert_ok(ledger_record_durably(core, &record, NULL, &fault),
              fault); /* late answers do no harm */
    ledger_client_free(core);
    fixture_ledger_ended(&home);
    fixture_drop(&home);
}

static void a_ledger_that_ended_says_so(void **state)
{
    struct fixture home = home_make();
    pid_t daemon;
    struct ledger_client *core = connect_core(&home, &daemon);
    struct record record = read_of("src/main.c");
    struct fault fault = {0};

    (void)state;
    assert_ok(ledger_record_durably(core, &record, NULL, &fault), fault);
    assert_int_equal(kill(daemon, SIGKILL), 0);
    assert_false(ledger_record_durably(core, &record, NULL, &fault));
    assert_int_equal(fault.kind, FAULT_IO);
    ledger_client_free(core);
    core = connect_core(&home, NULL);
    assert_ok(ledger_record_durably(core, &record, NULL, &fault), fault);
    ledger_client_free(core);
    fixture_ledger_ended(&home);
    assert_int_equal(count_leaves_with(&home, "\"reason\":\"recovered\""), 1);
    fixture_drop(&home);
}

#define ROUNDS 25

/* Every acknowledged record is there after kill -9, under its number. */
static void kill_nine_of_the_daemon_loses_no_acknowledged_record(void **state)
{
    struct fixture home = home_make();
    AUTO_FREE struct verify_report *report = xalloc(sizeof(*report));
    size_t acknowledged = 0;

    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        pid_t daemon, killer;
        struct ledger_client *core = connect_core(&home, &daemon);
        int status;

        killer = fork();
        if (killer == 0) {
            (void)usleep((useconds_t)((round * 7919) % 20000));
            (void)kill(daemon, SIGKILL);
            _exit(0);
        }
        for (;;) {
            AUTO_FREE char *path = xformat("acknowledged/%zu.c", acknowledged);
            struct record record = read_of(path);
            struct fault fault = {0};

            if (!ledger_record_durably(core, &record, NULL, &fault)) {
                assert_int_equal(fault.kind, FAULT_IO);
                break;
            }
            acknowledged++;
        }
        assert_int_equal(waitpid(killer, &status, 0), killer);
        ledger_client_free(core);
    }
    ledger_client_free(connect_core(&home, NULL));
    fixture_ledger_ended(&home);
    verify(&home, VERIFY_HOLDS, report);
    print_message("# %zu acknowledged, %llu records\n", acknowledged,
                  (unsigned long long)report->size);
    for (size_t i = 0; i < acknowledged; i += 1 + acknowledged / 50) {
        AUTO_FREE char *words = xformat("\"acknowledged/%zu.c\"", i);

        /*
         * twice where the last of a round was written and could not be acknowledged any more
         */
        assert_in_range(count_leaves_with(&home, words), 1, ROUNDS);
    }
    {
        size_t all = count_leaves_with(&home, "\"acknowledged/");

        assert_in_range(all, acknowledged, acknowledged + ROUNDS);
    }
    fixture_drop(&home);
}

static void runs_that_start_at_once_share_one_daemon(void **state)
{
    struct fixture home = home_make();
    AUTO_FREE struct verify_report *report = xalloc(sizeof(*report));
    pid_t children[6];

    (void)state;
    for (size_t i = 0; i < COUNT(children); i++) {
        children[i] = fork();
        if (children[i] == 0) {
            struct fault fault = {0};
            struct record record = read_of("src/main.c");
            struct ledger_client *client;
            int socket;

            if (!ledger_connect(home.path, home.folder, &socket, &fault)) {
                (void)fprintf(stderr, "%s\n", fault.why);
                _exit(1);
            }
            client = ledger_client_new(socket);
            for (int k = 0; k < 100; k++)
                if (!ledger_record_durably(client, &record, NULL, &fault))
                    _exit(2);
            _exit(0);
        }
    }
    for (size_t i = 0; i < COUNT(children); i++) {
        int status;

        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    fixture_ledger_ended(&home);
    verify(&home, VERIFY_HOLDS, report);
    assert_int_equal(count_leaves_with(&home, "\"type\":\"file.read\""),
                     100 * COUNT(children));
    fixture_drop(&home);
}

static void why_it_cannot_start_is_said(void **state)
{
    struct fixture home = fixture_make();
    struct fault fault = {0};
    int socket;

    (void)state;
    assert_false(ledger_connect(home.path, home.folder, &socket, &fault));
    assert_int_equal(fault.kind, FAULT_MISSING);
    assert_non_null(strstr(fault.why, "custody init"));
    assert_ok(ledger_keys_make(home.folder, &fault), fault);
    assert_int_equal(fchmodat(home.folder, "keys/ledger.key", 0644, 0), 0);
    assert_false(ledger_connect(home.path, home.folder, &socket, &fault));
    assert_non_null(strstr(fault.why, "can be read by others"));
    assert_int_equal(fchmodat(home.folder, "keys/ledger.key", 0600, 0), 0);
    (void)setenv("CUSTODY_LEDGER_LINGER_MS", "0", 1);
    ledger_client_free(connect_core(&home, NULL));
    fixture_ledger_ended(&home);
    assert_int_equal(unlinkat(home.folder, "ledger/wal/frames", 0), 0);
    assert_false(ledger_connect(home.path, home.folder, &socket, &fault));
    assert_int_equal(fault.kind, FAULT_INVALID);
    assert_non_null(strstr(fault.why, "write-ahead log is gone"));
    fixture_drop(&home);
}

/* What the daemon has given up: its own /proc says. */
static void the_daemon_has_no_privileges_to_gain(void **state)
{
    struct fixture home = home_make();
    pid_t daemon;
    struct ledger_client *core = connect_core(&home, &daemon);
    AUTO_BUF struct buf status = buf_with_limit(1 << 16);
    AUTO_FREE char *path = xformat("/proc/%d/status", (int)daemon);
    struct fault fault = {0};

    (void)state;
    assert_ok(file_read(AT_FDCWD, path, &status, &fault), fault);
    assert_non_null(strstr(buf_text(&status), "Name:\tcustody-ledger\n"));
    assert_non_null(strstr(buf_text(&status), "NoNewPrivs:\t1\n"));
    assert_non_null(strstr(buf_text(&status), "Seccomp:\t2\n"));
    ledger_client_free(core);
    fixture_ledger_ended(&home);
    fixture_drop(&home);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(keys_are_made_once),
        TEST(records_are_acknowledged_and_published),
        TEST(a_producer_writes_what_it_may_and_nothing_else),
        TEST(packets_that_are_none_end_the_connection),
        TEST(a_ledger_that_hangs_is_noticed_in_two_seconds),
        TEST(a_ledger_that_ended_says_so),
        TEST(kill_nine_of_the_daemon_loses_no_acknowledged_record),
        TEST(runs_that_start_at_once_share_one_daemon),
        TEST(why_it_cannot_start_is_said),
        TEST(the_daemon_has_no_privileges_to_gain),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
