/*
 * Damage to any file of a small ledger whose writer was killed: a bit, a cut, a file that is
 * gone. Either somebody notices (the verifier, the start of the writer, or the verifier after
 * that start), or it is of a class that is named here and does no harm: then every
 * acknowledged record is there, and the ledger holds.
 *
 * Every byte has one of its bits flipped, in a fixed order; CUSTODY_TEST_EXHAUSTIVE has all of
 * them flipped.
 */
#include "fixture.h"

#include <ftw.h>
#include <sys/stat.h>

#include "ledger/reader.h"
#include "ledger/verify.h"
#include "ledger/wal.h"
#include "os/clock_real.h"
#include "roles/ledger_role/writer.h"

#define FILES_MAX 64
#define SEALED 5 /* records under the checkpoint: ledger.opened is the first */
#define KEPT 8   /* acknowledged */
#define TAIL_STEP 65537

enum outcome {
    NOTICED = 1,  /* by the verifier, or at the start, or afterwards */
    HARMLESS = 2, /* everything is there */
    CUT_SAID = 4, /* the last record is gone, and ledger.opened says how much was cut off */
    CUT = 8,      /* it is gone, and looks like what was there before it */
};

/* Which part of a ledger it is, and what damage to it may come to. */
static const struct class_row {
    const char *prefix; /* of the path */
    const char *name;
    unsigned allowed;
} classes[] = {
    {"checkpoint", "the checkpoint", NOTICED},
    {"tile/", "tiles and records", NOTICED},
    {"state/signed", "what was signed", NOTICED},
    {"wal/frames", "frames of acknowledged records", NOTICED},
    {"wal/", "how many segments there must be", NOTICED | HARMLESS},
    {"lock", "the lock: its bytes say nothing", HARMLESS},
    {"", "unknown", 0},
};
/* Parts of files. */
static const struct class_row
    memo = {"", "the memo's time and disk level: informative", NOTICED | HARMLESS},
    last_batch = {"", "the last batch before a crash: it may be a torn write", CUT_SAID | CUT},
    published = {"", "frames that are published, and free room behind the last",
                 HARMLESS | CUT_SAID};

struct file {
    char *path;
    struct buf bytes;
    size_t frames_begin, frames_end, last_begin; /* of a segment: not published, last batch */
    size_t memo_begin, memo_end;
};

struct ledger {
    struct fixture fixture;
    struct buf vkey;
    struct note_signer *signer;
    struct file files[FILES_MAX];
    size_t file_count;
    struct tree_hash hashes[KEPT];
};

static struct ledger *walked; /* nftw has no argument for it */

static int on_walk(const char *path, const struct stat *stat, int kind, struct FTW *ftw)
{
    (void)stat, (void)ftw;
    if (kind == FTW_F) {
        assert_true(walked->file_count < FILES_MAX);
        walked->files[walked->file_count++] =
            (struct file){.path = xstrdup(path + strlen(walked->fixture.path) + 1),
                          .bytes = buf_with_limit(WAL_SEGMENT_BYTES + 1)};
    }
    return 0;
}

static void take_record(struct ledger *ledger, struct ledger_writer *writer,
                        struct ledger_source *source)
{
    AUTO_BUF struct buf text = buf_with_limit(RECORD_BYTES_MAX);
    struct record record;
    struct fault fault = {0};

    (void)ledger;
    record_begin(&record, RECORD_FILE_READ);
    record_word(&record, RECORD_RUN, "r1");
    record_word(&record, RECORD_PATH, "src/main.c");
    assert_ok(record_encode(&record, NULL, &text, &fault), fault);
    assert_ok(
        ledger_writer_append(writer, source, ~UINT64_C(0), buf_slice(&text), true, &fault),
        fault);
    assert_ok(ledger_writer_commit(writer, &fault), fault);
}

static bool keep_hash(void *self, uint64_t index, struct slice leaf, struct fault *fault)
{
    (void)fault;
    if (index < KEPT)
        ((struct ledger *)self)->hashes[index] = tree_leaf(leaf);
    return true;
}

/* Where the frames are that are needed: those behind the checkpoint. */
static void find_frames(struct file *file)
{
    struct wal_frame frame;
    size_t len;

    for (size_t at = 0; wal_frame_read(
             slice_part(buf_slice(&file->bytes), at, file->bytes.len), &frame, &len);
         at += len) {
        if (frame.index < SEALED)
            file->frames_begin = at + len;
        file->last_begin = at;
        file->frames_end = at + len;
    }
}

/* Behind the second word of the second line. */
static void find_memo(struct file *file)
{
    struct slice text = buf_slice(&file->bytes);
    size_t begin = slice_find_byte(text, '\n', 0) + 1;

    begin = slice_find_byte(text, ' ', begin) + 1;
    file->memo_begin = slice_find_byte(text, ' ', begin) + 1;
    file->memo_end = slice_find_byte(text, '\n', file->memo_begin);
}

