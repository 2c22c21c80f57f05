/* Bundles in an archive: packed, read back, moved; what the verifier says of them. */
#include "fixture.h"

#include <stdio.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "ledger/absent.h"
#include "ledger/archive_move.h"
#include "ledger/archive_place.h"
#include "ledger/log.h"
#include "ledger/reader.h"
#include "ledger/seekable.h"
#include "ledger/verify.h"

#define DAY_US (INT64_C(86400) * 1000000)
#define BEGIN_US (INT64_C(1900000000) * 1000000)

/* A ledger of records that the test writes, a day of whose clock is what it says. */
struct ledger {
    struct fixture fixture, cold;
    struct buf vkey;
    struct note_signer *signer;
    struct log *log;
    uint64_t seq;
    struct tree_hash prev;
    int64_t t_us;
};

static struct ledger ledger_make(void)
{
    struct ledger ledger = {.fixture = fixture_make(),
                            .cold = fixture_make(),
                            .vkey = buf_with_limit(1024),
                            .t_us = BEGIN_US};
    struct log_recovery recovery;
    struct fault fault = {0};

    ledger.signer = fixture_signer(0, &ledger.vkey);
    assert_ok(log_open(ledger.fixture.folder, ledger.signer, NULL, NULL, &ledger.log,
                       &recovery, &fault),
              fault);
    return ledger;
}

static void ledger_drop(struct ledger *ledger)
{
    log_free(ledger->log);
    note_signer_free(ledger->signer);
    buf_free(&ledger->vkey);
    fixture_drop(&ledger->fixture);
    fixture_drop(&ledger->cold);
}

static void append(struct ledger *ledger, const struct record *record)
{
    static const uint8_t salt[16];
    struct record_header header = {.src = SLICE("test"),
                                   .seq = ledger->seq++,
                                   .prev = ledger->prev.at,
                                   .salt = salt,
                                   .t_us = ledger->t_us};
    AUTO_BUF struct buf leaf = buf_with_limit(RECORD_BYTES_MAX);
    struct fault fault = {0};
    uint64_t index;

    assert_ok(record_encode(record, &header, &leaf, &fault), fault);
    assert_ok(log_append(ledger->log, buf_slice(&leaf), &index, &ledger->prev, &fault), fault);
}

static void fill(struct ledger *ledger, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        AUTO_FREE char *path = xformat("src/%u.c", i);
        struct record record;

        record_begin(&record, RECORD_FILE_READ);
        record_word(&record, RECORD_RUN, "r1");
        record_word(&record, RECORD_PATH, path);
        append(ledger, &record);
    }
}

static void say(struct ledger *ledger, enum record_type type, const char *outcome,
                const char *origin, int64_t first, int64_t end)
{
    struct record record;

    record_begin(&record, type);
    record_word(&record, RECORD_OUTCOME, outcome);
    record_word(&record, RECORD_ORIGIN, origin);
    record_number(&record, RECORD_FIRST, first);
    record_number(&record, RECORD_END, end);
    append(ledger, &record);
}

static void publish(struct ledger *ledger)
{
    struct fault fault = {0};

    assert_ok(log_checkpoint(ledger->log, &fault), fault);
}

static void verify(const struct ledger *ledger, const char *archive,
                   struct verify_report *ret_report)
{
    const struct verify_options options = {.archive = archive};
    struct fault fault = {0};

    assert_ok(verify_ledger(ledger->fixture.folder, buf_slice(&ledger->vkey), &options,
                            ret_report, &fault),
              fault);
}

static bool has_problem(const struct verify_report *report, const char *words)
{
    for (size_t i = 0; i < report->problem_count && i < VERIFY_PROBLEMS_MAX; i++)
        if (strstr(report->problems[i].text, words) != NULL)
            return true;
    return false;
}

