#include "fixture.h"

#include <ftw.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "ledger/checkpoint.h"
#include "ledger/cosignature.h"
#include "ledger/log.h"
#include "ledger/tile.h"
#include "ledger/tlog_policy.h"
#include "ledger/verify.h"
#include "wire/record.h"

static const struct verify_options records = {0}, opaque = {.leaves_are_opaque = true};

/* A producer whose records the test writes itself. */
struct source {
    const char *name;
    uint64_t seq;
    struct tree_hash prev;
    int64_t t_us;
};

static struct source start_of(const char *name)
{
    return (struct source){.name = name, .t_us = 1790000000000000};
}

static void encode(const struct source *source, const struct record *record,
                   struct buf *ret_leaf)
{
    static const uint8_t salt[16];
    struct record_header header = {.src = slice_of(source->name),
                                   .seq = source->seq,
                                   .prev = source->prev.at,
                                   .salt = salt,
                                   .t_us = source->t_us};
    struct fault fault = {0};

    buf_clear(ret_leaf);
    assert_ok(record_encode(record, &header, ret_leaf, &fault), fault);
}

static void append(struct log *log, struct source *source, const struct record *record)
{
    AUTO_BUF struct buf leaf = buf_with_limit(RECORD_BYTES_MAX);
    struct fault fault = {0};
    uint64_t index;

    encode(source, record, &leaf);
    assert_ok(log_append(log, buf_slice(&leaf), &index, &source->prev, &fault), fault);
    source->seq++;
}

static struct record read_of(const char *path)
{
    struct record record;

    record_begin(&record, RECORD_FILE_READ);
    record_word(&record, RECORD_RUN, "r1");
    record_word(&record, RECORD_PATH, path);
    return record;
}

struct ledger {
    struct fixture fixture;
    struct buf vkey;
    struct note_signer *signer;
    struct log *log;
};

static struct ledger ledger_make(void)
{
    struct ledger ledger = {.fixture = fixture_make(), .vkey = buf_with_limit(1024)};
    struct log_recovery recovery;
    struct fault fault = {0};

    ledger.signer = fixture_signer(0, &ledger.vkey);
    assert_ok(log_open(ledger.fixture.folder, ledger.signer, NULL, NULL, &ledger.log,
                       &recovery, &fault),
              fault);
    return ledger;
}

static void ledger_close(struct ledger *ledger)
{
    struct fault fault = {0};

    assert_ok(log_close(ledger->log, &fault), fault);
    log_free(ledger->log);
    ledger->log = NULL;
}

static void ledger_drop(struct ledger *ledger)
{
    log_free(ledger->log);
    note_signer_free(ledger->signer);
    buf_free(&ledger->vkey);
    fixture_drop(&ledger->fixture);
}

static enum verify_result verify(const struct ledger *ledger, struct verify_report *ret_report)
{
    struct fault fault = {0};

    assert_ok(verify_ledger(ledger->fixture.folder, buf_slice(&ledger->vkey), &records,
                            ret_report, &fault),
              fault);
    return ret_report->result;
}

static void expect(const struct ledger *ledger, enum verify_result result, const char *words)
{
    AUTO_FREE struct verify_report *report = xalloc(sizeof(*report));

    if (verify(ledger, report) != result)
        fail_msg("%s (%s) instead of %s", verify_result_name(report->result),
                 report->problems[0].text, verify_result_name(result));
    if (words != NULL && strstr(report->problems[0].text, words) == NULL)
        fail_msg("\"%s\" instead of \"%s\"", report->problems[0].text, words);
}

/*
 * Records of two producers, with a checkpoint behind each number of records in `checkpoints`.
 */
static struct ledger ledger_of(const size_t *checkpoints, size_t count)
{
    struct ledger ledger = ledger_make();
    struct source sources[] = {start_of("view/r1~0.1"), start_of("gateway/r1~0.2")};
    struct record record = read_of("src/main.c");
    struct fault fault = {0};

