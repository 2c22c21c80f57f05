#include "fixture.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "ledger/checkpoint.h"
#include "ledger/log.h"
#include "ledger/reader.h"
#include "ledger/verify.h"
#include "os/clock_real.h"

struct opened {
    struct log *log;
    struct log_recovery recovery;
    uint64_t leaves; /* that on_leaf was told of */
};

static bool count_leaf(void *self, uint64_t index, struct slice leaf,
                       const struct tree_hash *leaf_hash, struct fault *fault)
{
    struct opened *opened = self;

    (void)index, (void)leaf, (void)leaf_hash, (void)fault;
    opened->leaves++;
    return true;
}

static bool open_log(const struct fixture *fixture, const struct note_signer *signer,
                     struct opened *ret_opened, struct fault *fault)
{
    *ret_opened = (struct opened){0};
    return log_open(fixture->folder, signer, count_leaf, ret_opened, &ret_opened->log,
                    &ret_opened->recovery, fault);
}

static void append(struct log *log, const char *text)
{
    struct fault fault = {0};
    struct tree_hash hash;
    uint64_t index;

    assert_ok(log_append(log, slice_of(text), &index, &hash, &fault), fault);
}

static void append_many(struct log *log, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        AUTO_FREE char *text = xformat("record %llu", (unsigned long long)log_size(log));

        append(log, text);
    }
}

static void verify(const struct fixture *fixture, struct slice vkey, enum verify_result result,
                   uint64_t size)
{
    static const struct verify_options opaque = {.leaves_are_opaque = true};
    AUTO_FREE struct verify_report *report = xalloc(sizeof(*report));
    struct fault fault = {0};

    assert_ok(verify_ledger(fixture->folder, vkey, &opaque, report, &fault), fault);
    if (report->result != result)
        fail_msg("%s: %s", verify_result_name(report->result), report->problems[0].text);
    assert_int_equal(report->size, size);
}

static void a_log_grows_over_many_lives(void **state)
{
    static const size_t lives[] = {1, 1, 3, 250, 1, 1, 255, 256, 257, 0, 2000};
    AUTO_BUF struct buf vkey = buf_with_limit(1024);
    struct note_signer *signer = fixture_signer(0, &vkey);
    struct fixture fixture = fixture_make();
    uint64_t size = 0;

    (void)state;
    for (size_t i = 0; i < COUNT(lives); i++) {
        struct opened opened;
        struct fault fault = {0};

        assert_ok(open_log(&fixture, signer, &opened, &fault), fault);
        assert_int_equal(opened.recovery.size, size);
        assert_int_equal(opened.recovery.is_new, i == 0);
        assert_true(opened.recovery.was_closed);
        append_many(opened.log, lives[i]);
        size += lives[i];
        log_set_memo(opened.log, "memo");
        assert_ok(log_close(opened.log, &fault), fault);
        assert_int_equal(log_published_size(opened.log), size);
        log_free(opened.log);
        verify(&fixture, buf_slice(&vkey), VERIFY_HOLDS, size);
    }
    note_signer_free(signer);
    fixture_drop(&fixture);
}

/* Ends as a killed process does: what was not committed is gone. */
static void a_killed_log_has_what_was_committed(void **state)
{
    AUTO_BUF struct buf vkey = buf_with_limit(1024);
    struct note_signer *signer = fixture_signer(0, &vkey);
    struct fixture fixture = fixture_make();
    struct opened opened;
    struct fault fault = {0};

    (void)state;
    assert_ok(open_log(&fixture, signer, &opened, &fault), fault);
    append_many(opened.log, 10);
    log_set_memo(opened.log, "ten");
    assert_ok(log_checkpoint(opened.log, &fault), fault);
    append_many(opened.log, 5);
    assert_ok(log_commit(opened.log, &fault), fault);
    log_set_memo(opened.log, "never stored");
    append_many(opened.log, 3);
    log_free(opened.log);
    verify(&fixture, buf_slice(&vkey), VERIFY_HOLDS, 10);
    assert_ok(open_log(&fixture, signer, &opened, &fault), fault);
    assert_int_equal(opened.recovery.size, 15);
    assert_int_equal(opened.recovery.replayed, 5);
    assert_int_equal(opened.leaves, 5);
    assert_string_equal(opened.recovery.memo, "ten");
    assert_ok(log_close(opened.log, &fault), fault);
    log_free(opened.log);
    verify(&fixture, buf_slice(&vkey), VERIFY_HOLDS, 15);
    note_signer_free(signer);
    fixture_drop(&fixture);
}

