#include "fixture.h"

#include <sys/stat.h>

#include "ledger/crc32c.h"
#include "ledger/wal.h"

/* What a scan handed over. */
struct seen {
    size_t count;
    uint64_t next;
};

static bool see(void *self, const struct wal_frame *frame, struct fault *fault)
{
    struct seen *seen = self;

    (void)fault;
    seen->next = frame->index + 1;
    seen->count++;
    return true;
}

static void add_frame(struct buf *bytes, uint64_t index, uint64_t durable, const char *text)
{
    struct wal_frame frame = {.index = index,
                              .durable = durable,
                              .leaf = slice_of(text),
                              .leaf_hash = tree_leaf(slice_of(text))};
    uint8_t head[WAL_FRAME_HEAD_BYTES];
    struct fault fault = {0};

    wal_frame_write(&frame, head);
    assert_ok(buf_add(bytes, slice_of_bytes(head, sizeof(head)), &fault), fault);
    assert_ok(buf_add(bytes, frame.leaf, &fault), fault);
}

static void a_frame_with_any_flipped_bit_is_none(void **state)
{
    AUTO_BUF struct buf bytes = buf_with_limit(1024);
    struct wal_frame frame;
    size_t len;

    (void)state;
    add_frame(&bytes, 7, 5, "a record");
    assert_true(wal_frame_read(buf_slice(&bytes), &frame, &len));
    assert_int_equal(len, bytes.len);
    assert_int_equal(frame.index, 7);
    assert_int_equal(frame.durable, 5);
    for (size_t bit = 0; bit < 8 * bytes.len; bit++) {
        bytes.at[bit / 8] ^= (uint8_t)(1U << bit % 8);
        assert_false(wal_frame_read(buf_slice(&bytes), &frame, &len));
        bytes.at[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    for (size_t short_len = 0; short_len < bytes.len; short_len++)
        assert_false(wal_frame_read(slice_of_bytes(bytes.at, short_len), &frame, &len));
}

static void a_torn_tail_is_cut_wherever_it_is_torn(void **state)
{
    AUTO_BUF struct buf bytes = buf_with_limit(4096);
    size_t whole;

    (void)state;
    for (uint64_t i = 0; i < 5; i++)
        add_frame(&bytes, i, 0, "a record"); /* one batch: nothing of it was acknowledged */
    whole = bytes.len / 5;
    for (size_t cut = 0; cut < bytes.len; cut++) {
        AUTO_BUF struct buf torn = buf_with_limit(4096);
        struct wal_scan scan;
        struct seen seen = {0};
        struct fault fault = {0};

        assert_ok(buf_add(&torn, buf_slice(&bytes), &fault), fault);
        memset(torn.at + cut, 0, torn.len - cut);
        assert_ok(wal_scan(buf_slice(&torn), 0, see, &seen, &scan, &fault), fault);
        assert_int_equal(seen.count, cut / whole);
        assert_int_equal(scan.next, cut / whole);
        assert_int_equal(scan.end, cut / whole * whole);
    }
}

static void damage_to_what_was_acknowledged_is_refused(void **state)
{
    (void)state;
    for (size_t bad = 0; bad < 6; bad++) {
        AUTO_BUF struct buf bytes = buf_with_limit(4096);
        struct wal_scan scan;
        struct seen seen = {0};
        struct fault fault = {0};
        bool ok;

        for (uint64_t i = 0; i < 6; i++)
            add_frame(&bytes, 10 + i, i < 3 ? 10 : 13,
                      "a record"); /* batches 10-12 and 13-15 */
        bytes.at[bad * bytes.len / 6 + 60] ^= 1;
        ok = wal_scan(buf_slice(&bytes), 10, see, &seen, &scan, &fault);
        assert_int_equal(ok,
                         bad >= 3); /* the second batch proves that the first was on disk */
        if (!ok)
            assert_int_equal(fault.kind, FAULT_INVALID);
        else
            assert_true(scan.torn > 0);
    }
}

static void older_frames_behind_the_last_are_not_a_tail(void **state)
{
    AUTO_BUF struct buf bytes = buf_with_limit(4096);
    struct wal_scan scan;
    struct seen seen = {0};
    struct fault fault = {0};

    (void)state;
    add_frame(&bytes, 20, 20, "new");
    for (uint64_t i = 1; i < 6; i++)
        add_frame(&bytes, 10 + i, 10, "old");
    assert_ok(wal_scan(buf_slice(&bytes), 20, see, &seen, &scan, &fault), fault);
    assert_int_equal(seen.count, 1);
    assert_int_equal(scan.next, 21);
    assert_int_equal(scan.torn, 0);
}

static struct wal *reopen(struct wal *wal, const struct fixture *fixture, uint64_t published,
                          struct wal_scan *ret_scan, struct seen *ret_seen)
{
    struct fault fault = {0};
    struct wal *again;

    wal_free(wal);
    *ret_seen = (struct seen){0};
    assert_ok(wal_open(fixture->folder, published, see, ret_seen, &again, ret_scan, &fault),
              fault);
    return again;
}

static bool commit(struct wal *wal, struct fault *fault)
{
    bool done;

    return wal_begin(wal, &durable_plain, fault) && wal_finish(wal, true, &done, fault);
}

static void append(struct wal *wal, uint64_t index, const char *text)
{
    struct tree_hash hash = tree_leaf(slice_of(text));
    struct fault fault = {0};

    assert_ok(wal_add(wal, index, &hash, slice_of(text), &fault), fault);
}

static bool keep(void *self, const struct wal_frame *frame, struct fault *fault)
{
    buf_clear(self);
    return buf_add(self, frame->leaf, fault);
}

static void what_was_committed_comes_back(void **state)
{
    struct fixture fixture = fixture_make();
    AUTO_BUF struct buf leaf = buf_with_limit(1 << 17), piece = buf_with_limit(1 << 18);
    struct wal_cursor cursor = {0};
    struct wal_scan scan;
    struct seen seen;
    struct tree_hash hash;
    struct fault fault = {0};
    struct wal *wal = reopen(NULL, &fixture, 0, &scan, &seen);

    (void)state;
    assert_true(scan.is_closed);
    append(wal, 0, "zero");
    append(wal, 1, "one");
    assert_ok(commit(wal, &fault), fault);
    append(wal, 2, "never committed");
    cursor.next = 1;
    assert_ok(wal_read(wal, &cursor, 2, &piece, keep, &leaf, &fault), fault);
    assert_string_equal(buf_text(&leaf), "one");
    assert_int_equal(cursor.next, 2);
    wal = reopen(wal, &fixture, 0, &scan, &seen);
    assert_int_equal(seen.count, 2);
    append(wal, 2, "two");
    assert_ok(commit(wal, &fault), fault);
    wal_release(wal, 3);
    append(wal, 3, "three, over zero");
    assert_ok(commit(wal, &fault), fault);
    wal = reopen(wal, &fixture, 3, &scan, &seen);
    assert_int_equal(scan.first, 3);
    assert_int_equal(seen.count, 1);
    wal_release(wal, 4);
    hash = tree_leaf(SLICE("root"));
    assert_ok(wal_close_durably(wal, 4, &hash, &fault), fault);
    wal = reopen(wal, &fixture, 4, &scan, &seen);
    assert_true(scan.is_closed);
    assert_int_equal(scan.first, 4);
    append(wal, 4, "four");
    assert_ok(commit(wal, &fault), fault);
    wal = reopen(wal, &fixture, 4, &scan, &seen);
    assert_int_equal(seen.count, 1);
    wal_free(wal);
    fixture_drop(&fixture);
}

/* A frame of a write that nobody was told of must not come back behind a new one of its
 * length. */
static void a_cut_tail_does_not_rise_again(void **state)
{
    struct fixture fixture = fixture_make();
    struct wal_scan scan;
    struct seen seen;
    struct fault fault = {0};
    struct wal *wal = reopen(NULL, &fixture, 0, &scan, &seen);

    (void)state;
    append(wal, 0, "first");
    append(wal, 1, "secnd");
    append(wal, 2, "third");
    assert_ok(commit(wal, &fault), fault);
    {
        AUTO_CLOSE int fd = openat(fixture.folder, "frames", O_RDWR | O_CLOEXEC);

        assert_int_equal(pwrite(fd, "x", 1, WAL_FRAME_HEAD_BYTES), 1); /* into "first" */
    }
    wal = reopen(wal, &fixture, 0, &scan, &seen);
    assert_int_equal(seen.count, 0);
    assert_true(scan.torn > 0);
    append(wal, 0, "other");
    assert_ok(commit(wal, &fault), fault);
    wal = reopen(wal, &fixture, 0, &scan, &seen);
    assert_int_equal(seen.count, 1);
    wal_free(wal);
    fixture_drop(&fixture);
}

static void a_removed_file_stops_the_log(void **state)
{
    struct fixture fixture = fixture_make();
    struct wal_scan scan;
    struct seen seen;
    struct fault fault = {0};
    struct wal *wal = reopen(NULL, &fixture, 0, &scan, &seen);

    (void)state;
    append(wal, 0, "zero");
    assert_int_equal(unlinkat(fixture.folder, "frames", 0), 0);
    assert_false(commit(wal, &fault));
    assert_int_equal(fault.kind, FAULT_IO);
    wal_free(wal);
    fixture_drop(&fixture);
}

static void a_file_of_another_size_is_refused(void **state)
{
    struct fixture fixture = fixture_make();
    struct wal_scan scan;
    struct seen seen;
    struct fault fault = {0};
    struct wal *wal = reopen(NULL, &fixture, 0, &scan, &seen), *again;

    (void)state;
    wal_free(wal);
    {
        AUTO_CLOSE int fd = openat(fixture.folder, "frames", O_RDWR | O_CLOEXEC);

        assert_int_equal(ftruncate(fd, WAL_SEGMENT_BYTES - 1), 0);
    }
    assert_false(wal_open(fixture.folder, 0, see, &seen, &again, &scan, &fault));
    assert_int_equal(fault.kind, FAULT_INVALID);
    fixture_drop(&fixture);
}

/* Four fill the better part of a batch: few commits, as each waits for the disk. */
static void append_large(struct wal *wal, uint64_t index)
{
    static char text[60000];

    memset(text, 'x', sizeof(text) - 1);
    (void)snprintf(text, 21, "%020llu", (unsigned long long)index);
    text[20] = 'x';
    append(wal, index, text);
}

static bool commit_four(struct wal *wal, uint64_t *count, struct fault *fault)
{
    for (int i = 0; i < 4; i++)
        append_large(wal, (*count)++);
    return commit(wal, fault);
}

static struct wal *fill_three_segments(const struct fixture *fixture, uint64_t *ret_count)
{
    struct wal_scan scan;
    struct seen seen;
    struct fault fault = {0};
    struct wal *wal = reopen(NULL, fixture, 0, &scan, &seen);
    uint64_t count = 0;

    while (!file_exists(fixture->folder, "frames.2"))
        assert_ok(commit_four(wal, &count, &fault), fault);
    *ret_count = count;
    return wal;
}

static void records_go_on_in_further_segments_and_come_back(void **state)
{
    struct fixture fixture = fixture_make();
    AUTO_BUF struct buf piece = buf_with_limit(WAL_BATCH_BYTES_MAX);
    AUTO_BUF struct buf leaf = buf_with_limit(1 << 17);
    struct wal_cursor cursor = {0};
    struct wal_scan scan;
    struct seen seen;
    struct fault fault = {0};
    uint64_t count;
    struct wal *wal = fill_three_segments(&fixture, &count);

    (void)state;
    while (cursor.next < count)
        assert_ok(wal_read(wal, &cursor, count, &piece, keep, &leaf, &fault), fault);
    assert_int_equal(strtoull((const char *)leaf.at, NULL, 10), count - 1);
    wal = reopen(wal, &fixture, 0, &scan, &seen);
    assert_int_equal(seen.count, count);
    assert_int_equal(scan.next, count);
    wal_release(wal, count - 1); /* two segments come free, and are used again */
    for (uint64_t more = count; more < 2 * count;)
        assert_ok(commit_four(wal, &more, &fault), fault);
    wal = reopen(wal, &fixture, count - 1, &scan, &seen);
    assert_int_equal(scan.next, 2 * count);
    assert_false(file_exists(fixture.folder, "frames.5"));
    wal_free(wal);
    fixture_drop(&fixture);
}

static void a_segment_that_is_gone_or_damaged_is_missed(void **state)
{
    static const char *const names[] = {"frames.1", "frames.2"};

    (void)state;
    for (size_t i = 0; i < 2 * COUNT(names); i++) {
        struct fixture fixture = fixture_make();
        struct wal_scan scan;
        struct seen seen = {0};
        struct fault fault = {0};
        uint64_t count;
        struct wal *wal = fill_three_segments(&fixture, &count), *again;

        append_large(wal, count);
        assert_ok(commit(wal, &fault),
                  fault); /* the last segment has an acknowledged record */
        append_large(wal, count + 1);
        assert_ok(commit(wal, &fault), fault);
        wal_free(wal);
        if (i < COUNT(names)) {
            assert_int_equal(unlinkat(fixture.folder, names[i], 0), 0);
        } else {
            AUTO_CLOSE int fd =
                openat(fixture.folder, names[i - COUNT(names)], O_RDWR | O_CLOEXEC);

            assert_int_equal(pwrite(fd, "X", 1, WAL_FRAME_HEAD_BYTES + 7), 1);
        }
        assert_false(wal_open(fixture.folder, 0, see, &seen, &again, &scan, &fault));
        assert_int_equal(fault.kind, FAULT_INVALID);
        fixture_drop(&fixture);
    }
}

/* Its segments are all in use: nothing is written, and after a release it goes on. */
static void a_full_log_says_so_and_loses_nothing(void **state)
{
    struct fixture fixture = fixture_make();
    struct wal_scan scan;
    struct seen seen;
    struct fault fault = {0};
    struct wal *wal = reopen(NULL, &fixture, 0, &scan, &seen);
    uint64_t count = 0;
    bool done;

    (void)state;
    wal_limit(wal, 2);
    while (commit_four(wal, &count, &fault))
        continue;
    assert_int_equal(fault.kind, FAULT_LIMIT);
    assert_int_equal(wal_durable(wal), count - 4);
    wal_release(wal, count - 4);
    fault = (struct fault){0};
    assert_ok(wal_begin(wal, &durable_plain, &fault), fault);
    assert_ok(wal_finish(wal, true, &done, &fault), fault);
    assert_int_equal(wal_durable(wal), count);
    wal = reopen(wal, &fixture, count - 4, &scan, &seen);
    assert_int_equal(scan.next, count);
    wal_free(wal);
    fixture_drop(&fixture);
}

static void an_orderly_end_leaves_few_segments(void **state)
{
    struct fixture fixture = fixture_make();
    struct wal_scan scan;
    struct seen seen;
    struct tree_hash root = tree_leaf(SLICE("root"));
    struct fault fault = {0};
    struct wal *wal = reopen(NULL, &fixture, 0, &scan, &seen);
    uint64_t count = 0;

    (void)state;
    while (!file_exists(fixture.folder, "frames.5"))
        assert_ok(commit_four(wal, &count, &fault), fault);
    wal_release(wal, count);
    assert_ok(wal_close_durably(wal, count, &root, &fault), fault);
    assert_true(file_exists(fixture.folder, "frames.3"));
    assert_false(file_exists(fixture.folder, "frames.4"));
    wal = reopen(wal, &fixture, count, &scan, &seen);
    assert_true(scan.is_closed);
    assert_int_equal(seen.count, 0);
    append(wal, count, "one more");
    assert_ok(commit(wal, &fault), fault);
    wal = reopen(wal, &fixture, count, &scan, &seen);
    assert_int_equal(scan.next, count + 1);
    wal_free(wal);
    fixture_drop(&fixture);
}

static void a_checksum_is_the_known_one_both_ways(void **state)
{
    static const uint8_t zeros[32];

    (void)state; /* RFC 3720, appendix B.4; and "123456789" */
    assert_int_equal(crc32c(0, slice_of_bytes(zeros, 32)), 0x8a9136aa);
    assert_int_equal(crc32c_by_table(0, slice_of_bytes(zeros, 32)), 0x8a9136aa);
    assert_int_equal(crc32c(0, SLICE("123456789")), 0xe3069283);
    assert_int_equal(crc32c_by_table(0, SLICE("123456789")), 0xe3069283);
    assert_int_equal(crc32c(crc32c(0, SLICE("1234")), SLICE("56789")), 0xe3069283);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_frame_with_any_flipped_bit_is_none),
        TEST(a_torn_tail_is_cut_wherever_it_is_torn),
        TEST(damage_to_what_was_acknowledged_is_refused),
        TEST(older_frames_behind_the_last_are_not_a_tail),
        TEST(what_was_committed_comes_back),
        TEST(a_cut_tail_does_not_rise_again),
        TEST(a_removed_file_stops_the_log),
        TEST(a_file_of_another_size_is_refused),
        TEST(records_go_on_in_further_segments_and_come_back),
        TEST(a_segment_that_is_gone_or_damaged_is_missed),
        TEST(a_full_log_says_so_and_loses_nothing),
        TEST(an_orderly_end_leaves_few_segments),
        TEST(a_checksum_is_the_known_one_both_ways),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