    for (size_t i = 0; i < count; i++) {
        while (log_size(ledger.log) < checkpoints[i])
            append(ledger.log, &sources[log_size(ledger.log) % 2], &record);
        assert_ok(log_checkpoint(ledger.log, &fault), fault);
    }
    ledger_close(&ledger);
    return ledger;
}

/* Names of the public files, found by walking. */
static char *found[600];
static size_t found_count, found_root_len;

static int on_walk(const char *path, const struct stat *stat, int kind, struct FTW *ftw)
{
    (void)stat, (void)ftw;
    if (kind == FTW_F && found_count < COUNT(found))
        found[found_count++] = xstrdup(path + found_root_len);
    return 0;
}

static void find_public_files(const struct fixture *fixture)
{
    AUTO_FREE char *tiles = xformat("%s/tile", fixture->path);

    found_count = 0;
    found_root_len = strlen(fixture->path) + 1;
    assert_int_equal(nftw(tiles, on_walk, 16, FTW_PHYS), 0);
    found[found_count++] = xstrdup("checkpoint");
}

static void forget_files(void)
{
    while (found_count > 0)
        free(found[--found_count]);
}

static void write_file(const struct ledger *ledger, const char *name, struct slice bytes)
{
    AUTO_CLOSE int fd =
        openat(ledger->fixture.folder, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    struct fault fault = {0};

    assert_true(fd >= 0);
    assert_ok(file_write_all(fd, bytes, &fault), fault);
}

static const size_t small[] = {1, 2, 4, 5};
static const size_t large[] = {1, 100, 255, 257, 300, 513};

static void an_untouched_ledger_holds(void **state)
{
    struct ledger ledgers[] = {ledger_of(small, COUNT(small)), ledger_of(large, COUNT(large))};

    (void)state;
    for (size_t i = 0; i < COUNT(ledgers); i++) {
        AUTO_FREE struct verify_report *report = xalloc(sizeof(*report));

        assert_int_equal(verify(&ledgers[i], report), VERIFY_HOLDS);
        assert_int_equal(report->size, i == 0 ? 5 : 513);
        assert_int_equal(report->producers, 2);
        assert_int_equal(report->files_ahead, 0);
        assert_string_equal(report->origin, FIXTURE_NAME);
        ledger_drop(&ledgers[i]);
    }
}

static void every_flipped_bit_of_every_file_is_found(void **state)
{
    struct ledger ledger = ledger_of(small, COUNT(small));
    AUTO_FREE struct verify_report *report = xalloc(sizeof(*report));
    size_t bits = 0;

    (void)state;
    find_public_files(&ledger.fixture);
    assert_int_equal(found_count, 2 * COUNT(small) + 1);
    for (size_t i = 0; i < found_count; i++) {
        AUTO_BUF struct buf bytes = buf_with_limit(1 << 20);
        struct fault fault = {0};

        assert_ok(file_read(ledger.fixture.folder, found[i], &bytes, &fault), fault);
        for (size_t bit = 0; bit < 8 * bytes.len; bit++, bits++) {
            bytes.at[bit / 8] ^= (uint8_t)(1U << bit % 8);
            write_file(&ledger, found[i], buf_slice(&bytes));
            if (verify(&ledger, report) == VERIFY_HOLDS)
                fail_msg("bit %zu of %s", bit, found[i]);
            bytes.at[bit / 8] ^= (uint8_t)(1U << bit % 8);
        }
        write_file(&ledger, found[i], buf_slice(&bytes));
    }
    print_message("# %zu bits\n", bits);
    assert_int_equal(verify(&ledger, report), VERIFY_HOLDS);
    forget_files();
    ledger_drop(&ledger);
}

static void flipped_bits_of_a_larger_ledger_are_found(void **state)
{
    struct ledger ledger = ledger_of(large, COUNT(large));
    AUTO_FREE struct verify_report *report = xalloc(sizeof(*report));

    (void)state;
    find_public_files(&ledger.fixture);
    for (size_t i = 0; i < found_count; i++) {
        AUTO_BUF struct buf bytes = buf_with_limit(1 << 20);
        struct fault fault = {0};

        assert_ok(file_read(ledger.fixture.folder, found[i], &bytes, &fault), fault);
        for (size_t at = i % 7; at < bytes.len; at += 1 + bytes.len / 23) {
            bytes.at[at] ^= 1;
            write_file(&ledger, found[i], buf_slice(&bytes));
            if (verify(&ledger, report) != VERIFY_TAMPERING)
                fail_msg("byte %zu of %s: %s", at, found[i],
                         verify_result_name(report->result));
            bytes.at[at] ^= 1;
        }
        write_file(&ledger, found[i], buf_slice(&bytes));
    }
    forget_files();
    ledger_drop(&ledger);
}

static void every_cut_and_every_byte_too_many_is_found(void **state)
{
    struct ledger ledger = ledger_of(small, COUNT(small));
    AUTO_FREE struct verify_report *report = xalloc(sizeof(*report));

    (void)state;
    find_public_files(&ledger.fixture);
    for (size_t i = 0; i < found_count; i++) {
        AUTO_BUF struct buf bytes = buf_with_limit(1 << 20);
        struct fault fault = {0};

        assert_ok(file_read(ledger.fixture.folder, found[i], &bytes, &fault), fault);
        for (size_t len = 0; len < bytes.len; len++) {
            write_file(&ledger, found[i], slice_of_bytes(bytes.at, len));
            if (verify(&ledger, report) == VERIFY_HOLDS)
                fail_msg("%s cut to %zu bytes", found[i], len);
        }
        assert_ok(buf_add_byte(&bytes, 0, &fault), fault);
        write_file(&ledger, found[i], buf_slice(&bytes));
        if (verify(&ledger, report) == VERIFY_HOLDS)
            fail_msg("%s with one byte more", found[i]);
        write_file(&ledger, found[i], slice_of_bytes(bytes.at, bytes.len - 1));
    }
    forget_files();
    ledger_drop(&ledger);
}

/* Partial tiles of older checkpoints may go; what the checkpoint asks for may not. */
static void a_missing_file_makes_a_ledger_incomplete(void **state)
{
    struct ledger ledger = ledger_of(large, COUNT(large));
    AUTO_FREE struct verify_report *report = xalloc(sizeof(*report));
    size_t needed = 0;

    (void)state;
    find_public_files(&ledger.fixture);
    for (size_t i = 0; i < found_count; i++) {
        AUTO_BUF struct buf bytes = buf_with_limit(1 << 20);
        struct fault fault = {0};
        struct tile tile;
        bool is_old = tile_path_parse(slice_of(found[i]), &tile) &&
                      tile.width < tile_width(tile.level, tile.index, 513);

        assert_ok(file_read(ledger.fixture.folder, found[i], &bytes, &fault), fault);
        assert_int_equal(unlinkat(ledger.fixture.folder, found[i], 0), 0);
        if (verify(&ledger, report) != (is_old ? VERIFY_HOLDS : VERIFY_INCOMPLETE))
            fail_msg("without %s: %s", found[i], verify_result_name(report->result));
        needed += !is_old;
        write_file(&ledger, found[i], buf_slice(&bytes));
    }
    assert_int_equal(needed, 1 + 3 + 3 + 1); /* checkpoint, bundles, tiles of level 0 and 1 */
    forget_files();
    ledger_drop(&ledger);
}

static void swapped_and_stray_files_are_found(void **state)
{
    struct ledger ledger = ledger_of(large, COUNT(large));
    int folder = ledger.fixture.folder;

    (void)state;
    assert_int_equal(renameat2(folder, "tile/entries/000", folder, "tile/entries/001", 2), 0);
    expect(&ledger, VERIFY_TAMPERING, NULL);
    assert_int_equal(renameat2(folder, "tile/entries/000", folder, "tile/entries/001", 2), 0);
    expect(&ledger, VERIFY_HOLDS, NULL);
    write_file(&ledger, "tile/0/stray", SLICE("x"));
    expect(&ledger, VERIFY_TAMPERING, "tile/0/stray is not a tile");
    assert_int_equal(unlinkat(folder, "tile/0/stray", 0), 0);
    assert_int_equal(unlinkat(folder, "tile/0/000", 0), 0);
    assert_int_equal(symlinkat("001", folder, "tile/0/000"), 0);
    expect(&ledger, VERIFY_INCOMPLETE, NULL);
    ledger_drop(&ledger);
}

static void tiles_ahead_of_the_checkpoint_are_a_note(void **state)
{
    struct ledger ledger = ledger_of(small, COUNT(small));
    AUTO_FREE struct verify_report *report = xalloc(sizeof(*report));

    (void)state;
    write_file(&ledger, "tile/0/000.p/6", SLICE("whatever"));
    assert_int_equal(verify(&ledger, report), VERIFY_HOLDS);
    assert_int_equal(report->files_ahead, 1);
    ledger_drop(&ledger);
}

static void only_its_own_key_verifies_a_ledger(void **state)
{
    struct ledger ledger = ledger_of(small, COUNT(small));
    AUTO_FREE struct verify_report *report = xalloc(sizeof(*report));
    AUTO_BUF struct buf other = buf_with_limit(1024);
    struct fault fault = {0};

    (void)state;
    note_signer_free(fixture_signer(1, &other));
    assert_ok(
        verify_ledger(ledger.fixture.folder, buf_slice(&other), &records, report, &fault),
        fault);
    assert_int_equal(report->result, VERIFY_TAMPERING);
    assert_false(report->has_checkpoint);
    assert_false(
        verify_ledger(ledger.fixture.folder, SLICE("no+key"), &records, report, &fault));
    assert_int_equal(fault.kind, FAULT_INVALID);
    ledger_drop(&ledger);
}

static void nothing_to_verify_is_incomplete(void **state)
{
    struct ledger ledger = ledger_make();

    (void)state;
    expect(&ledger, VERIFY_INCOMPLETE, "checkpoint");
    ledger_drop(&ledger);
}

/* One log in which one thing is not as a producer must do it. */
enum fault_of_producer {
    FORGETS_ONE,
    FORGETS_THREE,
    REPEATS,
    LINKS_WRONG,
    STARTS_LATE,
    WRITES_SPACE,
    WRITES_TEXT,
    WRITES_FREELY,
    HAS_NO_HEADER
};

static void break_something(struct ledger *ledger, struct source *source,
                            enum fault_of_producer what)
{
    AUTO_BUF struct buf leaf = buf_with_limit(RECORD_BYTES_MAX);
    struct record record = read_of("src/main.c");
    struct source late = start_of("late~0.9");
    struct fault fault = {0};
    struct tree_hash hash;
    uint64_t index;

    switch (what) {
    case FORGETS_ONE:
    case FORGETS_THREE:
        source->seq += what == FORGETS_ONE ? 1 : 3;
        break;
    case REPEATS:
        source->seq--;
        break;
    case LINKS_WRONG:
        source->prev.at[0] ^= 1;
        break;
    case STARTS_LATE:
        late.seq = 2;
        append(ledger->log, &late, &record);
        return;
    case WRITES_SPACE:
        encode(source, &record, &leaf);
        assert_ok(buf_add_byte(&leaf, ' ', &fault), fault);
        break;
    case WRITES_TEXT:
        assert_ok(buf_add_text(&leaf, "hello", &fault), fault);
        break;
    case WRITES_FREELY:
        assert_ok(buf_add_text(&leaf, "{\"note\":\"free text\"}", &fault), fault);
        break;
    case HAS_NO_HEADER:
        assert_ok(record_encode(&record, NULL, &leaf, &fault), fault);
        break;
    }
    if (leaf.len > 0)
        assert_ok(log_append(ledger->log, buf_slice(&leaf), &index, &hash, &fault), fault);
}

static void gaps_and_broken_links_of_producers_are_named(void **state)
{
    static const struct {
        enum fault_of_producer what;
        enum verify_result result;
        const char *words;
    } cases[] = {
        {FORGETS_ONE, VERIFY_INCOMPLETE, "record 3: record 3 of view/r1~0.1 is missing"},
        {FORGETS_THREE, VERIFY_INCOMPLETE,
         "record 3: records 3 to 5 of view/r1~0.1 are missing"},
        {REPEATS, VERIFY_TAMPERING, "wrote 2 a second time"},
        {LINKS_WRONG, VERIFY_TAMPERING,
         "record 3 of view/r1~0.1 does not follow its previous one"},
        {STARTS_LATE, VERIFY_INCOMPLETE, "records 0 to 1 of late~0.9 are missing"},
        {WRITES_SPACE, VERIFY_TAMPERING, "record 3: record is not canonical"},
        {WRITES_TEXT, VERIFY_TAMPERING, "record 3: record: not an object"},
        {WRITES_FREELY, VERIFY_TAMPERING, "unknown member note"},
        {HAS_NO_HEADER, VERIFY_TAMPERING, "record without a header"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct ledger ledger = ledger_make();
        struct source source = start_of("view/r1~0.1");
        struct record record = read_of("src/main.c");

        for (int k = 0; k < 3; k++)
            append(ledger.log, &source, &record);
        break_something(&ledger, &source, cases[i].what);
        append(ledger.log, &source, &record);
        append(ledger.log, &source, &record);
        ledger_close(&ledger);
        expect(&ledger, cases[i].result, cases[i].words);
        ledger_drop(&ledger);
    }
}

static void model_calls_without_an_outcome_are_counted(void **state)
{
    struct ledger ledger = ledger_make();
    struct source source = start_of("gateway/r1~0.1");
    AUTO_FREE struct verify_report *report = xalloc(sizeof(*report));
    struct record record;

    (void)state;
    for (int i = 0; i < 4; i++) {
        record_begin(&record, i == 2 ? RECORD_MODEL_OUTCOME : RECORD_MODEL_INTENT);
        record_word(&record, RECORD_RUN, "r1");
        if (i == 2) {
            record_number(&record, RECORD_INTENT, 1);
            record_word(&record, RECORD_OUTCOME, "ok");
        }
        append(ledger.log, &source, &record);
    }
    ledger_close(&ledger);
    assert_int_equal(verify(&ledger, report), VERIFY_HOLDS);
    assert_int_equal(report->intents_open, 2);
    ledger_drop(&ledger);
}

static double cpu_seconds(void)
{
    struct rusage usage;

    assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* Whoever takes over a gateway may announce as much as they like, and answer what never was.
 */
static void many_open_intents_do_not_keep_the_verifier_busy(void **state)
{
    enum { MANY = 100000, ANSWERED = 1000 };
    struct ledger ledger = ledger_make();
    struct source source = start_of("gateway/r1~0.1");
    AUTO_FREE struct verify_report *report = xalloc(sizeof(*report));
    double begun = cpu_seconds(), written;
    struct record record;

    (void)state;
    for (int i = 0; i < 2 * MANY; i++) {
        record_begin(&record, i < MANY ? RECORD_MODEL_INTENT : RECORD_MODEL_OUTCOME);
        record_word(&record, RECORD_RUN, "r1");
        if (i >= MANY) { /* the last ones, backwards, and each twice */
            int at = (i - MANY) / 2;

            record_number(&record, RECORD_INTENT, at < ANSWERED ? MANY - 1 - at : MANY + at);
            record_word(&record, RECORD_OUTCOME, "ok");
        }
        append(ledger.log, &source, &record);
    }
    ledger_close(&ledger);
    written = cpu_seconds();
    assert_int_equal(verify(&ledger, report), VERIFY_HOLDS);
    assert_int_equal(report->intents_open, MANY - ANSWERED);
    /* Square in the number of intents it was three times as much. */
    assert_true(cpu_seconds() - written < 2 * (written - begun));
    ledger_drop(&ledger);
}

/* Writes `type` as the ledger's own, `seconds` after its last by the clock. */
static void append_own(struct ledger *ledger, struct source *own, enum record_type type,
                       int64_t seconds, int64_t stepped)
{
    struct record record;

    record_begin(&record, type);
    if (type == RECORD_CLOCK_STEPPED)
        record_number(&record, RECORD_DURATION_US, stepped * 1000000);
    else
        record_number(&record, RECORD_COUNT, 0);
    if (type == RECORD_LEDGER_OPENED || type == RECORD_LEDGER_CLOSED)
        record_word(&record, RECORD_REASON, "new");
    own->t_us += seconds * 1000000;
    append(ledger->log, own, &record);
}

/* Heartbeats that stop are named; nights, restarts and clocks that are set are not. */
static void a_silent_writer_is_named(void **state)
{
    enum { DAY = 86400 };
    static const struct {
        enum record_type type;
        int64_t seconds, stepped;
        uint64_t silences; /* up to here */
    } steps[] = {
        {RECORD_LEDGER_OPENED, 0, 0, 0},
        {RECORD_HEARTBEAT, 60, 0, 0},
        {RECORD_HEARTBEAT, 120, 0, 0},
        {RECORD_HEARTBEAT, 126, 0, 1},
        {RECORD_CLOCK_STEPPED, DAY, DAY, 1},
        {RECORD_HEARTBEAT, 60, 0, 1},
        {RECORD_CLOCK_STEPPED, -DAY, -DAY, 1},
        {RECORD_HEARTBEAT, 60, 0, 1},
        {RECORD_CLOCK_STEPPED, DAY, DAY - 300, 2},
        {RECORD_LEDGER_CLOSED, 10, 0, 2},
        {RECORD_LEDGER_OPENED, DAY, 0, 2},
        {RECORD_HEARTBEAT, 60, 0, 2},
        {RECORD_LEDGER_OPENED, DAY, 0, 2},
        {RECORD_LEDGER_CLOSED, 200, 0, 3},
    };
    struct ledger ledger = ledger_make();
    struct source own = start_of("ledger"), other = start_of("view/r1~0.1");
    AUTO_FREE struct verify_report *report = xalloc(sizeof(*report));
    struct record record = read_of("src/main.c");
    struct fault fault = {0};

    (void)state;
    for (size_t i = 0; i < COUNT(steps); i++) {
        append_own(&ledger, &own, steps[i].type, steps[i].seconds, steps[i].stepped);
        other.t_us = own.t_us - INT64_C(2000000) * DAY; /* others' clocks say nothing */
        append(ledger.log, &other, &record);
        assert_ok(log_checkpoint(ledger.log, &fault), fault);
        assert_int_equal(verify(&ledger, report), VERIFY_HOLDS);
        if (report->silences != steps[i].silences)
            fail_msg("step %zu: %llu silences", i, (unsigned long long)report->silences);
    }
    assert_string_equal(report->silence,
                        "the ledger's writer was silent for 126 s before record 6");
    ledger_close(&ledger);
    ledger_drop(&ledger);
}

/* A published log of another implementation, with all its older partial tiles. */
static void a_log_of_another_implementation_verifies(void **state)
{
    AUTO_CLOSE int vectors = fixture_vectors();
    AUTO_CLOSE int folder =
        openat(vectors, "tessera-testlog/log", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    AUTO_FREE struct verify_report *report = xalloc(sizeof(*report));
    struct slice vkey = SLICE(
        "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx");
    struct fault fault = {0};

    (void)state;
    assert_ok(verify_ledger(folder, vkey, &opaque, report, &fault), fault);
    if (report->result != VERIFY_HOLDS)
        fail_msg("%s", report->problems[0].text);
    assert_int_equal(report->size, 15);
    assert_int_equal(report->files_ahead, 0);
    assert_ok(verify_ledger(folder, vkey, &records, report, &fault), fault);
    assert_int_equal(report->result, VERIFY_TAMPERING); /* its leaves are no records */
    assert_int_equal(report->problem_count, 15);
}

static void reports_are_json_and_text(void **state)
{
    struct ledger ledger = ledger_of(small, COUNT(small));
    AUTO_FREE struct verify_report *report = xalloc(sizeof(*report));
    AUTO_BUF struct buf json_text = buf_with_limit(1 << 20), text = buf_with_limit(1 << 20);
    struct fault fault = {0};
    json_t *json;

    (void)state;
    write_file(&ledger, "tile/0/\xff\"\n", SLICE("x"));
    assert_int_equal(verify(&ledger, report), VERIFY_TAMPERING);
    assert_ok(verify_report_json(report, &json_text, &fault), fault);
    assert_ok(verify_report_text(report, &text, &fault), fault);
    assert_non_null(strstr(buf_text(&text), "EVIDENCE OF TAMPERING: 5 records"));
    assert_non_null(strstr(buf_text(&text), "not checked  wal/"));
    json = json_loads(buf_text(&json_text), JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(json);
    assert_string_equal(json_string_value(json_object_get(json, "result")), "tampering");
    assert_int_equal(json_integer_value(json_object_get(json, "size")), 5);
    assert_int_equal(json_array_size(json_object_get(json, "problems")), 1);
    assert_int_equal(json_string_length(json_object_get(json, "root")), 44);
    json_decref(json);
    ledger_drop(&ledger);
}

/* A checkpoint of `size` and `root` by the ledger's key, cosigned by the witnesses named. */
static void cosigned_note(const struct ledger *ledger, uint64_t size,
                          const struct tree_hash *root, const char *who, struct buf *ret_note)
{
    struct fault fault = {0};
    struct note note;

    assert_ok(checkpoint_sign(size, root, ledger->signer, ret_note, &fault), fault);
    for (; *who != 0; who++) {
        AUTO_BUF struct buf vkey = buf_with_limit(1024);
        AUTO_BUF struct buf line = buf_with_limit(1024);
        struct note_signer *witness = fixture_signer((uint8_t)*who, &vkey);

        assert_ok(note_parse(buf_slice(ret_note), &note, &fault), fault);
        assert_ok(cosignature_sign(witness, note.text, 1790000000, &line, &fault), fault);
        assert_ok(buf_add(ret_note, buf_slice(&line), &fault), fault);
        note_signer_free(witness);
    }
}

static struct tlog_policy *two_of_three(void)
{
    AUTO_BUF struct buf text = buf_with_limit(1 << 14);
    struct tlog_policy *policy;
    struct fault fault = {0};

    for (char who = 'a'; who <= 'c'; who++) {
        AUTO_BUF struct buf plain = buf_with_limit(1024);
        AUTO_BUF struct buf vkey = buf_with_limit(1024);
        struct note_signer *witness = fixture_signer((uint8_t)who, &plain);

        assert_ok(cosignature_vkey(witness, &vkey, &fault), fault);
        assert_ok(buf_add_format(&text, &fault, "witness %c %s\n", who, buf_text(&vkey)),
                  fault);
        note_signer_free(witness);
    }
    assert_ok(buf_add_text(&text, "group g 2 a b c\nquorum g\n", &fault), fault);
    assert_ok(tlog_policy_parse(buf_slice(&text), &policy, &fault), fault);
    return policy;
}

/* Root of the ledger's first `size` records. */
static struct tree_hash root_at(const struct ledger *ledger, uint64_t size, uint64_t whole)
{
    struct tile_source tiles = {.folder = ledger->fixture.folder, .size = whole};
    struct tree_source source = tile_source(&tiles);
    struct tree_hash root;
    struct fault fault = {0};

    assert_ok(tree_source_root(&source, size, &root, &fault), fault);
    return root;
}

static void the_policy_asks_for_cosignatures(void **state)
{
    static const size_t sizes[] = {300, 400};
    static const struct {
        const char *who; /* NULL: there is no checkpoint.cosigned */
        uint64_t size;
        bool is_fork;
        enum verify_result result;
        uint64_t cosigned;
    } cases[] = {
        {NULL, 0, false, VERIFY_INCOMPLETE, 0},    {"a", 300, false, VERIFY_INCOMPLETE, 0},
        {"ab", 300, false, VERIFY_HOLDS, 300},     {"abc", 400, false, VERIFY_HOLDS, 400},
        {"acx", 257, false, VERIFY_HOLDS, 257},    {"aax", 300, false, VERIFY_INCOMPLETE, 0},
        {"abc", 300, true, VERIFY_TAMPERING, 300}, {"abc", 401, true, VERIFY_TAMPERING, 401},
    };
    struct ledger ledger = ledger_of(sizes, COUNT(sizes));
    struct tlog_policy *policy = two_of_three();
    struct verify_options asking = {.policy = policy};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO_FREE struct verify_report *report = xalloc(sizeof(*report));
        AUTO_BUF struct buf note = buf_with_limit(1 << 14);
        struct tree_hash root = {{1}};
        struct fault fault = {0};

        (void)unlinkat(ledger.fixture.folder, "checkpoint.cosigned", 0);
        if (cases[i].who != NULL) {
            if (!cases[i].is_fork)
                root = root_at(&ledger, cases[i].size, 400);
            cosigned_note(&ledger, cases[i].size, &root, cases[i].who, &note);
            assert_ok(file_create(ledger.fixture.folder, "checkpoint.cosigned",
                                  buf_slice(&note), 0644, &fault),
                      fault);
        }
        assert_ok(verify_ledger(ledger.fixture.folder, buf_slice(&ledger.vkey), &asking,
                                report, &fault),
                  fault);
        if (report->result != cases[i].result || report->cosigned_size != cases[i].cosigned)
            fail_msg("case %zu: %s, %s", i, verify_result_name(report->result),
                     report->problems[0].text);
        if (report->result == VERIFY_INCOMPLETE)
            assert_non_null(strstr(report->problems[0].text, "of 3 witnesses have cosigned"));
        if (cases[i].is_fork) /* noticed without a policy, too */
            expect(&ledger, VERIFY_TAMPERING, "checkpoint.cosigned");
    }
    tlog_policy_free(policy);
    ledger_drop(&ledger);
}

static void a_checkpoint_of_another_key_beside_ours_is_noticed(void **state)
{
    static const size_t sizes[] = {3};
    AUTO_BUF struct buf vkey = buf_with_limit(1024);
    AUTO_BUF struct buf note = buf_with_limit(1 << 14);
    struct ledger ledger = ledger_of(sizes, COUNT(sizes));
    struct note_signer *other = fixture_signer(77, &vkey);
    struct tree_hash root = root_at(&ledger, 3, 3);
    struct fault fault = {0};

    (void)state;
    assert_ok(checkpoint_sign(3, &root, other, &note, &fault), fault);
    assert_ok(file_create(ledger.fixture.folder, "checkpoint.cosigned", buf_slice(&note), 0644,
                          &fault),
              fault);
    expect(&ledger, VERIFY_TAMPERING, "checkpoint.cosigned: note: no signature");
    note_signer_free(other);
    ledger_drop(&ledger);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_untouched_ledger_holds),
        TEST(every_flipped_bit_of_every_file_is_found),
        TEST(flipped_bits_of_a_larger_ledger_are_found),
        TEST(every_cut_and_every_byte_too_many_is_found),
        TEST(a_missing_file_makes_a_ledger_incomplete),
        TEST(swapped_and_stray_files_are_found),
        TEST(tiles_ahead_of_the_checkpoint_are_a_note),
        TEST(only_its_own_key_verifies_a_ledger),
        TEST(nothing_to_verify_is_incomplete),
        TEST(gaps_and_broken_links_of_producers_are_named),
        TEST(model_calls_without_an_outcome_are_counted),
        TEST(many_open_intents_do_not_keep_the_verifier_busy),
        TEST(a_silent_writer_is_named),
        TEST(a_log_of_another_implementation_verifies),
        TEST(reports_are_json_and_text),
        TEST(the_policy_asks_for_cosignatures),
        TEST(a_checkpoint_of_another_key_beside_ours_is_noticed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