/* Copies, checks and drops what is older than `before_us`; the archive's file is in `name`. */
static uint64_t move(struct ledger *ledger, int64_t before_us)
{
    struct archive_folder archive = {.archive = NULL};
    struct archive_plan plan;
    struct fault fault = {0};
    char digest[65];
    uint64_t bytes, freed = 0;

    publish(ledger);
    assert_ok(archive_plan_make(ledger->fixture.folder, log_published_size(ledger->log),
                                before_us, &plan, &fault),
              fault);
    assert_ok(cold_folder_open(ledger->cold.path, FIXTURE_NAME, true, &archive.cold, &fault),
              fault);
    assert_ok(archive_open(&archive.cold, &archive.archive, &fault), fault);
    assert_ok(archive_copy(ledger->fixture.folder, &plan, archive.archive, &archive.cold, NULL,
                           &fault),
              fault);
    archive_folder_close(&archive);
    assert_ok(archive_folder_open(ledger->cold.path, FIXTURE_NAME, &archive, &fault), fault);
    assert_ok(archive_check(ledger->fixture.folder, &plan, archive.archive, NULL, &fault),
              fault);
    for (size_t i = 0; i < plan.count; i++) {
        assert_ok(archive_manifest(archive.archive, &archive.cold, &plan.at[i], digest, &bytes,
                                   &fault),
                  fault);
        assert_ok(archive_drop(ledger->fixture.folder, &plan.at[i], &freed, &fault), fault);
        assert_true(freed > 0);
        assert_ok(archive_drop(ledger->fixture.folder, &plan.at[i], &freed, &fault), fault);
        assert_int_equal(freed, 0); /* again does no harm */
    }
    freed = plan.bundles;
    archive_plan_free(&plan);
    archive_folder_close(&archive);
    return freed;
}

static void the_first_and_the_last_bundle_and_new_ones_stay(void **state)
{
    struct ledger ledger = ledger_make();
    struct archive_plan plan;
    struct fault fault = {0};

    (void)state;
    fill(&ledger, 3 * 256 + 10); /* bundles 0 to 2 */
    ledger.t_us = BEGIN_US + 10 * DAY_US;
    fill(&ledger, 1);
    ledger.t_us = BEGIN_US; /* the clock has stepped back */
    fill(&ledger, 3 * 256);
    publish(&ledger);
    assert_ok(archive_plan_make(ledger.fixture.folder, log_published_size(ledger.log),
                                BEGIN_US + 5 * DAY_US, &plan, &fault),
              fault);
    assert_int_equal(plan.count, 1);
    assert_int_equal(plan.at[0].first, 1);
    assert_int_equal(plan.at[0].end, 3);
    assert_int_equal(plan.stop, 3);
    archive_plan_free(&plan);
    assert_ok(archive_plan_make(ledger.fixture.folder, 4 * 256, BEGIN_US + 20 * DAY_US, &plan,
                                &fault),
              fault);
    assert_int_equal(plan.stop, 3); /* the last one is full, and stays all the same */
    archive_plan_free(&plan);
    assert_ok(archive_plan_make(ledger.fixture.folder, 0, INT64_MAX, &plan, &fault), fault);
    assert_int_equal(plan.count, 0);
    archive_plan_free(&plan);
    ledger_drop(&ledger);
}

static bool count_leaf(void *self, uint64_t index, struct slice leaf, struct fault *fault)
{
    (void)index, (void)leaf, (void)fault;
    ++*(uint64_t *)self;
    return true;
}

static void moved_records_are_read_and_verified_from_the_archive(void **state)
{
    struct ledger ledger = ledger_make();
    AUTO_FREE struct verify_report *report = xalloc(sizeof(*report));
    AUTO_FREE char *path = NULL;
    struct archive_folder archive;
    struct reader_options options = {0};
    struct fault fault = {0};
    uint64_t next, count = 0;

    (void)state;
    fill(&ledger, 1300);
    say(&ledger, RECORD_ARCHIVE_MOVED, "intended", FIXTURE_NAME, 256, 1280);
    assert_int_equal(move(&ledger, BEGIN_US + DAY_US), 4);
    assert_int_equal(move(&ledger, BEGIN_US + DAY_US), 0);
    verify(&ledger, ledger.cold.path, report);
    assert_int_equal(report->result, VERIFY_HOLDS);
    assert_int_equal(report->from_archive, 1024);
    verify(&ledger, NULL, report);
    assert_int_equal(report->result, VERIFY_INCOMPLETE);
    assert_int_equal(report->problem_count, 1);
    assert_true(has_problem(report, "records 256 to 1279 are archived"));
    verify(&ledger, "/nonexistent", report);
    assert_int_equal(report->result, VERIFY_INCOMPLETE);
    assert_true(has_problem(report, "the archive has them not"));
    path =
        xformat("%s/" FIXTURE_NAME "/bundles-000000000002-000000000002.zst", ledger.cold.path);
    assert_ok(file_create(AT_FDCWD, path, SLICE("x"), 0644, &fault), fault);
    verify(&ledger, ledger.cold.path, report);
    assert_int_equal(report->result, VERIFY_TAMPERING);
    assert_true(has_problem(report, "holds a bundle that another file holds, too"));
    assert_int_equal(unlink(path), 0);
    assert_false(
        reader_each(ledger.fixture.folder, &options, count_leaf, &count, &next, &fault));
    assert_ok(archive_folder_open(ledger.cold.path, FIXTURE_NAME, &archive, &fault), fault);
    options.archive = archive.archive;
    count = 0;
    assert_ok(reader_each(ledger.fixture.folder, &options, count_leaf, &count, &next, &fault),
              fault);
    assert_int_equal(count, 1301);
    archive_folder_close(&archive);
    ledger_drop(&ledger);
}