static void copy_file(const struct fixture *fixture, const char *from, const char *to)
{
    AUTO_BUF struct buf bytes = buf_with_limit(8 << 20);
    struct fault fault = {0};

    assert_ok(file_read(fixture->folder, from, &bytes, &fault), fault);
    assert_ok(file_replace_durably(fixture->folder, to, buf_slice(&bytes), 0600, &fault),
              fault);
}

static void expect_refusal(const struct fixture *fixture, const struct note_signer *signer,
                           const char *words)
{
    struct opened opened;
    struct fault fault = {0};

    if (open_log(fixture, signer, &opened, &fault))
        fail_msg("opened, though: %s", words);
    if (strstr(fault.why, words) == NULL)
        fail_msg("\"%s\" instead of \"%s\"", fault.why, words);
}

/* Ten records, closed, with copies of the state under OLD names; then ten more. */
static void make_two_generations(const struct fixture *fixture,
                                 const struct note_signer *signer)
{
    struct opened opened;
    struct fault fault = {0};

    for (int i = 0; i < 2; i++) {
        assert_ok(open_log(fixture, signer, &opened, &fault), fault);
        append_many(opened.log, 10);
        assert_ok(log_close(opened.log, &fault), fault);
        log_free(opened.log);
        if (i > 0)
            break;
        copy_file(fixture, "state/signed", "old-signed");
        copy_file(fixture, "checkpoint", "old-checkpoint");
        copy_file(fixture, "wal/frames", "old-frames");
    }
}

