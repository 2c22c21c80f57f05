#include "test.h"

#include "view/fixture.h"
#include "view/object.h"

static void snapshot_has_what_the_base_has_and_nothing_denied(void **state)
{
    struct fixture fixture = {.hide_names = true};
    struct fault fault = {0};
    const struct snapshot_node *cards;
    struct slice bytes;
    uint32_t number;
    size_t count;

    (void)state;
    assert_ok(fixture_repository(&fixture, fixture_files, &fault), fault);
    assert_int_equal(snapshot_find(fixture.snapshot, SLICE("secrets/server.pem")),
                     SNAPSHOT_NONE);
    assert_int_equal(snapshot_find(fixture.snapshot, SLICE("secrets")), SNAPSHOT_NONE);
    assert_int_equal(snapshot_find(fixture.snapshot, SLICE("src/absent")), SNAPSHOT_NONE);
    assert_int_not_equal(snapshot_find(fixture.snapshot, SLICE("src/deep/er/x.txt")),
                         SNAPSHOT_NONE);
    assert_int_not_equal(snapshot_find(fixture.snapshot, SLICE("src-old/a")), SNAPSHOT_NONE);
    number = snapshot_find(fixture.snapshot, SLICE("data/cards.csv"));
    cards = snapshot_node(fixture.snapshot, number);
    assert_int_equal(cards->verdict, VERDICT_REDACT);
    assert_int_equal(cards->finding_count, 2);
    assert_int_equal(snapshot_findings(fixture.snapshot, number)[1].start, 35);
    assert_true(slice_equal(snapshot_rule(fixture.snapshot, number), SLICE("data.pan.view")));
    assert_int_equal(*snapshot_redacted(fixture.snapshot, &count), number);
    assert_int_equal(count, 1);
    assert_true(redacted_find(fixture.redacted, number, &bytes));
    assert_int_equal(bytes.len, cards->size);
    assert_int_equal(slice_find(bytes, SLICE("4111"), 0), SIZE_MAX);
    fixture_end(&fixture);
}

static void trees_of_a_snapshot_without_denied_files_are_gits_own(void **state)
{
    struct fixture fixture = {.hide_names = true};
    AUTO_BUF struct buf tree = buf_with_limit(1000);
    struct fault fault = {0};
    char hex[65];
    uint32_t number;

    (void)state;
    assert_ok(fixture_repository(&fixture, fixture_files, &fault), fault);
    assert_int_equal(RUN(fixture.repo, &tree, "git", "rev-parse", "HEAD:src"), 0);
    number = snapshot_find(fixture.snapshot, SLICE("src"));
    hex_encode(slice_of_bytes(snapshot_node(fixture.snapshot, number)->oid, 20), hex);
    assert_true(slice_equal(slice_trim(buf_slice(&tree)), slice_of(hex)));
    number = snapshot_find(fixture.snapshot, SLICE("data"));
    assert_int_equal(snapshot_node(fixture.snapshot, number)->flags, SNAPSHOT_CHANGES_BELOW);
    fixture_end(&fixture);
}