/* What the log says of records that are nowhere. */
static void only_what_the_log_says_explains_what_is_absent(void **state)
{
    static const struct {
        enum record_type type;
        const char *outcome, *origin, *again;
        int64_t first, end;
        enum verify_result result;
        uint64_t expired;
        const char *words;
    } cases[] = {
        {RECORD_ARCHIVE_MOVED, "ok", FIXTURE_NAME, NULL, 256, 768, VERIFY_INCOMPLETE, 0,
         "records 256 to 767 are archived"},
        {RECORD_ARCHIVE_MOVED, "ok", NULL, NULL, 256, 512, VERIFY_INCOMPLETE, 0,
         "tile/entries/002 is missing"},
        {RECORD_ARCHIVE_MOVED, "ok", "another", NULL, 256, 768, VERIFY_INCOMPLETE, 0,
         "tile/entries/001 is missing"},
        {RECORD_ARCHIVE_MOVED, "refused", FIXTURE_NAME, NULL, 256, 768, VERIFY_INCOMPLETE, 0,
         "tile/entries/001 is missing"},
        {RECORD_ARCHIVE_EXPIRED, "ok", FIXTURE_NAME, NULL, 256, 768, VERIFY_HOLDS, 512, NULL},
        {RECORD_ARCHIVE_EXPIRED, "intended", NULL, NULL, 256, 768, VERIFY_HOLDS, 512, NULL},
        {RECORD_ARCHIVE_EXPIRED, "intended", NULL, "failed", 256, 768, VERIFY_INCOMPLETE, 0,
         "tile/entries/001 is missing"},
        {RECORD_ARCHIVE_EXPIRED, "ok", NULL, NULL, 300, 768, VERIFY_INCOMPLETE, 468,
         "tile/entries/001 is missing"},
        {RECORD_ARCHIVE_EXPIRED, "ok", "another", NULL, 256, 768, VERIFY_INCOMPLETE, 0,
         "tile/entries/001 is missing"},
        {RECORD_ARCHIVE_EXPIRED, "ok", NULL, NULL, 256, 900, VERIFY_INCOMPLETE, 0,
         "tile/entries/001 is missing"}, /* it would be about itself */
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct ledger ledger = ledger_make();
        AUTO_FREE struct verify_report *report = xalloc(sizeof(*report));

        fill(&ledger, 800);
        ledger.t_us += INT64_C(370) * DAY_US;
        say(&ledger, cases[i].type, cases[i].outcome, cases[i].origin, cases[i].first,
            cases[i].end);
        if (cases[i].again != NULL)
            say(&ledger, cases[i].type, cases[i].again, cases[i].origin, cases[i].first,
                cases[i].end);
        publish(&ledger);
        assert_int_equal(unlinkat(ledger.fixture.folder, "tile/entries/001", 0), 0);
        assert_int_equal(unlinkat(ledger.fixture.folder, "tile/entries/002", 0), 0);
        verify(&ledger, NULL, report);
        if (report->result != cases[i].result || report->expired_records != cases[i].expired ||
            (cases[i].words != NULL && !has_problem(report, cases[i].words)))
            fail_msg("case %zu: %s, %llu expired: %s", i, verify_result_name(report->result),
                     (unsigned long long)report->expired_records, report->problems[0].text);
        ledger_drop(&ledger);
    }
}

