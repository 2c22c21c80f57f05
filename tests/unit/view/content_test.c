#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/scope.h"
#include "os/clock_real.h"
#include "os/file.h"
#include "view/content.h"

static const uint8_t rules[CONTENT_RULES_BYTES] = {7};

struct place {
    char name[40];
    int fd;
};

static struct place place_new(void)
{
    struct place place = {.name = "/tmp/custody-content-XXXXXX"};

    assert_non_null(mkdtemp(place.name));
    place.fd = open(place.name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return place;
}

static void place_end(struct place *place)
{
    struct fault fault = {0};

    (void)close(place->fd);
    assert_ok(file_remove_tree(AT_FDCWD, place->name, &fault), fault);
}

static void oid_for(uint32_t number, uint8_t ret_oid[20])
{
    uint64_t spread = (number + 1) * 0x9e3779b97f4a7c15;

    memset(ret_oid, 0, 20);
    memcpy(ret_oid, &spread, sizeof(spread));
    memcpy(ret_oid + 10, &number, sizeof(number));
}

static void fill(struct place *place, uint32_t from, uint32_t to, bool commit)
{
    struct snapshot_finding finding = {.start = 1, .end = 3, .class = CLASS_PAN};
    struct content *content = NULL;
    struct fault fault = {0};

    assert_ok(content_open(place->fd, &content, &fault), fault);
    for (uint32_t i = from; i < to; i++) {
        uint8_t oid[20];
        uint64_t at;

        oid_for(i, oid);
        assert_ok(content_add(content, oid, 20, slice_of_bytes(oid, 20), &at, &fault), fault);
        assert_ok(content_verdict_add(content, oid, 20, rules, CLASS_BIT(CLASS_PAN), &finding,
                                      i % 2, &fault),
                  fault);
    }
    if (commit)
        assert_ok(content_commit(content, &fault), fault);
    content_close(content);
}

static uint32_t count_good(struct place *place, uint32_t upto)
{
    struct content *content = NULL;
    struct fault fault = {0};
    uint32_t good = 0;

    assert_ok(content_open(place->fd, &content, &fault), fault);
    for (uint32_t i = 0; i < upto; i++) {
        const struct snapshot_finding *findings;
        uint8_t oid[20], seen[20];
        uint64_t at, len;
        unsigned mask;
        size_t count;

        oid_for(i, oid);
        if (!content_find(content, oid, 20, &at, &len))
            continue;
        assert_int_equal(len, 20);
        assert_int_equal(pread(content_fd(content), seen, 20, (off_t)at), 20);
        assert_memory_equal(seen, oid, 20);
        good++;
        if (!content_verdict_find(content, oid, 20, rules, &mask, &findings, &count))
            continue;
        assert_int_equal(mask, CLASS_BIT(CLASS_PAN));
        assert_int_equal(count, i % 2);
        assert_true(count == 0 || findings[0].end == 3);
    }
    content_close(content);
    return good;
}

static void what_was_committed_is_found_again(void **state)
{
    struct place place = place_new();

    (void)state;
    fill(&place, 0, 100, true);
    fill(&place, 50, 150, true);
    assert_int_equal(count_good(&place, 200), 150);
    place_end(&place);
}

static void what_was_not_committed_is_forgotten(void **state)
{
    struct place place = place_new();

    (void)state;
    fill(&place, 0, 10, true);
    fill(&place, 10, 20, false);
    assert_int_equal(count_good(&place, 20), 10);
    fill(&place, 10, 20, true);
    assert_int_equal(count_good(&place, 20), 20);
    place_end(&place);
}

static void torn_tail_is_ignored_and_the_next_writer_goes_on(void **state)
{
    struct place place = place_new();
    struct stat stat;

    (void)state;
    fill(&place, 0, 20, true);
    assert_int_equal(fstatat(place.fd, "blobs", &stat, 0), 0);
    for (off_t cut = stat.st_size; cut >= 0; cut -= 13) {
        AUTO_CLOSE int blobs = openat(place.fd, "blobs", O_RDWR | O_CLOEXEC);
        uint32_t good;

        assert_int_equal(ftruncate(blobs, cut), 0);
        good = count_good(&place, 20);
        assert_true(good <= 20);
        if (cut % 2 == 0)
            fill(&place, 0, 20, true);
        if (cut % 2 == 0)
            assert_int_equal(count_good(&place, 20), 20);
        if (cut % 2 == 0)
            (void)ftruncate(blobs, cut);
    }
    place_end(&place);
}

static void flipped_byte_in_a_record_ends_the_good_part(void **state)
{
    struct place place = place_new();
    AUTO_CLOSE int blobs = -1;
    struct stat stat;

    (void)state;
    fill(&place, 0, 20, true);
    blobs = openat(place.fd, "blobs", O_RDWR | O_CLOEXEC);
    assert_int_equal(fstat(blobs, &stat), 0);
    assert_int_equal(pwrite(blobs, "\xff", 1, stat.st_size / 2), 1);
    assert_in_range(count_good(&place, 20), 8, 11);
    fill(&place, 0, 20, true);
    assert_int_equal(count_good(&place, 20), 20);
    place_end(&place);
}

static void two_writers_at_once_lose_nothing(void **state)
{
    struct place place = place_new();

    (void)state;
    for (uint32_t writer = 0; writer < 4; writer++)
        if (fork() == 0) {
            for (uint32_t part = 0; part < 10; part++)
                fill(&place, writer * 50 + part * 10, writer * 50 + part * 10 + 10, true);
            _exit(0);
        }
    for (int writer = 0; writer < 4; writer++) {
        int status;

        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
    }
    assert_int_equal(count_good(&place, 250), 250);
    place_end(&place);
}

static void blob_in_parts_is_one_blob(void **state)
{
    struct place place = place_new();
    struct content *content = NULL;
    struct fault fault = {0};
    uint8_t oid[20] = {9};
    uint64_t at, len;

    (void)state;
    assert_ok(content_open(place.fd, &content, &fault), fault);
    assert_ok(content_add_begin(content, oid, 20, 6, &fault), fault);
    assert_ok(content_add_more(content, SLICE("abc"), &fault), fault);
    assert_false(content_add_more(content, SLICE("defg"), &fault));
    assert_ok(content_add_more(content, SLICE("def"), &fault), fault);
    assert_ok(content_add_end(content, &at, &fault), fault);
    assert_true(content_find(content, oid, 20, &at, &len));
    assert_int_equal(len, 6);
    assert_ok(
        content_add_begin(content, (const uint8_t *)"xxxxxxxxxxxxxxxxxxxx", 20, 6, &fault),
        fault);
    assert_false(content_add_end(content, &at, &fault));
    content_close(content);
    place_end(&place);
}

static void twenty_thousand_entries_load_at_once(void **state)
{
    struct place place = place_new();
    struct content *content = NULL;
    struct fault fault = {0};
    int64_t best_us = INT64_MAX;

    (void)state;
    fill(&place, 0, 20000, true);
    for (int i = 0; i < 5; i++) {
        int64_t start = clock_monotonic_us(&clock_real), took;

        assert_ok(content_open(place.fd, &content, &fault), fault);
        took = clock_monotonic_us(&clock_real) - start;
        best_us = took < best_us ? took : best_us;
        assert_int_equal(content_blob_count(content), 20000);
        content_close(content);
    }
    print_message("loading 20000 blobs and verdicts: %lld us\n", (long long)best_us);
    place_end(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_was_committed_is_found_again),
        TEST(what_was_not_committed_is_forgotten),
        TEST(torn_tail_is_ignored_and_the_next_writer_goes_on),
        TEST(flipped_byte_in_a_record_ends_the_good_part),
        TEST(two_writers_at_once_lose_nothing),
        TEST(blob_in_parts_is_one_blob),
        TEST(twenty_thousand_entries_load_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
