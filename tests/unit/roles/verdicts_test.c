#include "test.h"

#include "base/scope.h"
#include "roles/scanning/verdicts.h"

#define FILES 5
#define NOW_NS (INT64_C(1000) * 1000000000)

static struct stat state(unsigned file)
{
    return (struct stat){.st_dev = 7, .st_ino = 100 + file, .st_size = 10 + (off_t)file,
                         .st_mtim = {.tv_sec = 50}, .st_ctim = {.tv_sec = 50}};
}

static struct slice path(unsigned file)
{
    static const char *const paths[] = {"a/b.c", "a/c.txt", "b.c", "z.env", "z.md"};

    return slice_of(paths[file]);
}

/* Files 1 and 3 hold something; file 4 has the content of file 1 under another name. */
static void add(struct verdicts *verdicts, unsigned file)
{
    const struct placed_finding finding = {.start = 1, .end = 5, .line = 2 + file, .class = 1};
    const struct file_verdict verdict = {.findings = &finding, .count = file % 2};
    uint8_t oid[VERDICT_OID_BYTES] = {(uint8_t)(file == 4 ? 1 : file + 1)};
    struct stat stat = state(file);

    verdicts_add(verdicts, &stat, path(file), oid, &verdict);
}

static void assert_known(struct verdicts *verdicts, unsigned file)
{
    struct file_verdict verdict = {0};
    struct stat stat = state(file);

    assert_true(verdicts_by_state(verdicts, &stat, path(file), &verdict));
    assert_int_equal(verdict.count, file % 2);
    if (file % 2 == 1)
        assert_int_equal(verdict.findings[0].line, 2 + file);
}

static void keep(struct verdicts *verdicts, struct buf *file)
{
    struct fault fault = {0};

    buf_clear(file);
    assert_ok(verdicts_encode(verdicts, file, &fault), fault);
    verdicts_free(verdicts);
}

static void what_was_found_is_known_in_any_order(void **state_)
{
    static const unsigned orders[][FILES] = {{0, 1, 2, 3, 4}, {4, 3, 2, 1, 0}, {2, 0, 4, 1, 3}};
    AUTO_BUF struct buf file = buf_with_limit(1 << 20);
    struct verdicts *verdicts = verdicts_new((struct slice){0}, NOW_NS);

    (void)state_;
    for (unsigned i = 0; i < FILES; i++)
        add(verdicts, i);
    assert_true(verdicts_changed(verdicts));
    keep(verdicts, &file);
    for (size_t i = 0; i < COUNT(orders); i++) {
        verdicts = verdicts_new(buf_slice(&file), NOW_NS);
        for (unsigned j = 0; j < FILES; j++)
            assert_known(verdicts, orders[i][j]);
        assert_false(verdicts_changed(verdicts));
        keep(verdicts, &file);
    }
}

static void what_was_not_met_is_dropped_and_what_is_new_is_kept(void **state_)
{
    AUTO_BUF struct buf file = buf_with_limit(1 << 20);
    struct verdicts *verdicts = verdicts_new((struct slice){0}, NOW_NS);
    struct file_verdict verdict = {0};
    struct stat stat = state(1);

    (void)state_;
    for (unsigned i = 0; i < 3; i++)
        add(verdicts, i);
    keep(verdicts, &file);
    verdicts = verdicts_new(buf_slice(&file), NOW_NS);
    assert_known(verdicts, 2);
    add(verdicts, 3);
    assert_known(verdicts, 0);
    assert_true(verdicts_changed(verdicts));
    keep(verdicts, &file);
    verdicts = verdicts_new(buf_slice(&file), NOW_NS);
    assert_false(verdicts_by_state(verdicts, &stat, path(1), &verdict));
    assert_known(verdicts, 0);
    assert_known(verdicts, 2);
    assert_known(verdicts, 3);
    assert_false(verdicts_changed(verdicts));
    verdicts_free(verdicts);
}

static void another_state_is_known_by_its_content(void **state_)
{
    const uint8_t oid[VERDICT_OID_BYTES] = {2};
    AUTO_BUF struct buf file = buf_with_limit(1 << 20);
    struct verdicts *verdicts = verdicts_new((struct slice){0}, NOW_NS);
    struct file_verdict verdict = {0};
    struct stat stat = state(1);

    (void)state_;
    add(verdicts, 1);
    keep(verdicts, &file);
    verdicts = verdicts_new(buf_slice(&file), NOW_NS);
    stat.st_mtim.tv_sec++;
    assert_false(verdicts_by_state(verdicts, &stat, path(1), &verdict));
    assert_true(verdicts_by_content(verdicts, &stat, path(1), oid, &verdict));
    assert_int_equal(verdict.count, 1);
    /* Under a name that is read otherwise it is not the same. */
    assert_false(verdicts_by_content(verdicts, &stat, path(3), oid, &verdict));
    assert_true(verdicts_changed(verdicts));
    verdicts_free(verdicts);
}

static void a_file_that_just_changed_is_not_known_by_its_state(void **state_)
{
    struct verdicts *verdicts = verdicts_new((struct slice){0}, INT64_C(50) * 1000000000 + 5);
    struct file_verdict verdict = {0};
    struct stat stat = state(1);

    (void)state_;
    add(verdicts, 1);
    assert_false(verdicts_by_state(verdicts, &stat, path(1), &verdict));
    verdicts_free(verdicts);
}

static void damage_counts_as_empty(void **state_)
{
    AUTO_BUF struct buf file = buf_with_limit(1 << 20);
    struct verdicts *verdicts = verdicts_new((struct slice){0}, NOW_NS);
    struct file_verdict verdict = {0};
    struct stat stat = state(1);

    (void)state_;
    add(verdicts, 1);
    keep(verdicts, &file);
    file.at[file.len / 2] ^= 1;
    verdicts = verdicts_new(buf_slice(&file), NOW_NS);
    assert_false(verdicts_by_state(verdicts, &stat, path(1), &verdict));
    verdicts_free(verdicts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_was_found_is_known_in_any_order),
        TEST(what_was_not_met_is_dropped_and_what_is_new_is_kept),
        TEST(another_state_is_known_by_its_content),
        TEST(a_file_that_just_changed_is_not_known_by_its_state),
        TEST(damage_counts_as_empty),
    };

    return cmocka_run_group_tests_name("verdicts", tests, NULL, NULL);
}