/* Whoever may add records, and delete files, hides nothing recent so. */
static void what_is_young_has_not_expired(void **state)
{
    static const struct {
        int days;
        enum verify_result result;
    } cases[] = {{0, VERIFY_INCOMPLETE}, {365, VERIFY_INCOMPLETE}, {367, VERIFY_HOLDS}};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct ledger ledger = ledger_make();
        AUTO_FREE struct verify_report *report = xalloc(sizeof(*report));

        fill(&ledger, 800);
        ledger.t_us += cases[i].days * DAY_US;
        say(&ledger, RECORD_ARCHIVE_EXPIRED, "ok", NULL, 256, 512);
        publish(&ledger);
        assert_int_equal(unlinkat(ledger.fixture.folder, "tile/entries/001", 0), 0);
        verify(&ledger, NULL, report);
        assert_int_equal(report->result, cases[i].result);
        assert_true(cases[i].result == VERIFY_HOLDS ||
                    has_problem(report, "records 256 to 511 are said to have expired"));
        ledger_drop(&ledger);
    }
}

static void an_expired_record_explains_nothing_but_what_is_gone(void **state)
{
    struct ledger ledger = ledger_make();
    AUTO_FREE struct verify_report *report = xalloc(sizeof(*report));
    AUTO_BUF struct buf tile = buf_with_limit(1 << 16);
    struct fault fault = {0};

    (void)state;
    fill(&ledger, 800);
    ledger.t_us += INT64_C(370) * DAY_US;
    say(&ledger, RECORD_ARCHIVE_EXPIRED, "ok", NULL, 256, 768);
    publish(&ledger);
    assert_int_equal(unlinkat(ledger.fixture.folder, "tile/entries/001", 0), 0);
    /* The hash tile of what is gone binds it still. */
    assert_ok(file_read(ledger.fixture.folder, "tile/0/001", &tile, &fault), fault);
    tile.at[77] ^= 1;
    assert_ok(file_replace_durably(ledger.fixture.folder, "tile/0/001", buf_slice(&tile), 0644,
                                   &fault),
              fault);
    verify(&ledger, NULL, report);
    assert_int_equal(report->result, VERIFY_TAMPERING);
    assert_int_equal(unlinkat(ledger.fixture.folder, "tile/0/001", 0), 0);
    verify(&ledger, NULL, report);
    assert_int_equal(report->result, VERIFY_INCOMPLETE);
    ledger_drop(&ledger);
}

/* Whatever bit of the file flips: found, or the records are the very same. */
static void no_bit_of_the_archive_can_flip_unnoticed(void **state)
{
    struct ledger ledger = ledger_make();
    AUTO_FREE struct verify_report *report = xalloc(sizeof(*report));
    AUTO_BUF struct buf file = buf_with_limit(1 << 20);
    AUTO_FREE char *path = NULL;
    struct fault fault = {0};
    size_t tried = 0, harmless = 0;

    (void)state;
    fill(&ledger, 800);
    say(&ledger, RECORD_ARCHIVE_MOVED, "ok", NULL, 256, 768);
    assert_int_equal(move(&ledger, BEGIN_US + DAY_US), 2);
    path =
        xformat("%s/" FIXTURE_NAME "/bundles-000000000001-000000000002.zst", ledger.cold.path);
    assert_ok(file_read(AT_FDCWD, path, &file, &fault), fault);
    for (size_t at = 0; at < file.len; at += at < 64 || at + 64 > file.len ? 1 : 311) {
        file.at[at] ^= (uint8_t)(1U << (at % 8));
        assert_int_equal(unlink(path), 0);
        assert_ok(file_create(AT_FDCWD, path, buf_slice(&file), 0644, &fault), fault);
        verify(&ledger, ledger.cold.path, report);
        tried++;
        harmless += report->result == VERIFY_HOLDS;
        if (report->result == VERIFY_HOLDS)
            assert_int_equal(report->from_archive, 512);
        file.at[at] ^= (uint8_t)(1U << (at % 8));
    }
    print_message("# %zu flips, %zu gave the very same records\n", tried, harmless);
    assert_true(tried > 100 && harmless * 20 < tried);
    for (size_t len = 0; len < file.len; len += 997) {
        assert_int_equal(truncate(path, 0), 0);
        assert_int_equal(unlink(path), 0);
        assert_ok(
            file_create(AT_FDCWD, path, slice_part(buf_slice(&file), 0, len), 0644, &fault),
            fault);
        verify(&ledger, ledger.cold.path, report);
        assert_int_equal(report->result, VERIFY_TAMPERING);
        assert_true(has_problem(report, "bundles-000000000001-000000000002.zst"));
    }
    ledger_drop(&ledger);
}

