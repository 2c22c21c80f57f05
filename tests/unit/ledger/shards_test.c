/* The list of shards in a state folder. */
#include "fixture.h"

#include <sys/stat.h>

#include "ledger/checkpoint.h"
#include "ledger/shards.h"

static void put_shard(const struct fixture *home, const char *name, uint64_t size)
{
    AUTO_FREE char *path = xformat("%s/checkpoint", name);
    AUTO_BUF struct buf vkey = buf_with_limit(1024);
    AUTO_BUF struct buf note = buf_with_limit(NOTE_BYTES_MAX);
    struct note_signer *signer = fixture_signer(0, &vkey);
    struct tree_hash root = tree_root(&(struct tree_range){0});
    struct fault fault = {0};

    (void)mkdirat(home->folder, "shards", 0755);
    assert_int_equal(mkdirat(home->folder, name, 0755), 0);
    assert_ok(checkpoint_sign(size, &root, signer, &note, &fault), fault);
    assert_ok(file_create(home->folder, path, buf_slice(&note), 0644, &fault), fault);
    note_signer_free(signer);
}

static void shards_come_oldest_first_and_the_current_one_last(void **state)
{
    struct fixture home = fixture_make();
    struct shard_list list = {0};
    struct fault fault = {0};

    (void)state;
    assert_false(shards_open(home.folder, &list, &fault));
    assert_int_equal(fault.kind, FAULT_MISSING);
    assert_int_equal(mkdirat(home.folder, "ledger", 0755), 0);
    assert_ok(shards_open(home.folder, &list, &fault), fault);
    assert_int_equal(list.count, 1);
    assert_true(list.at[0].is_current);
    assert_int_equal(list.at[0].number, 1);
    assert_string_equal(list.at[0].origin, ""); /* nothing was signed yet */
    shards_close(&list);
    put_shard(&home, "shards/0003", 0);
    put_shard(&home, "shards/0001", 0);
    assert_int_equal(mkdirat(home.folder, "shards/next", 0755), 0); /* no shard's name */
    assert_ok(shards_open(home.folder, &list, &fault), fault);
    assert_int_equal(list.count, 3);
    assert_int_equal(list.at[0].number, 1);
    assert_int_equal(list.at[1].number, 3);
    assert_int_equal(list.at[2].number, 4);
    assert_true(list.at[2].is_current);
    assert_string_equal(list.at[1].origin, FIXTURE_NAME);
    shards_close(&list);
    fixture_drop(&home);
}

static void a_checkpoint_that_is_none_is_refused(void **state)
{
    struct fixture home = fixture_make();
    struct shard_list list = {0};
    struct fault fault = {0};

    (void)state;
    put_shard(&home, "ledger", 0);
    assert_ok(
        file_replace_durably(home.folder, "ledger/checkpoint", SLICE("one\n"), 0644, &fault),
        fault);
    assert_false(shards_open(home.folder, &list, &fault));
    assert_int_equal(fault.kind, FAULT_INVALID);
    put_shard(&home, "shards/0001", 0);
    assert_ok(
        file_replace_durably(home.folder, "shards/0002", SLICE("no folder"), 0644, &fault),
        fault);
    assert_ok(shards_open_as_found(home.folder, &list, &fault), fault);
    assert_int_equal(list.count, 2);
    assert_string_equal(list.at[0].origin, FIXTURE_NAME);
    assert_string_equal(list.at[1].origin, "");
    shards_close(&list);
    fixture_drop(&home);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(shards_come_oldest_first_and_the_current_one_last),
        TEST(a_checkpoint_that_is_none_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