static void what_must_not_be_is_refused(void **state)
{
    static const struct {
        const char *from, *to; /* from NULL: to is removed */
        const char *words;
    } cases[] = {
        {"old-signed", "state/signed", "rollback"},
        {NULL, "state/signed", "no state of the one who signed it"},
        {NULL, "wal/frames", "write-ahead log is gone"},
        {"old-frames", "wal/frames", "closed at 10 records, 20 are there"},
        {NULL, "tile/entries/000.p/20", "is missing"},
        {NULL, "tile/0/000.p/20", "is missing"},
        {"tile/0/000.p/10", "tile/0/000.p/20", "10 of 20"},
        {"tile/entries/000.p/10", "tile/entries/000.p/20", "10 of 20"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO_BUF struct buf vkey = buf_with_limit(1024);
        struct note_signer *signer = fixture_signer(0, &vkey);
        struct fixture fixture = fixture_make();

        make_two_generations(&fixture, signer);
        if (cases[i].from != NULL)
            copy_file(&fixture, cases[i].from, cases[i].to);
        else
            assert_int_equal(unlinkat(fixture.folder, cases[i].to, 0), 0);
        expect_refusal(&fixture, signer, cases[i].words);
        note_signer_free(signer);
        fixture_drop(&fixture);
    }
}

static void another_key_and_another_tree_are_refused(void **state)
{
    AUTO_BUF struct buf vkey = buf_with_limit(1024), other_vkey = buf_with_limit(1024);
    AUTO_BUF struct buf forged = buf_with_limit(4096);
    struct note_signer *signer = fixture_signer(0, &vkey),
                       *other = fixture_signer(1, &other_vkey);
    struct fixture fixture = fixture_make();
    struct tree_hash root = tree_leaf(SLICE("another tree"));
    struct fault fault = {0};

    (void)state;
    make_two_generations(&fixture, signer);
    expect_refusal(&fixture, other, "no signature of");
    assert_ok(checkpoint_sign(20, &root, signer, &forged, &fault), fault);
    assert_ok(
        file_replace_durably(fixture.folder, "checkpoint", buf_slice(&forged), 0644, &fault),
        fault);
    expect_refusal(&fixture, signer, "fork");
    note_signer_free(signer);
    note_signer_free(other);
    fixture_drop(&fixture);
}

/*
 * The commit point is the state: what it covers gets published, whatever was lost behind it.
 */
static void a_checkpoint_that_was_only_signed_is_published(void **state)
{
    AUTO_BUF struct buf vkey = buf_with_limit(1024);
    struct note_signer *signer = fixture_signer(0, &vkey);
    struct fixture fixture = fixture_make();
    struct opened opened;
    struct fault fault = {0};

    (void)state;
    assert_ok(open_log(&fixture, signer, &opened, &fault), fault);
    append_many(opened.log, 10);
    assert_ok(log_checkpoint(opened.log, &fault), fault);
    copy_file(&fixture, "checkpoint", "old-checkpoint");
    append_many(opened.log, 100);
    assert_ok(log_commit(opened.log, &fault), fault);
    copy_file(&fixture, "wal/frames", "full-frames");
    assert_ok(log_checkpoint(opened.log, &fault), fault);
    log_free(opened.log);
    copy_file(&fixture, "full-frames",
              "wal/frames"); /* as if it had died behind the signature */
    copy_file(&fixture, "old-checkpoint", "checkpoint");
    assert_int_equal(unlinkat(fixture.folder, "tile/0/000.p/110", 0), 0);
    assert_ok(open_log(&fixture, signer, &opened, &fault), fault);
    assert_int_equal(log_published_size(opened.log), 110);
    assert_int_equal(opened.leaves, 0); /* all of them are below the signature */
    log_free(opened.log);
    verify(&fixture, buf_slice(&vkey), VERIFY_HOLDS, 110);
    note_signer_free(signer);
    fixture_drop(&fixture);
}

static void damage_below_the_signature_is_refused(void **state)
{
    AUTO_BUF struct buf vkey = buf_with_limit(1024);
    struct note_signer *signer = fixture_signer(0, &vkey);
    struct fixture fixture = fixture_make();
    struct opened opened;
    struct fault fault = {0};

    (void)state;
    assert_ok(open_log(&fixture, signer, &opened, &fault), fault);
    append_many(opened.log, 10);
    assert_ok(log_checkpoint(opened.log, &fault), fault);
    copy_file(&fixture, "checkpoint", "old-checkpoint");
    append_many(opened.log, 10);
    assert_ok(log_commit(opened.log, &fault), fault);
    copy_file(&fixture, "wal/frames", "full-frames");
    assert_ok(log_checkpoint(opened.log, &fault), fault);
    log_free(opened.log);
    copy_file(&fixture, "full-frames", "wal/frames");
    copy_file(&fixture, "old-checkpoint", "checkpoint");
    {
        AUTO_CLOSE int fd = openat(fixture.folder, "wal/frames", O_RDWR | O_CLOEXEC);

        assert_int_equal(pwrite(fd, "X", 1, 200), 1);
    }
    expect_refusal(&fixture, signer, "corruption: 20 records were signed");
    copy_file(&fixture, "full-frames", "wal/frames"); /* undamaged, it goes through */
    assert_ok(open_log(&fixture, signer, &opened, &fault), fault);
    assert_int_equal(log_published_size(opened.log), 20);
    log_free(opened.log);
    verify(&fixture, buf_slice(&vkey), VERIFY_HOLDS, 20);
    note_signer_free(signer);
    fixture_drop(&fixture);
}

/* A full disk refuses the checkpoint; with room again, the next one goes through. */
static void a_full_disk_loses_nothing(void **state)
{
    AUTO_BUF struct buf vkey = buf_with_limit(1024);
    struct note_signer *signer = fixture_signer(0, &vkey);
    struct fixture fixture = fixture_make();
    struct rlimit was, small = {.rlim_cur = 2000};
    struct opened opened;
    struct fault fault = {0};
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
    small.rlim_max = was.rlim_max;
    assert_ok(open_log(&fixture, signer, &opened, &fault), fault);
    append_many(opened.log, 20);
    assert_ok(log_checkpoint(opened.log, &fault), fault);
    for (int i = 0; i < 200;
         i++) { /* the bundle grows beyond the limit, the write-ahead log not */
        append(opened.log, "a record");
        assert_ok(log_commit(opened.log, &fault), fault);
        if (i % 10 == 9 && log_published_size(opened.log) + 10 == log_size(opened.log))
            (void)setrlimit(RLIMIT_FSIZE, &small);
        if (i % 10 == 9 && !log_checkpoint(opened.log, &fault)) {
            assert_int_equal(fault.kind, FAULT_LIMIT);
            break;
        }
        (void)setrlimit(RLIMIT_FSIZE, &was);
    }
    (void)setrlimit(RLIMIT_FSIZE, &was);
    assert_int_equal(fault.kind, FAULT_LIMIT);
    assert_true(log_published_size(opened.log) < log_size(opened.log));
    assert_ok(log_close(opened.log, &fault), fault);
    verify(&fixture, buf_slice(&vkey), VERIFY_HOLDS, log_size(opened.log));
    log_free(opened.log);
    (void)signal(SIGXFSZ, handler);
    note_signer_free(signer);
    fixture_drop(&fixture);
}

/* More than the write-ahead log holds at once: it publishes on its own. */
static void a_log_larger_than_its_write_ahead_log(void **state)
{
    AUTO_BUF struct buf vkey = buf_with_limit(1024);
    AUTO_FREE char *text = xalloc(60001);
    struct note_signer *signer = fixture_signer(0, &vkey);
    struct fixture fixture = fixture_make();
    struct opened opened;
    struct fault fault = {0};

    (void)state;
    memset(text, 'x', 60000);
    assert_ok(open_log(&fixture, signer, &opened, &fault), fault);
    log_limit(opened.log, 2);
    for (int i = 0; i < 300; i++)
        append(opened.log, text);
    assert_true(log_published_size(opened.log) > 100);
    assert_ok(log_close(opened.log, &fault), fault);
    log_free(opened.log);
    verify(&fixture, buf_slice(&vkey), VERIFY_HOLDS, 300);
    note_signer_free(signer);
    fixture_drop(&fixture);
}

/* Told on a pipe before the next one is begun: the acknowledgement. */
struct acknowledged {
    uint64_t index;
    struct tree_hash hash;
};

/* One batch is filled while another one is written, and a checkpoint is made meanwhile. */
static _Noreturn void write_on_until_killed(struct log *log, int told, unsigned seed)
{
    struct acknowledged batches[2][8];
    size_t counts[2] = {0, 0};
    enum log_work ignored;
    struct fault fault = {0};
    bool done;

    log_overlap(log);
    for (unsigned turn = 0;; turn ^= 1) {
        struct acknowledged *batch = batches[turn], *before = batches[turn ^ 1];

        counts[turn] = 1 + (size_t)(rand_r(&seed) % 8);
        for (size_t i = 0; i < counts[turn]; i++) {
            AUTO_FREE char *text =
                xformat("record %llu %0*d", (unsigned long long)log_size(log),
                        rand_r(&seed) % 3000, 7);

            if (!log_append(log, slice_of(text), &batch[i].index, &batch[i].hash, &fault))
                _exit(2);
        }
        do
            if (!log_work(log, &ignored, &fault) ||
                !log_commit_finish(log, rand_r(&seed) % 2 == 0, &done, &fault))
                _exit(3);
        while (!done);
        if (write(told, before, counts[turn ^ 1] * sizeof(before[0])) < 0 ||
            !log_commit_begin(log, &fault))
            _exit(4);
        if (rand_r(&seed) % 4 == 0)
            log_checkpoint_begin(log);
    }
}

static _Noreturn void write_until_killed(const struct fixture *fixture,
                                         const struct note_signer *signer, int told,
                                         unsigned seed)
{
    struct opened opened;
    struct fault fault = {0};

    if (!open_log(fixture, signer, &opened, &fault)) {
        (void)fprintf(stderr, "%s\n", fault.why);
        _exit(1);
    }
    if (seed % 2 == 0)
        write_on_until_killed(opened.log, told, seed);
    for (;;) {
        struct acknowledged batch[8];
        size_t count = 1 + (size_t)(rand_r(&seed) % 8);

        for (size_t i = 0; i < count; i++) {
            AUTO_FREE char *text =
                xformat("record %llu %0*d", (unsigned long long)log_size(opened.log),
                        rand_r(&seed) % 3000, 7);

            if (!log_append(opened.log, slice_of(text), &batch[i].index, &batch[i].hash,
                            &fault))
                _exit(2);
        }
        if (!log_commit(opened.log, &fault) || write(told, batch, count * sizeof(batch[0])) !=
                                                   (ssize_t)(count * sizeof(batch[0])))
            _exit(3);
        if (rand_r(&seed) % 4 == 0 && !log_checkpoint(opened.log, &fault))
            _exit(4);
    }
}

struct expectation {
    const struct buf *told;
    uint64_t checked;
};

static bool compare_leaf(void *self, uint64_t index, struct slice leaf, struct fault *fault)
{
    struct expectation *expectation = self;
    struct acknowledged known;
    struct tree_hash hash = tree_leaf(leaf);

    (void)fault;
    if ((index + 1) * sizeof(known) > expectation->told->len)
        return true; /* on disk, and nobody had been told */
    memcpy(&known, expectation->told->at + index * sizeof(known), sizeof(known));
    if (known.index == UINT64_MAX)
        return true;
    assert_int_equal(known.index, index);
    assert_true(tree_hash_equal(&hash, &known.hash));
    expectation->checked++;
    return true;
}

/* Puts each acknowledgement at its index; places that nobody was told of stay marked. Gives how
 * many there were. */
static uint64_t note_told(int pipe_end, struct buf *told)
{
    struct acknowledged known;
    struct fault fault = {0};
    uint64_t count = 0;

    for (; read(pipe_end, &known, sizeof(known)) == (ssize_t)sizeof(known); count++) {
        while (told->len < known.index * sizeof(known)) {
            struct acknowledged nobody = {.index = UINT64_MAX};

            assert_ok(buf_add(told, slice_of_bytes(&nobody, sizeof(nobody)), &fault), fault);
        }
        if (told->len > known.index * sizeof(known))
            memcpy(told->at + known.index * sizeof(known), &known, sizeof(known));
        else
            assert_ok(buf_add(told, slice_of_bytes(&known, sizeof(known)), &fault), fault);
    }
    return count;
}

#define KILLS 60

static void kill_nine_at_any_time_loses_no_acknowledged_record(void **state)
{
    AUTO_BUF struct buf vkey = buf_with_limit(1024), told = buf_with_limit(64 << 20);
    struct note_signer *signer = fixture_signer(0, &vkey);
    struct fixture fixture = fixture_make();
    unsigned seed = (unsigned)clock_now_us(&clock_real);
    struct expectation expectation = {.told = &told};
    struct reader_options all = {0};
    struct opened opened;
    struct fault fault = {0};
    uint64_t next, said = 0;

    (void)state;
    print_message("# seed %u\n", seed);
    /* On a busy machine a writer may be killed before it has said anything: later ones have longer. */
    for (int i = 0; i < KILLS || (said <= 100 && i < 6 * KILLS); i++) {
        int ends[2], status;
        pid_t pid;

        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        pid = fork();
        if (pid == 0)
            write_until_killed(&fixture, signer, ends[1], seed + (unsigned)i);
        (void)close(ends[1]);
        (void)usleep((useconds_t)(rand_r(&seed) % 60000 * (1 + 2 * (i / KILLS))));
        (void)kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        said += note_told(ends[0], &told);
        (void)close(ends[0]);
        assert_ok(open_log(&fixture, signer, &opened, &fault), fault);
        assert_true(log_size(opened.log) * sizeof(struct acknowledged) >= told.len);
        if (i % 7 == 0)
            assert_ok(log_close(opened.log, &fault), fault);
        log_free(opened.log); /* else as if it were killed once more */
    }
    assert_ok(open_log(&fixture, signer, &opened, &fault), fault);
    assert_ok(log_close(opened.log, &fault), fault);
    assert_ok(reader_each(fixture.folder, &all, compare_leaf, &expectation, &next, &fault),
              fault);
    print_message("# %llu records, %llu of them acknowledged\n", (unsigned long long)next,
                  (unsigned long long)expectation.checked);
    assert_true(expectation.checked > 100);
    verify(&fixture, buf_slice(&vkey), VERIFY_HOLDS, log_size(opened.log));
    log_free(opened.log);
    note_signer_free(signer);
    fixture_drop(&fixture);
}

/* How writing goes wrong: by this the nth time, or not. */
enum mishap {
    MISHAP_NOTHING_WRITTEN,
    MISHAP_HALF_WRITTEN,
    MISHAP_NOT_SYNCED, /* and the kernel says so; the bytes are there or not */
    MISHAP_LATE,       /* no failure: it takes a while */
    MISHAP_COUNT,
};

struct mishaps {
    enum mishap mishap;
    unsigned left;    /* writes until it happens */
    unsigned waiting; /* times that it is not done yet */
    bool has_failed;
};

static bool begin_badly(void *self, int fd, struct slice bytes, uint64_t offset,
                        struct fault *fault)
{
    struct mishaps *mishaps = self;
    bool now = --mishaps->left == 0 && mishaps->mishap != MISHAP_LATE;

    mishaps->waiting = mishaps->mishap == MISHAP_LATE ? 3 : 0;
    mishaps->has_failed |= now;
    if (now && mishaps->mishap == MISHAP_NOTHING_WRITTEN)
        return fault_set(fault, FAULT_LIMIT, "no space left");
    if (now && mishaps->mishap == MISHAP_HALF_WRITTEN)
        bytes.len /= 2;
    return durable_plain.begin(NULL, fd, bytes, offset, fault);
}

static bool finish_badly(void *self, bool wait, bool *ret_done, struct fault *fault)
{
    struct mishaps *mishaps = self;

    if (mishaps->has_failed)
        return fault_set(fault, FAULT_IO, "sync: Input/output error");
    if (wait)
        mishaps->waiting = 0;
    *ret_done = mishaps->waiting == 0;
    mishaps->waiting -= mishaps->waiting > 0;
    return true;
}

/* Appends and commits in steps until it fails or is through; how many were acknowledged. */
static uint64_t write_with_mishaps(struct log *log, unsigned seed, struct fault *fault)
{
    uint64_t acknowledged = 0;
    enum log_work ignored;
    bool done;

    for (int i = 0; i < 30; i++) {
        append_many(log, 1 + (size_t)(rand_r(&seed) % 20));
        if (!log_commit_begin(log, fault))
            return acknowledged;
        append_many(log, 3);
        assert_true(log_durable_size(log) <= log_size(log) - 3);
        do
            if (!log_work(log, &ignored, fault) ||
                !log_commit_finish(log, false, &done, fault))
                return acknowledged;
        while (!done);
        assert_int_equal(log_durable_size(log), log_size(log) - 3);
        acknowledged = log_durable_size(log);
        if (i % 5 == 4)
            log_checkpoint_begin(log);
    }
    return acknowledged;
}

static void no_failing_commit_in_steps_loses_a_record(void **state)
{
    AUTO_BUF struct buf vkey = buf_with_limit(1024);
    struct note_signer *signer = fixture_signer(0, &vkey);

    (void)state;
    for (unsigned i = 0; i < 40; i++) {
        struct mishaps mishaps = {.mishap = i % MISHAP_COUNT, .left = 1 + i / 2};
        struct durable durable = {.begin = begin_badly,
                                  .finish = finish_badly,
                                  .self = &mishaps,
                                  .ready = -1,
                                  .is_overlapped = true};
        struct fixture fixture = fixture_make();
        struct opened opened;
        struct fault fault = {0};
        uint64_t acknowledged;

        assert_ok(open_log(&fixture, signer, &opened, &fault), fault);
        log_use(opened.log, &durable);
        acknowledged = write_with_mishaps(opened.log, i, &fault);
        assert_true(mishaps.has_failed == (mishaps.mishap != MISHAP_LATE));
        assert_int_equal(fault.kind, mishaps.has_failed ? FAULT_IO : FAULT_NONE);
        mishaps.has_failed = false; /* what follows is another process */
        log_free(opened.log);
        assert_ok(open_log(&fixture, signer, &opened, &fault), fault);
        assert_true(opened.recovery.size >= acknowledged);
        assert_ok(log_close(opened.log, &fault), fault);
        if (opened.recovery.size > 0)
            verify(&fixture, buf_slice(&vkey), VERIFY_HOLDS, opened.recovery.size);
        log_free(opened.log);
        fixture_drop(&fixture);
    }
    note_signer_free(signer);
}

static bool count_read(void *self, uint64_t index, struct slice leaf, struct fault *fault)
{
    (void)index, (void)leaf, (void)fault;
    ++*(uint64_t *)self;
    return true;
}

static void a_reader_sees_the_unsealed_tail_when_asked(void **state)
{
    AUTO_BUF struct buf vkey = buf_with_limit(1024);
    struct note_signer *signer = fixture_signer(0, &vkey);
    struct fixture fixture = fixture_make();
    struct reader_options options = {0};
    struct opened opened;
    struct fault fault = {0};
    uint64_t next, count = 0;

    (void)state;
    assert_ok(reader_each(fixture.folder, &options, count_read, &count, &next, &fault), fault);
    assert_int_equal(next, 0);
    assert_ok(open_log(&fixture, signer, &opened, &fault), fault);
    append_many(opened.log, 300);
    assert_ok(log_checkpoint(opened.log, &fault), fault);
    append_many(opened.log, 7);
    assert_ok(log_commit(opened.log, &fault), fault);
    log_free(opened.log);
    assert_ok(reader_each(fixture.folder, &options, count_read, &count, &next, &fault), fault);
    assert_int_equal(count, 300);
    options.from = 290;
    options.with_unsealed = true;
    count = 0;
    assert_ok(reader_each(fixture.folder, &options, count_read, &count, &next, &fault), fault);
    assert_int_equal(count, 17);
    assert_int_equal(next, 307);
    note_signer_free(signer);
    fixture_drop(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_log_grows_over_many_lives),
        TEST(a_killed_log_has_what_was_committed),
        TEST(what_must_not_be_is_refused),
        TEST(another_key_and_another_tree_are_refused),
        TEST(a_checkpoint_that_was_only_signed_is_published),
        TEST(damage_below_the_signature_is_refused),
        TEST(a_full_disk_loses_nothing),
        TEST(a_log_larger_than_its_write_ahead_log),
        TEST(kill_nine_at_any_time_loses_no_acknowledged_record),
        TEST(no_failing_commit_in_steps_loses_a_record),
        TEST(a_reader_sees_the_unsealed_tail_when_asked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