/* Between copy and deletion: what came back otherwise is named, and the caller deletes
 * nothing. */
static void a_copy_that_is_not_the_same_is_found(void **state)
{
    struct ledger ledger = ledger_make();
    struct archive_folder archive;
    struct archive_plan plan;
    struct fault fault = {0};
    AUTO_BUF struct buf file = buf_with_limit(1 << 20);
    AUTO_BUF struct buf other = buf_with_limit(TILE_BUNDLE_BYTES_MAX);
    AUTO_FREE struct seekable *table = xalloc(sizeof(*table));
    const struct tile second = {.is_entries = true, .index = 2, .width = TILE_WIDTH};

    (void)state;
    fill(&ledger, 800);
    publish(&ledger);
    /* Another bundle under this one's name. */
    assert_ok(tile_read(ledger.fixture.folder, &second, &other, &fault), fault);
    assert_ok(seekable_pack(table, buf_slice(&other), &file, &fault), fault);
    assert_ok(seekable_end(table, &file, &fault), fault);
    assert_ok(cold_folder_open(ledger.cold.path, FIXTURE_NAME, true, &archive.cold, &fault),
              fault);
    assert_ok(archive.cold.put(archive.cold.self, "bundles-000000000001-000000000001.zst",
                               buf_slice(&file), &fault),
              fault);
    assert_ok(archive_open(&archive.cold, &archive.archive, &fault), fault);
    assert_ok(archive_plan_make(ledger.fixture.folder, 800, INT64_MAX, &plan, &fault), fault);
    plan.at[0].end = 2;
    assert_false(archive_check(ledger.fixture.folder, &plan, archive.archive, NULL, &fault));
    assert_int_equal(fault.kind, FAULT_INVALID);
    assert_non_null(strstr(fault.why, "record 256 in bundle 1"));
    archive_plan_free(&plan);
    archive_folder_close(&archive);
    ledger_drop(&ledger);
}

static void a_file_is_what_its_name_says(void **state)
{
    static const struct {
        const char *name, *plain, *words;
    } cases[] = {
        {"bundles-000000000001-000000000002.zst", "", "has 1 bundles"},
        {"bundles-000000000001-000000000001.zst", "\0\3abc", "has not 256 entries"},
    };
    struct fault fault = {0};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct fixture fixture = fixture_make();
        AUTO_BUF struct buf file = buf_with_limit(1 << 10);
        AUTO_BUF struct buf bundle = buf_with_limit(TILE_BUNDLE_BYTES_MAX);
        AUTO_FREE struct seekable *table = xalloc(sizeof(*table));
        struct archive_folder archive;

        assert_ok(seekable_pack(table, slice_of_bytes(cases[i].plain, i * 5), &file, &fault),
                  fault);
        assert_ok(seekable_end(table, &file, &fault), fault);
        assert_ok(cold_folder_open(fixture.path, FIXTURE_NAME, true, &archive.cold, &fault),
                  fault);
        assert_ok(archive.cold.put(archive.cold.self, cases[i].name, buf_slice(&file), &fault),
                  fault);
        assert_ok(archive_open(&archive.cold, &archive.archive, &fault), fault);
        assert_false(archive_bundle(archive.archive, 1, &bundle, &fault));
        assert_int_equal(fault.kind, FAULT_INVALID);
        assert_non_null(strstr(fault.why, cases[i].words));
        archive_folder_close(&archive);
        fixture_drop(&fixture);
    }
}

static void put_u32(uint8_t *at, uint32_t number)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(number >> (8 * i));
}

/* A table of `count` frames of 100 packed and 200 plain bytes each. */
static size_t make_table(uint8_t *table, uint32_t count)
{
    size_t at = 8;

    put_u32(table, SEEKABLE_TABLE_MAGIC);
    put_u32(table + 4, count * 8 + 9);
    for (uint32_t i = 0; i < count; i++, at += 8) {
        put_u32(table + at, 100);
        put_u32(table + at + 4, 200);
    }
    put_u32(table + at, count);
    table[at + 4] = 0;
    put_u32(table + at + 5, SEEKABLE_FOOTER_MAGIC);
    return at + 9;
}

