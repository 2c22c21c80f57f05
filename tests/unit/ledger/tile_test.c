#include "fixture.h"

#include <openssl/evp.h>

#include "ledger/edge.h"
#include "ledger/tile.h"

static void names_of_tiles_are_the_known_ones(void **state)
{
    AUTO_BUF struct buf bytes = buf_with_limit(1 << 16);
    struct slice rest, line;
    size_t count = 0;

    (void)state;
    fixture_read("tile-paths.txt", &bytes);
    rest = buf_slice(&bytes);
    while (slice_cut(&rest, '\n', &line)) {
        char level[16] = "", path[TILE_PATH_BYTES] = "", got[TILE_PATH_BYTES];
        AUTO_FREE char *text = slice_dup(line);
        unsigned long long index;
        unsigned width;
        struct tile tile, parsed;

        if (line.len == 0 || line.at[0] == '#')
            continue;
        assert_int_equal(sscanf(text, "%15s %llu %u %95s", level, &index, &width, path), 4);
        tile = (struct tile){.is_entries = strcmp(level, "entries") == 0,
                             .index = index,
                             .width = width == 0 ? TILE_WIDTH : width};
        if (!tile.is_entries)
            tile.level = (unsigned)strtoul(level, NULL, 10);
        tile_path(&tile, got);
        assert_string_equal(got, path);
        assert_true(tile_path_parse(slice_of(path), &parsed));
        assert_int_equal(parsed.index, tile.index);
        assert_int_equal(parsed.level, tile.level);
        assert_int_equal(parsed.width, tile.width);
        assert_int_equal(parsed.is_entries, tile.is_entries);
        count++;
    }
    assert_int_equal(count, 11);
}

static void other_names_are_no_tiles(void **state)
{
    static const char *const refused[] = {
        "",
        "tile",
        "tile/",
        "tile/0",
        "tile/0/",
        "tile/0/0",
        "tile/0/00",
        "tile/0/0000",
        "tile/00/000",
        "tile/64/000",
        "tile/100/000",
        "tile/-1/000",
        "tile/0/x000/000",
        "tile/0/x001",
        "tile/0/001/000",
        "tile/0/000.p",
        "tile/0/000.p/",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000.p/1/",
        "tile/0/000 ",
        "/tile/0/000",
        "tile//0/000",
        "tile/entry/000",
        "tile/entries/abc",
        "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
    };
    struct tile tile;

    (void)state;
    for (size_t i = 0; i < COUNT(refused); i++)
        if (tile_path_parse(slice_of(refused[i]), &tile))
            fail_msg("accepted %s", refused[i]);
}