static struct ledger *ledger_make(void)
{
    struct ledger *ledger = xalloc(sizeof(*ledger));
    struct reader_options all = {.with_unsealed = true};
    struct ledger_writer *writer;
    struct ledger_source *source;
    struct fault fault = {0};
    uint64_t next;

    *ledger = (struct ledger){.fixture = {.path = "/dev/shm/custody-test-XXXXXX"},
                              .vkey = buf_with_limit(1024)};
    if (mkdtemp(ledger->fixture.path) == NULL) /* slower there */
        ledger->fixture = fixture_make();
    else
        ledger->fixture.folder =
            open(ledger->fixture.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ledger->signer = fixture_signer(0, &ledger->vkey);
    assert_ok(ledger_writer_open(ledger->fixture.folder, ledger->signer, &clock_real, &writer,
                                 &fault),
              fault);
    assert_ok(ledger_writer_source(writer, SLICE("core/1"), &source, &fault), fault);
    while (ledger_writer_size(writer) < KEPT) {
        if (ledger_writer_size(writer) == SEALED)
            assert_ok(ledger_writer_checkpoint(writer, &fault), fault);
        take_record(ledger, writer, source);
    }
    ledger_writer_free(writer); /* as kill -9 leaves it */
    assert_ok(reader_each(ledger->fixture.folder, &all, keep_hash, ledger, &next, &fault),
              fault);
    assert_int_equal(next, KEPT);
    walked = ledger;
    assert_int_equal(nftw(ledger->fixture.path, on_walk, 16, FTW_PHYS), 0);
    for (size_t i = 0; i < ledger->file_count; i++) {
        struct file *file = &ledger->files[i];

        assert_ok(file_read(ledger->fixture.folder, file->path, &file->bytes, &fault), fault);
        if (strncmp(file->path, "wal/frames", 10) == 0)
            find_frames(file);
        if (strcmp(file->path, "state/signed") == 0)
            find_memo(file);
    }
    return ledger;
}

static void ledger_drop(struct ledger *ledger)
{
    for (size_t i = 0; i < ledger->file_count; i++) {
        free(ledger->files[i].path);
        buf_free(&ledger->files[i].bytes);
    }
    note_signer_free(ledger->signer);
    buf_free(&ledger->vkey);
    fixture_drop(&ledger->fixture);
    free(ledger);
}

static void put_file(const struct ledger *ledger, const char *path, struct slice bytes)
{
    AUTO_CLOSE int fd =
        openat(ledger->fixture.folder, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    struct fault fault = {0};

    assert_true(fd >= 0);
    assert_ok(file_write_all(fd, bytes, &fault), fault);
}

/* What a start has added goes; what it has changed is as it was. */
static void restore(const struct ledger *ledger)
{
    struct ledger now = {.fixture = ledger->fixture};

    walked = &now;
    assert_int_equal(nftw(ledger->fixture.path, on_walk, 16, FTW_PHYS), 0);
    for (size_t i = 0; i < now.file_count; i++) {
        (void)unlinkat(ledger->fixture.folder, now.files[i].path, 0);
        free(now.files[i].path);
    }
    for (size_t i = 0; i < ledger->file_count; i++)
        put_file(ledger, ledger->files[i].path, buf_slice(&ledger->files[i].bytes));
}

static bool verifies(const struct ledger *ledger)
{
    static const struct verify_options records = {0};
    AUTO_FREE struct verify_report *report = xalloc(sizeof(*report));
    struct fault fault = {0};

    assert_ok(verify_ledger(ledger->fixture.folder, buf_slice(&ledger->vkey), &records, report,
                            &fault),
              fault);
    return report->result == VERIFY_HOLDS;
}

struct comparison {
    const struct ledger *ledger;
    size_t same;
    bool cut_is_said;
};

static bool compare(void *self, uint64_t index, struct slice leaf, struct fault *fault)
{
    struct comparison *comparison = self;
    struct tree_hash hash = tree_leaf(leaf);

    (void)fault;
    comparison->same +=
        index < KEPT && tree_hash_equal(&hash, &comparison->ledger->hashes[index]);
    comparison->cut_is_said |=
        index > 0 && slice_find(leaf, SLICE("\"type\":\"ledger.opened\""), 0) != SIZE_MAX &&
        slice_find(leaf, SLICE("\"object\":{\"size\":"), 0) != SIZE_MAX;
    return true;
}

static enum outcome judge(const struct ledger *ledger)
{
    struct comparison comparison = {.ledger = ledger};
    struct reader_options all = {0};
    struct ledger_writer *writer;
    struct fault fault = {0};
    uint64_t next;

    if (!verifies(ledger) || !ledger_writer_open(ledger->fixture.folder, ledger->signer,
                                                 &clock_real, &writer, &fault))
        return NOTICED;
    assert_ok(ledger_writer_end(writer, "idle", &fault), fault);
    ledger_writer_free(writer);
    if (!verifies(ledger))
        return NOTICED;
    assert_ok(reader_each(ledger->fixture.folder, &all, compare, &comparison, &next, &fault),
              fault);
    if (comparison.same == KEPT)
        return HARMLESS;
    if (comparison.same == KEPT - 1)
        return comparison.cut_is_said ? CUT_SAID : CUT;
    return (enum outcome)0; /* more is gone, and nobody says so */
}

static const struct class_row *class_of(const struct file *file, size_t at)
{
    const struct class_row *row = classes;

    while (strncmp(file->path, row->prefix, strlen(row->prefix)) != 0)
        row++;
    if (file->memo_end > 0 && at >= file->memo_begin && at < file->memo_end)
        return &memo;
    if (strncmp(file->path, "wal/frames", 10) != 0)
        return row;
    if (at >= file->frames_end || at < file->frames_begin)
        return &published;
    return at >= file->last_begin ? &last_batch : row;
}

static void expect(const struct ledger *ledger, const struct file *file, size_t at,
                   const struct class_row *row, const char *what)
{
    enum outcome outcome = judge(ledger);

    if ((outcome & row->allowed) == 0)
        fail_msg("%s, byte %zu of %s (%s): outcome %d", what, at, file->path, row->name,
                 (int)outcome);
    restore(ledger);
}

static void any_flipped_bit_is_noticed_or_harmless(void **state)
{
    struct ledger *ledger = ledger_make();
    bool is_exhaustive = getenv("CUSTODY_TEST_EXHAUSTIVE") != NULL;
    size_t flips = 0;

    (void)state;
    for (size_t i = 0; i < ledger->file_count; i++) {
        struct file *file = &ledger->files[i];

        for (size_t at = 0; at < file->bytes.len;) {
            for (unsigned bit = 0; bit < 8; bit++) {
                if (!is_exhaustive && bit != (at + i) % 8)
                    continue;
                file->bytes.at[at] ^= (uint8_t)(1U << bit);
                put_file(ledger, file->path, buf_slice(&file->bytes));
                file->bytes.at[at] ^= (uint8_t)(1U << bit);
                expect(ledger, file, at, class_of(file, at), "flip");
                flips++;
            }
            at += class_of(file, at) == &published ? TAIL_STEP : 1;
        }
    }
    print_message("# %zu flips\n", flips);
    assert_true(flips > 2000);
    ledger_drop(ledger);
}

static void any_cut_and_any_missing_file_is_noticed_or_harmless(void **state)
{
    struct ledger *ledger = ledger_make();
    size_t cuts = 0;

    (void)state;
    for (size_t i = 0; i < ledger->file_count; i++) {
        struct file *file = &ledger->files[i];
        const struct class_row *row = class_of(file, file->frames_begin);

        for (size_t len = 0; len < file->bytes.len; cuts++) {
            put_file(ledger, file->path, slice_part(buf_slice(&file->bytes), 0, len));
            expect(ledger, file, len, row, "cut");
            len += file->frames_end == 0 ? 1 : 1 + file->bytes.len / 97;
        }
        put_file(ledger, file->path, buf_slice(&file->bytes));
        assert_int_equal(unlinkat(ledger->fixture.folder, file->path, 0), 0);
        expect(ledger, file, 0, row, "missing");
    }
    print_message("# %zu cuts\n", cuts);
    ledger_drop(ledger);
}

/* Two files in each other's place, one twice, one with a byte more. */
static void files_that_changed_places_are_noticed(void **state)
{
    struct ledger *ledger = ledger_make();

    (void)state;
    for (size_t i = 0; i < ledger->file_count; i++) {
        AUTO_BUF struct buf longer = buf_with_limit(WAL_SEGMENT_BYTES + 2);
        struct file *file = &ledger->files[i];
        const struct class_row *row = class_of(file, file->frames_begin);
        struct fault fault = {0};

        if (row->allowed != NOTICED)
            continue;
        for (size_t k = 0; k < ledger->file_count; k++)
            if (k != i &&
                !slice_equal(buf_slice(&file->bytes), buf_slice(&ledger->files[k].bytes))) {
                put_file(ledger, file->path, buf_slice(&ledger->files[k].bytes));
                expect(ledger, file, k, row, "another file in its place");
            }
        assert_ok(buf_add(&longer, buf_slice(&file->bytes), &fault), fault);
        assert_ok(buf_add_byte(&longer, '\n', &fault), fault);
        put_file(ledger, file->path, buf_slice(&longer));
        expect(ledger, file, file->bytes.len, row, "a byte more");
    }
    ledger_drop(ledger);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(any_flipped_bit_is_noticed_or_harmless),
        TEST(any_cut_and_any_missing_file_is_noticed_or_harmless),
        TEST(files_that_changed_places_are_noticed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