static void a_table_accounts_for_each_byte(void **state)
{
    static const struct {
        size_t offset;
        uint8_t value;
        bool from_end;
        uint64_t size_change;
    } wrong[] = {
        {0, 0x5f, false, 0},         /* another magic */
        {4, 26, false, 0},           /* another length */
        {8, 101, false, 0},          /* frames that are longer than the file */
        {10, 0xff, false, 0xff0000}, /* a frame of 16 MiB packed */
        {13, 0xff, false, 0},        /* and one of 64 KiB plain, where 1,000 are allowed */
        {1, 0x5e, true, 0},          /* another magic at the end */
        {5, 0x80, true, 0},          /* with checksums, which we do not write */
        {9, 3, true, 0},             /* three frames, two rows */
        {9, 0, true, 0},             /* none */
        {8, 2, true, 0},             /* 514 */
        {0, 0x5e, false, 1},         /* a byte that no frame has */
    };
    AUTO_FREE struct seekable *seekable = xalloc(sizeof(*seekable));
    uint8_t table[64];
    struct fault fault = {0};

    (void)state;
    for (size_t i = 0; i <= COUNT(wrong); i++) {
        size_t len = make_table(table, 2);
        uint64_t size = 200 + len;

        if (i < COUNT(wrong)) {
            table[wrong[i].from_end ? len - wrong[i].offset : wrong[i].offset] =
                wrong[i].value;
            size += wrong[i].size_change;
        }
        if (seekable_parse(slice_of_bytes(table, len), size, 1000, seekable, &fault) !=
            (i == COUNT(wrong)))
            fail_msg("case %zu: %s", i, i == COUNT(wrong) ? fault.why : "taken");
    }
    assert_int_equal(seekable->count, 2);
    assert_int_equal(seekable->frame[1].offset, 100);
    assert_false(seekable_parse(slice_of_bytes(table, 5), 5, 1000, seekable, &fault));
}

static void a_frame_gives_what_its_table_says_and_no_more(void **state)
{
    AUTO_BUF struct buf file = buf_with_limit(1 << 20);
    AUTO_BUF struct buf plain = buf_with_limit(1 << 20);
    AUTO_FREE struct seekable *table = xalloc(sizeof(*table));
    struct seekable_frame frame;
    struct fault fault = {0};
    static const char zeros[50000];

    (void)state;
    assert_ok(seekable_pack(table, slice_of_bytes(zeros, sizeof(zeros)), &file, &fault),
              fault);
    frame = table->frame[0];
    assert_ok(seekable_unpack(&frame, buf_slice(&file), &plain, &fault), fault);
    assert_int_equal(plain.len, sizeof(zeros));
    frame.plain--; /* a bomb: more than it says */
    assert_false(seekable_unpack(&frame, buf_slice(&file), &plain, &fault));
    frame.plain += 2;
    assert_false(seekable_unpack(&frame, buf_slice(&file), &plain, &fault));
    frame.plain--;
    assert_ok(buf_add_byte(&file, 0, &fault), fault); /* something behind the frame */
    assert_false(seekable_unpack(&frame, buf_slice(&file), &plain, &fault));
    frame.packed++;
    assert_false(seekable_unpack(&frame, buf_slice(&file), &plain, &fault));
    frame.packed -= 2;
    assert_false(seekable_unpack(&frame, slice_part(buf_slice(&file), 0, frame.packed), &plain,
                                 &fault));
    assert_int_equal(plain.len, sizeof(zeros)); /* none of them left anything */
}