static void widths_follow_the_size(void **state)
{
    static const struct {
        unsigned level;
        uint64_t index, size;
        unsigned width;
    } cases[] = {
        {0, 0, 0, 0},
        {0, 0, 1, 1},
        {0, 0, 255, 255},
        {0, 0, 256, 256},
        {0, 1, 256, 0},
        {1, 0, 255, 0},
        {1, 0, 256, 1},
        {0, 273, 70000, 112},
        {0, 272, 70000, 256},
        {0, 274, 70000, 0},
        {1, 1, 70000, 17},
        {2, 0, 70000, 1},
        {3, 0, 70000, 0},
        {7, 0, TREE_SIZE_MAX, 127},
        {8, 0, TREE_SIZE_MAX, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(tile_width(cases[i].level, cases[i].index, cases[i].size),
                         cases[i].width);
}

static void a_bundle_is_its_entries_with_their_lengths(void **state)
{
    AUTO_BUF struct buf bundle = buf_with_limit(1 << 17);
    AUTO_FREE char *long_text = xalloc(TILE_ENTRY_BYTES_MAX + 1);
    struct slice rest, entry;
    struct fault fault = {0};

    (void)state;
    assert_ok(tile_bundle_add(&bundle, SLICE("one"), &fault), fault);
    assert_ok(tile_bundle_add(&bundle, SLICE("two"), &fault), fault);
    assert_memory_equal(bundle.at, "\x00\x03one\x00\x03two", 10);
    assert_int_equal(bundle.len, 10);
    assert_false(
        tile_bundle_add(&bundle, slice_of_bytes(long_text, TILE_ENTRY_BYTES_MAX + 1), &fault));
    assert_ok(
        tile_bundle_add(&bundle, slice_of_bytes(long_text, TILE_ENTRY_BYTES_MAX), &fault),
        fault);
    rest = slice_part(buf_slice(&bundle), 0, 10);
    assert_true(tile_bundle_take(&rest, &entry));
    assert_true(slice_equal(entry, SLICE("one")));
    assert_true(tile_bundle_take(&rest, &entry));
    assert_false(tile_bundle_take(&rest, &entry));
    assert_int_equal(rest.len, 0);
    rest = slice_of_bytes("\x00\x05one", 5);
    assert_false(tile_bundle_take(&rest, &entry));
    assert_int_equal(rest.len, 5);
}

static void write_tree(const struct fixture *fixture, uint64_t size)
{
    struct edge *edge = edge_new(fixture->folder, fixture->folder, &durable_plain);
    struct fault fault = {0};

    for (uint64_t i = 0; i < size; i++) {
        char text[24];
        struct tree_hash hash;

        (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)i);
        hash = tree_leaf(slice_of(text));
        assert_ok(edge_add(edge, slice_of(text), &hash, &fault), fault);
    }
    assert_ok(edge_flush(edge, &fault), fault);
    edge_free(edge);
}

static void a_large_tree_lies_on_disk_as_known(void **state)
{
    json_t *vectors = fixture_json("tree-70000.json"), *row;
    struct fixture fixture = fixture_make();
    AUTO_FREE struct tile_source *from_tiles = xalloc(sizeof(*from_tiles));
    struct tree_source source = tile_source(from_tiles);
    struct edge *edge = edge_new(fixture.folder, fixture.folder, &durable_plain);
    struct tree_range range;
    struct tree_hash root, known;
    struct fault fault = {0};
    const char *path;
    size_t i;

    (void)state;
    from_tiles->folder = fixture.folder;
    from_tiles->size = 70000;
    write_tree(&fixture, 70000);
    json_object_foreach(json_object_get(vectors, "tile_sha256"), path, row)
    {
        AUTO_BUF struct buf bytes = buf_with_limit(TILE_BUNDLE_BYTES_MAX);
        uint8_t digest[32];
        char hex[65];

        assert_ok(file_read(fixture.folder, path, &bytes, &fault), fault);
        assert_int_equal(bytes.len, json_integer_value(json_object_get(row, "len")));
        assert_int_equal(EVP_Digest(bytes.at, bytes.len, digest, NULL, EVP_sha256(), NULL), 1);
        hex_encode(slice_of_bytes(digest, sizeof(digest)), hex);
        assert_string_equal(hex, json_string_value(json_object_get(row, "sha256")));
    }
    json_array_foreach(json_object_get(vectors, "inclusion"), i, row)
    {
        struct tree_proof proof, known_proof;

        if (json_integer_value(json_object_get(row, "size")) != 70000)
            continue;
        fixture_path(json_object_get(row, "path"), &known_proof);
        assert_ok(tree_prove_inclusion(
                      &source, (uint64_t)json_integer_value(json_object_get(row, "index")),
                      70000, &proof, &fault),
                  fault);
        assert_int_equal(proof.count, known_proof.count);
        assert_memory_equal(proof.hash, known_proof.hash, proof.count * sizeof(proof.hash[0]));
    }
    assert_ok(edge_load(edge, 70000, &range, &fault), fault);
    root = tree_root(&range);
    known = fixture_hash(
        json_string_value(json_object_get(json_object_get(vectors, "roots"), "70000")));
    assert_true(tree_hash_equal(&root, &known));
    edge_free(edge);
    json_decref(vectors);
    fixture_drop(&fixture);
}

static void a_tile_is_never_written_over_with_other_bytes(void **state)
{
    struct fixture fixture = fixture_make();
    struct edge *edge = edge_new(fixture.folder, fixture.folder, &durable_plain);
    struct fault fault = {0};

    (void)state;
    write_tree(&fixture, 300);
    write_tree(&fixture, 300); /* the same bytes once more are fine */
    for (unsigned i = 0; i < 255; i++) {
        struct tree_hash hash = tree_leaf(SLICE("other"));

        assert_ok(edge_add(edge, SLICE("other"), &hash, &fault), fault);
    }
    {
        struct tree_hash hash = tree_leaf(SLICE("other"));

        assert_false(edge_add(edge, SLICE("other"), &hash, &fault));
    }
    assert_string_equal(fault.why, "tile/entries/000 is there with other content");
    edge_free(edge);
    fixture_drop(&fixture);
}

static void damaged_and_missing_tiles_are_told_apart(void **state)
{
    struct fixture fixture = fixture_make();
    AUTO_BUF struct buf bytes = buf_with_limit(TILE_BUNDLE_BYTES_MAX);
    struct tile tile = {.is_entries = true, .index = 1, .width = 44};
    struct fault fault = {0};

    (void)state;
    write_tree(&fixture, 300);
    assert_ok(tile_read(fixture.folder, &tile, &bytes, &fault), fault);
    tile.width = 45;
    assert_false(tile_read(fixture.folder, &tile, &bytes, &fault));
    assert_int_equal(fault.kind, FAULT_MISSING);
    tile =
        (struct tile){.is_entries = true, .index = 0, .width = 3}; /* the full one has them */
    assert_ok(tile_read(fixture.folder, &tile, &bytes, &fault), fault);
    assert_memory_equal(bytes.at,
                        "\x00\x01"
                        "0\x00\x01"
                        "1\x00\x01"
                        "2",
                        9);
    assert_int_equal(bytes.len, 9);
    {
        AUTO_CLOSE int fd =
            openat(fixture.folder, "tile/0/000", O_WRONLY | O_APPEND | O_CLOEXEC);

        assert_int_equal(write(fd, "x", 1), 1);
    }
    tile = (struct tile){.index = 0, .width = TILE_WIDTH};
    assert_false(tile_read(fixture.folder, &tile, &bytes, &fault));
    fixture_drop(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(names_of_tiles_are_the_known_ones),
        TEST(other_names_are_no_tiles),
        TEST(widths_follow_the_size),
        TEST(a_bundle_is_its_entries_with_their_lengths),
        TEST(a_large_tree_lies_on_disk_as_known),
        TEST(a_tile_is_never_written_over_with_other_bytes),
        TEST(damaged_and_missing_tiles_are_told_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