static void damaged_snapshot_is_refused(void **state)
{
    struct fixture fixture = {.hide_names = true};
    AUTO_BUF struct buf nodes = buf_with_limit(1 << 20);
    AUTO_FREE char *path = NULL;
    struct fault fault = {0};
    AUTO_FREE char *folder_path = NULL;
    AUTO_CLOSE int folder = -1;
    size_t index_bytes, refused = 0;
    uint32_t count = 0;

    (void)state;
    assert_ok(fixture_repository(&fixture, fixture_files, &fault), fault);
    folder_path = xformat("%s/" FIXTURE_KEY, fixture.folder);
    path = xformat("%s/nodes", folder_path);
    folder = open(folder_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_ok(snapshot_count_nodes(folder, &count, &fault), fault);
    assert_int_equal(count, snapshot_node_count(fixture.snapshot));
    index_bytes = snapshot_index(fixture.snapshot).len;
    assert_ok(file_read(AT_FDCWD, path, &nodes, &fault), fault);
    assert_true(snapshot_check(buf_slice(&nodes), index_bytes, &fault));
    assert_false(snapshot_check(buf_slice(&nodes), index_bytes + 1, &fault));
    for (size_t len = 0; len < nodes.len; len += 7) {
        assert_false(
            snapshot_check(slice_part(buf_slice(&nodes), 0, len), index_bytes, &fault));
        assert_int_equal(fault.kind, FAULT_INVALID);
    }
    for (size_t i = 0; i < nodes.len; i++) { /* never a crash; most bytes matter */
        nodes.at[i] ^= 0xff;
        refused += !snapshot_check(buf_slice(&nodes), index_bytes, &fault);
        nodes.at[i] ^= 0xff;
    }
    assert_true(refused > nodes.len / 4);
    assert_int_equal(truncate(path, (off_t)nodes.len - 1), 0);
    assert_false(snapshot_count_nodes(folder, &count, &fault));
    assert_int_equal(fault.kind, FAULT_INVALID);
    scope_close(&folder);
    fixture_end(&fixture);
}

static void builder_refuses_what_no_tree_can_hold(void **state)
{
    static const struct {
        const char *first, *second;
    } cases[] = {{"b", "a"},      {"a", "a"},   {"a", "a/b"}, {"a/../b", NULL},
                 {"", NULL},      {"/a", NULL}, {"a/", NULL}, {".GIT/config", NULL},
                 {"x/.git", NULL}};
    struct snapshot_settings settings = {.oid_bytes = 20, .hide_names = true};
    AUTO_CLOSE int folder = -1;
    char name[] = "/tmp/custody-view-XXXXXX";
    const uint8_t *empty =
        (const uint8_t *)"\xe6\x9d\xe2\x9b\xb2\xd1\xd6\x43\x4b\x8b\x29\xae\x77\x5a"
                         "\xd8\xc2\xe4\x8c\x53\x91";

    (void)state;
    assert_non_null(mkdtemp(name));
    folder = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct snapshot_entry entry = {.mode = SNAPSHOT_MODE_FILE, .oid = empty};
        struct snapshot_builder *builder = NULL;
        struct fault fault = {0};
        bool done;

        assert_ok(snapshot_builder_new(&settings, &builder, &fault), fault);
        entry.path = slice_of(cases[i].first);
        done = snapshot_builder_add(builder, &entry, &fault);
        if (done && cases[i].second != NULL) {
            entry.path = slice_of(cases[i].second);
            done = snapshot_builder_add(builder, &entry, &fault);
        }
        done = done && snapshot_builder_finish(builder, folder, "key", folder, NULL, &fault);
        assert_false(done);
        assert_int_equal(fault.kind, FAULT_INVALID);
        snapshot_builder_free(builder);
    }
    assert_int_equal(rmdir(name), 0); /* nothing half-made is left */
}

static void snapshot_refuses_content_that_is_not_the_blob(void **state)
{
    struct fixture fixture = {.hide_names = true};
    struct snapshot_settings settings = {.oid_bytes = 20, .hide_names = true};
    uint8_t oid[20] = {1, 2, 3};
    struct snapshot_entry entry = {
        .path = SLICE("a"), .mode = SNAPSHOT_MODE_FILE, .oid = oid, .size = 3};
    AUTO_CLOSE int folder = -1;
    struct snapshot_builder *builder = NULL;
    struct fault fault = {0};

    (void)state;
    assert_ok(fixture_repository(&fixture, fixture_files, &fault), fault);
    folder = open(fixture.folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_ok(snapshot_builder_new(&settings, &builder, &fault), fault);
    assert_ok(snapshot_builder_add(builder, &entry, &fault), fault);
    assert_false(
        snapshot_builder_finish(builder, folder, "other", fixture.content_fd, NULL, &fault));
    assert_int_equal(fault.kind, FAULT_INVALID);
    snapshot_builder_free(builder);
    fixture_end(&fixture);
}

static void the_second_builder_of_a_key_finds_the_first(void **state)
{
    struct fixture fixture = {.hide_names = true};
    struct fault fault = {0};

    (void)state;
    assert_ok(fixture_repository(&fixture, fixture_files, &fault), fault);
    snapshot_close(fixture.snapshot);
    redacted_free(fixture.redacted);
    content_close(fixture.content);
    assert_ok(fixture_snapshot(&fixture, &fault), fault);
    fixture_end(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(snapshot_has_what_the_base_has_and_nothing_denied),
        TEST(trees_of_a_snapshot_without_denied_files_are_gits_own),
        TEST(damaged_snapshot_is_refused),
        TEST(builder_refuses_what_no_tree_can_hold),
        TEST(snapshot_refuses_content_that_is_not_the_blob),
        TEST(the_second_builder_of_a_key_finds_the_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