static void a_store_is_files_that_are_whole_or_not_there(void **state)
{
    struct fixture fixture = fixture_make();
    AUTO_BUF struct buf bytes = buf_with_limit(64);
    AUTO_FREE char *path = NULL;
    struct archive *archive;
    struct cold cold;
    struct fault fault = {0};
    uint64_t size;

    (void)state;
    assert_false(cold_folder_open(fixture.path, "a/2", false, &cold, &fault));
    assert_int_equal(fault.kind, FAULT_MISSING);
    assert_ok(cold_folder_open(fixture.path, "a/2", true, &cold, &fault), fault);
    assert_true(file_exists(fixture.folder, "a+2"));
    assert_ok(cold.put(cold.self, "one", SLICE("12345"), &fault), fault);
    assert_false(cold.put(cold.self, "one", SLICE("other"), &fault));
    assert_int_equal(fault.kind, FAULT_CONFLICT);
    assert_ok(cold.read(cold.self, "one", 1, 3, &bytes, &fault), fault);
    assert_true(slice_equal(buf_slice(&bytes), SLICE("234")));
    assert_false(cold.read(cold.self, "one", 3, 3, &bytes, &fault));
    assert_int_equal(fault.kind, FAULT_INVALID);
    assert_false(cold.read(cold.self, "one", UINT64_MAX, 2, &bytes, &fault));
    assert_false(cold.size(cold.self, "two", &size, &fault));
    assert_int_equal(fault.kind, FAULT_MISSING);
    path = xformat("%s/a+2/bundles-000000000001-000000000001.zst", fixture.path);
    assert_int_equal(symlink("/etc/passwd", path), 0);
    assert_false(cold.size(cold.self, strrchr(path, '/') + 1, &size, &fault));
    assert_ok(cold.remove(cold.self, "one", &fault), fault);
    assert_ok(cold.remove(cold.self, "one", &fault), fault);
    /* What has another name is none of ours; two that overlap are refused. */
    assert_ok(cold.put(cold.self, "bundles-1-1.zst", SLICE("x"), &fault), fault);
    assert_ok(cold.put(cold.self, "bundles-000000000002-000000000001.zst", SLICE("x"), &fault),
              fault);
    assert_ok(cold.put(cold.self, "bundles-000000000002-000000000258.zst", SLICE("x"), &fault),
              fault);
    assert_ok(archive_open(&cold, &archive, &fault), fault);
    assert_int_equal(archive_count(archive), 1);
    assert_true(archive_has(archive, 1) && !archive_has(archive, 0) &&
                !archive_has(archive, 2));
    archive_free(archive);
    assert_ok(cold.put(cold.self, "bundles-000000000000-000000000001.zst", SLICE("x"), &fault),
              fault);
    assert_false(archive_open(&cold, &archive, &fault));
    assert_int_equal(fault.kind, FAULT_INVALID);
    cold_folder_close(&cold);
    fixture_drop(&fixture);
}

static void where_an_archive_is_can_be_read_again(void **state)
{
    static const char *const wrong[] = {"",
                                        "custody-archive/v1\n",
                                        "custody-archive/v1\n1\n",
                                        "custody-archive/v2\n1\n/a\n",
                                        "custody-archive/v1\n01\n/a\n",
                                        "custody-archive/v1\n1\na\n",
                                        "custody-archive/v1\n1\n/a\nb\n"};
    struct fixture fixture = fixture_make();
    struct fault fault = {0};
    char *path;

    (void)state;
    assert_ok(archive_place_read(fixture.folder, &path, &fault), fault);
    assert_null(path);
    assert_ok(archive_place_write(fixture.folder, "/mnt/cold", 512, &fault), fault);
    assert_ok(archive_place_read(fixture.folder, &path, &fault), fault);
    assert_string_equal(path, "/mnt/cold");
    free(path);
    assert_false(archive_place_write(fixture.folder, "/mnt\n", 512, &fault));
    for (size_t i = 0; i < COUNT(wrong); i++) {
        assert_ok(file_replace_durably(fixture.folder, ARCHIVE_PLACE_NAME, slice_of(wrong[i]),
                                       0644, &fault),
                  fault);
        if (archive_place_read(fixture.folder, &path, &fault))
            fail_msg("taken: %s", wrong[i]);
    }
    fixture_drop(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_first_and_the_last_bundle_and_new_ones_stay),
        TEST(moved_records_are_read_and_verified_from_the_archive),
        TEST(only_what_the_log_says_explains_what_is_absent),
        TEST(what_is_young_has_not_expired),
        TEST(an_expired_record_explains_nothing_but_what_is_gone),
        TEST(no_bit_of_the_archive_can_flip_unnoticed),
        TEST(a_copy_that_is_not_the_same_is_found),
        TEST(a_file_is_what_its_name_says),
        TEST(a_table_accounts_for_each_byte),
        TEST(a_frame_gives_what_its_table_says_and_no_more),
        TEST(a_store_is_files_that_are_whole_or_not_there),
        TEST(where_an_archive_is_can_be_read_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
