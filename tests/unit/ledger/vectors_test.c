/* Published vectors that belong to several files at once: whole logs, real tiles, real text.
 */
#include "fixture.h"

#include "ledger/checkpoint.h"
#include "ledger/tile.h"
#include "wire/jcs.h"
#include "wire/record.h"

#define TESSERA_VKEY                                                                          \
    "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx"

static const char *text_of(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

static struct tree_hash leaf_of_hex(const char *hex)
{
    size_t len = strlen(hex) / 2;
    AUTO_FREE uint8_t *bytes = xalloc(len + 1);

    assert_true(hex_decode(slice_of(hex), bytes, len));
    return tree_leaf(slice_of_bytes(bytes, len));
}

static void paths_of_rfc_6962_lead_to_its_roots(void **state)
{
    json_t *vectors = fixture_json("roots-and-paths.json"), *row;
    json_t *leaves = json_object_get(vectors, "leaves"),
           *roots = json_object_get(vectors, "roots");
    struct tree_proof proof;
    struct fault fault = {0};
    size_t i;

    (void)state;
    json_array_foreach(json_object_get(vectors, "inclusion_0based"), i, row)
    {
        size_t index = (size_t)json_integer_value(json_object_get(row, "index")),
               size = (size_t)json_integer_value(json_object_get(row, "size"));
        struct tree_hash leaf = leaf_of_hex(json_string_value(json_array_get(leaves, index)));
        struct tree_hash root =
            fixture_hash(json_string_value(json_array_get(roots, size - 1)));

        fixture_path(json_object_get(row, "path"), &proof);
        assert_ok(tree_check_inclusion(index, size, &leaf, &proof, &root, &fault), fault);
    }
    assert_int_equal(i, 5);
    json_array_foreach(json_object_get(vectors, "consistency"), i, row)
    {
        size_t from = (size_t)json_integer_value(json_object_get(row, "old")),
               to = (size_t)json_integer_value(json_object_get(row, "new"));
        struct tree_hash old =
            fixture_hash(json_string_value(json_array_get(roots, from - 1)));
        struct tree_hash root = fixture_hash(json_string_value(json_array_get(roots, to - 1)));

        fixture_path(json_object_get(row, "path"), &proof);
        assert_ok(tree_check_consistency(from, to, &old, &root, &proof, &fault), fault);
    }
    assert_int_equal(i, 4);
    json_decref(vectors);
}

static void a_real_entry_is_in_its_real_tree(void **state)
{
    json_t *vectors = fixture_json("roots-and-paths.json");
    json_t *entry = json_object_get(vectors, "real_ct_entry");
    uint64_t index = (uint64_t)json_integer_value(json_object_get(entry, "index"));
    uint64_t size = (uint64_t)json_integer_value(json_object_get(entry, "size"));
    struct tree_hash leaf = leaf_of_hex(text_of(entry, "leaf_data"));
    struct tree_hash known = fixture_hash(text_of(entry, "leaf_hash"));
    struct tree_hash root = fixture_hash(text_of(entry, "root"));
    struct tree_proof proof;
    struct fault fault = {0};

    (void)state;
    fixture_path(json_object_get(entry, "path"), &proof);
    assert_int_equal(proof.count, 22);
    assert_true(tree_hash_equal(&leaf, &known));
    assert_ok(tree_check_inclusion(index, size, &leaf, &proof, &root, &fault), fault);
    assert_false(tree_check_inclusion(index + 1, size, &leaf, &proof, &root, &fault));
    json_decref(vectors);
}

static void inner_nodes_are_those_of_rfc_6962(void **state)
{
    json_t *vectors = fixture_json("roots-and-paths.json");
    const json_t *row = json_array_get(json_object_get(vectors, "node_hash"), 0);
    struct tree_hash left = fixture_hash(text_of(row, "left"));
    struct tree_hash right = fixture_hash(text_of(row, "right"));
    struct tree_hash known = fixture_hash(text_of(row, "hash"));
    struct tree_hash node = tree_node(&left, &right);

    (void)state;
    assert_true(tree_hash_equal(&node, &known));
    json_decref(vectors);
}

/* Checkpoint `size` of the published log. */
static void open_published(int size, struct checkpoint *ret_checkpoint, struct buf *bytes)
{
    AUTO_FREE char *name = xformat("tessera-testlog/log/checkpoint.%d", size);
    struct note_key *key;
    struct fault fault = {0};

    assert_ok(note_key_parse(SLICE(TESSERA_VKEY), &key, &fault), fault);
    fixture_read(name, bytes);
    assert_ok(checkpoint_open(buf_slice(bytes), key, ret_checkpoint, &fault), fault);
    assert_int_equal(ret_checkpoint->size, size);
    note_key_free(key);
}

/* Each of the 15 sizes from its own partial tile and its own bundle. */
static void every_checkpoint_of_a_published_log_has_its_tiles(void **state)
{
    AUTO_CLOSE int vectors = fixture_vectors();
    AUTO_CLOSE int folder =
        openat(vectors, "tessera-testlog/log", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    (void)state;
    for (int size = 0; size <= 15; size++) {
        AUTO_BUF struct buf note = buf_with_limit(4096), bytes = buf_with_limit(1 << 16);
        struct tile tile = {.is_entries = true, .width = (unsigned)size};
        struct tile_source tiles = {.folder = folder, .size = (uint64_t)size};
        struct tree_source source = tile_source(&tiles);
        struct tree_range range = {0};
        struct checkpoint checkpoint;
        struct slice rest, entry;
        struct tree_hash root;
        struct fault fault = {0};

        open_published(size, &checkpoint, &note);
        if (size > 0)
            assert_ok(tile_read(folder, &tile, &bytes, &fault), fault);
        rest = buf_slice(&bytes);
        while (tile_bundle_take(&rest, &entry)) {
            struct tree_hash leaf = tree_leaf(entry);

            tree_append(&range, &leaf);
        }
        assert_int_equal(range.size, size);
        root = tree_root(&range);
        assert_true(tree_hash_equal(&root, &checkpoint.root));
        assert_ok(tree_source_root(&source, (uint64_t)size, &root, &fault), fault);
        assert_true(tree_hash_equal(&root, &checkpoint.root));
    }
}

static void all_checkpoints_of_a_published_log_are_consistent(void **state)
{
    AUTO_CLOSE int vectors = fixture_vectors();
    AUTO_CLOSE int folder =
        openat(vectors, "tessera-testlog/log", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct tile_source tiles = {.folder = folder, .size = 15};
    struct tree_source source = tile_source(&tiles);

    (void)state;
    for (int from = 1; from <= 15; from++)
        for (int to = from; to <= 15; to++) {
            AUTO_BUF struct buf note = buf_with_limit(4096), other = buf_with_limit(4096);
            struct checkpoint old, now;
            struct tree_proof proof;
            struct fault fault = {0};

            open_published(from, &old, &note);
            open_published(to, &now, &other);
            assert_ok(
                tree_prove_consistency(&source, (uint64_t)from, (uint64_t)to, &proof, &fault),
                fault);
            assert_ok(tree_check_consistency((uint64_t)from, (uint64_t)to, &old.root,
                                             &now.root, &proof, &fault),
                      fault);
        }
}

/* Takes a big-endian number of `len` bytes. */
static uint64_t take_number(struct slice *rest, size_t len)
{
    uint64_t number = 0;

    assert_true(rest->len >= len);
    for (size_t i = 0; i < len; i++)
        number = number << 8 | rest->at[i];
    *rest = slice_part(*rest, len, rest->len);
    return number;
}

static void pass(struct slice *rest, uint64_t len)
{
    assert_true(rest->len >= len);
    *rest = slice_part(*rest, (size_t)len, rest->len);
}

/* static-ct-api's TileLeaf: a TimestampedEntry, and what the log keeps beside it. */
static bool take_ct_entry(struct slice *rest, struct slice *ret_entry)
{
    struct slice begin = *rest;
    bool is_precertificate;

    if (rest->len == 0)
        return false;
    pass(rest, 8);
    is_precertificate = take_number(rest, 2) == 1;
    if (is_precertificate)
        pass(rest, 32);
    pass(rest, take_number(rest, 3));
    pass(rest, take_number(rest, 2));
    *ret_entry = slice_part(begin, 0, begin.len - rest->len);
    if (is_precertificate)
        pass(rest, take_number(rest, 3));
    pass(rest, take_number(rest, 2));
    return true;
}

static const struct ct_tile {
    const char *data;
    struct tile tile;
} ct_tiles[] = {
    {"static-ct/tile/data/000", {.index = 0, .width = TILE_WIDTH}},
    {"static-ct/tile/data/003.p/10", {.index = 3, .width = 10}},
};

static void real_tiles_hold_the_hashes_of_their_entries(void **state)
{
    AUTO_CLOSE int vectors = fixture_vectors();
    AUTO_CLOSE int folder = openat(vectors, "static-ct", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    (void)state;
    for (size_t i = 0; i < COUNT(ct_tiles); i++) {
        AUTO_BUF struct buf data = buf_with_limit(1 << 20), hashes = buf_with_limit(1 << 14);
        AUTO_BUF struct buf leaf = buf_with_limit(1 << 16);
        struct slice rest, entry;
        struct fault fault = {0};
        unsigned count = 0;

        fixture_read(ct_tiles[i].data, &data);
        assert_ok(tile_read(folder, &ct_tiles[i].tile, &hashes, &fault), fault);
        assert_int_equal(hashes.len, ct_tiles[i].tile.width * TREE_HASH_BYTES);
        rest = buf_slice(&data);
        for (; take_ct_entry(&rest, &entry); count++) {
            struct tree_hash hash;

            buf_clear(&leaf);
            assert_ok(buf_add(&leaf, SLICE("\0\0"), &fault), fault); /* v1, timestamped */
            assert_ok(buf_add(&leaf, entry, &fault), fault);
            hash = tree_leaf(buf_slice(&leaf));
            assert_memory_equal(hash.at, hashes.at + count * TREE_HASH_BYTES, TREE_HASH_BYTES);
        }
        assert_int_equal(count, ct_tiles[i].tile.width);
    }
}

static void a_partial_tile_begins_the_full_one(void **state)
{
    AUTO_BUF struct buf partial = buf_with_limit(1 << 14), full = buf_with_limit(1 << 14);

    (void)state;
    fixture_read("static-ct/tile/0/003.p/10", &partial);
    fixture_read("static-ct/tile/0/003", &full);
    assert_int_equal(partial.len, 10 * TREE_HASH_BYTES);
    assert_true(slice_starts_with(buf_slice(&full), buf_slice(&partial)));
}

/* Another log's files under the names of entry bundles. */
static void data_tiles_are_no_entry_bundles(void **state)
{
    struct fixture fixture = fixture_make();
    AUTO_FREE char *folders = xformat("%s/tile/entries/003.p", fixture.path);
    struct fault fault = {0};

    (void)state;
    assert_ok(file_make_folders(folders, 0700, &fault), fault);
    for (size_t i = 0; i < COUNT(ct_tiles); i++) {
        AUTO_BUF struct buf data = buf_with_limit(1 << 20), bytes = buf_with_limit(1 << 20);
        struct tile tile = ct_tiles[i].tile;
        char path[TILE_PATH_BYTES];

        tile.is_entries = true;
        tile_path(&tile, path);
        fixture_read(ct_tiles[i].data, &data);
        assert_ok(file_create(fixture.folder, path, buf_slice(&data), 0600, &fault), fault);
        assert_false(tile_read(fixture.folder, &tile, &bytes, &fault));
        assert_int_equal(fault.kind, FAULT_INVALID);
    }
    fixture_drop(&fixture);
}

static const char *const jcs_files[] = {"arrays", "french",  "structures",
                                        "values", "unicode", "weird"};

static void expect_text(struct slice text, struct slice canonical)
{
    AUTO_BUF struct buf json = buf_with_limit(1 << 12);
    struct fault fault = {0};

    assert_ok(jcs_add_text(&json, text, &fault), fault);
    if (slice_find(canonical, buf_slice(&json), 0) == SIZE_MAX)
        fail_msg("%s is not in the canonical text", buf_text(&json));
}

/* Each name, text and integer of `json`, as we write it, is in the canonical text. */
static void expect_parts(json_t *json, struct slice canonical)
{
    const char *name;
    json_t *value;
    size_t i;

    if (json_is_string(json))
        expect_text(slice_of_bytes(json_string_value(json), json_string_length(json)),
                    canonical);
    json_object_foreach(json, name, value)
    {
        expect_text(slice_of(name), canonical);
        expect_parts(value, canonical);
    }
    json_array_foreach(json, i, value) expect_parts(value, canonical);
    if (json_is_integer(json)) {
        AUTO_BUF struct buf number = buf_with_limit(64);
        struct fault fault = {0};

        assert_ok(jcs_add_number(&number, json_integer_value(json), &fault), fault);
        assert_true(slice_find(canonical, buf_slice(&number), 0) != SIZE_MAX);
    }
}

static void texts_are_written_as_in_rfc_8785s_vectors(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(jcs_files); i++) {
        AUTO_FREE char *input = xformat("rfc8785/input/%s.json", jcs_files[i]);
        AUTO_FREE char *output = xformat("rfc8785/output/%s.json", jcs_files[i]);
        AUTO_BUF struct buf canonical = buf_with_limit(1 << 16);
        json_t *json = fixture_json(input);

        fixture_read(output, &canonical);
        expect_parts(json, buf_slice(&canonical));
        json_decref(json);
    }
}

/* Canonical or not: what is not in the table of records is none. */
static void other_json_is_no_record(void **state)
{
    static const char *const folders[] = {"input", "output"};

    (void)state;
    for (size_t i = 0; i < COUNT(folders) * COUNT(jcs_files); i++) {
        AUTO_FREE char *name = xformat("rfc8785/%s/%s.json", folders[i % 2], jcs_files[i / 2]);
        AUTO_BUF struct buf text = buf_with_limit(1 << 16);
        AUTO_BUF struct buf arena = buf_with_limit(RECORD_BYTES_MAX + 1);
        struct record record;
        struct fault fault = {0};

        fixture_read(name, &text);
        assert_false(record_decode(buf_slice(&text), &record, NULL, &arena, &fault));
        assert_int_equal(fault.kind, FAULT_INVALID);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(paths_of_rfc_6962_lead_to_its_roots),
        TEST(a_real_entry_is_in_its_real_tree),
        TEST(inner_nodes_are_those_of_rfc_6962),
        TEST(every_checkpoint_of_a_published_log_has_its_tiles),
        TEST(all_checkpoints_of_a_published_log_are_consistent),
        TEST(real_tiles_hold_the_hashes_of_their_entries),
        TEST(a_partial_tile_begins_the_full_one),
        TEST(data_tiles_are_no_entry_bundles),
        TEST(texts_are_written_as_in_rfc_8785s_vectors),
        TEST(other_json_is_no_record),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
