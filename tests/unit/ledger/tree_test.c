#include "fixture.h"

#include "wire/base64.h"

static void hex_of_json(const json_t *text, struct buf *ret_bytes)
{
    const char *hex = json_string_value(text);
    size_t len = strlen(hex) / 2;
    struct fault fault = {0};

    buf_clear(ret_bytes);
    assert_ok(buf_reserve(ret_bytes, len, &fault), fault);
    assert_true(hex_decode(slice_of(hex), ret_bytes->at, len));
    ret_bytes->len = len;
}

static const char *text_of(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

static uint64_t number_of(const json_t *object, const char *name)
{
    const json_t *number = json_object_get(object, name);

    return json_is_string(number) ? strtoull(json_string_value(number), NULL, 10)
                                  : (uint64_t)json_integer_value(number);
}

static void hashes_and_roots_are_those_of_rfc_6962(void **state)
{
    json_t *vectors = fixture_json("roots-and-paths.json");
    json_t *leaves = json_object_get(vectors, "leaves"),
           *roots = json_object_get(vectors, "roots");
    AUTO_BUF struct buf bytes = buf_with_limit(1 << 16);
    struct tree_range range = {0};
    struct tree_hash hash = tree_root(&range),
                     known = fixture_hash(text_of(vectors, "empty_tree"));
    json_t *row;
    size_t i;

    (void)state;
    assert_true(tree_hash_equal(&hash, &known));
    json_array_foreach(json_object_get(vectors, "leaf_hash"), i, row)
    {
        hex_of_json(json_object_get(row, "data"), &bytes);
        hash = tree_leaf(buf_slice(&bytes));
        known = fixture_hash(text_of(row, "hash"));
        assert_true(tree_hash_equal(&hash, &known));
    }
    json_array_foreach(leaves, i, row)
    {
        hex_of_json(row, &bytes);
        hash = tree_leaf(buf_slice(&bytes));
        tree_append(&range, &hash);
        hash = tree_root(&range);
        known = fixture_hash(json_string_value(json_array_get(roots, i)));
        assert_true(tree_hash_equal(&hash, &known));
    }
    assert_int_equal(i, 8);
    json_decref(vectors);
}

static void a_leaf_in_canonical_json_has_the_known_hash(void **state)
{
    json_t *vector = fixture_json("rec-v1-example.json");
    struct tree_hash hash = tree_leaf(slice_of(text_of(vector, "leaf_utf8")));
    struct tree_hash known = fixture_hash(text_of(vector, "leaf_hash_hex"));

    (void)state;
    assert_true(tree_hash_equal(&hash, &known));
    json_decref(vector);
}

/* Decodes base64; false where it is not a hash: that is refused before any arithmetic. */
static bool hash_of_base64(const json_t *text, struct tree_hash *ret_hash)
{
    return base64_decode_exactly(slice_of(json_string_value(text)), ret_hash->at,
                                 sizeof(ret_hash->at));
}

static bool proof_of_base64(const json_t *array, struct tree_proof *ret_proof)
{
    ret_proof->count = 0;
    for (size_t i = 0; i < json_array_size(array); i++)
        if (ret_proof->count == COUNT(ret_proof->hash) ||
            !hash_of_base64(json_array_get(array, i), &ret_proof->hash[ret_proof->count++]))
            return false;
    return true;
}

static void proofs_pass_and_fail_as_they_must(void **state)
{
    json_t *vectors = fixture_json("merkle-proofs.json"), *row;
    size_t i, passed = 0, refused = 0;

    (void)state;
    json_array_foreach(json_object_get(vectors, "inclusion"), i, row)
    {
        struct tree_proof proof;
        struct tree_hash root, leaf;
        struct fault fault = {0};
        bool ok = hash_of_base64(json_object_get(row, "root"), &root) &&
                  hash_of_base64(json_object_get(row, "leafHash"), &leaf) &&
                  proof_of_base64(json_object_get(row, "proof"), &proof) &&
                  tree_check_inclusion(number_of(row, "leafIdx"), number_of(row, "treeSize"),
                                       &leaf, &proof, &root, &fault);

        if (ok == json_is_true(json_object_get(row, "wantErr")))
            fail_msg("inclusion/%s", text_of(row, "file"));
        passed += ok;
        refused += !ok;
    }
    assert_int_equal(passed, 6);
    json_array_foreach(json_object_get(vectors, "consistency"), i, row)
    {
        struct tree_proof proof;
        struct tree_hash old_root, root;
        struct fault fault = {0};
        bool sizes_of_hashes = hash_of_base64(json_object_get(row, "root1"), &old_root) &&
                               hash_of_base64(json_object_get(row, "root2"), &root) &&
                               proof_of_base64(json_object_get(row, "proof"), &proof);
        bool ok = sizes_of_hashes &&
                  tree_check_consistency(number_of(row, "size1"), number_of(row, "size2"),
                                         &old_root, &root, &proof, &fault);

        /* Upstream takes roots that are no hashes in one row; we do not. */
        if (ok == json_is_true(json_object_get(row, "wantErr")) && sizes_of_hashes)
            fail_msg("consistency/%s", text_of(row, "file"));
        passed += ok;
        refused += !ok;
    }
    assert_int_equal(passed, 11);
    assert_int_equal(refused, 184 + 1);
    json_decref(vectors);
}

/* All perfect nodes of a tree whose leaf i is the decimal text of i. */
#define LEAVES 70000
struct memory_tree {
    struct tree_hash *levels[20];
};

static bool memory_node(void *self, unsigned height, uint64_t index,
                        struct tree_hash *ret_hash, struct fault *fault)
{
    const struct memory_tree *tree = self;

    (void)fault;
    assert_true(((index + 1) << height) <= LEAVES);
    *ret_hash = tree->levels[height][index];
    return true;
}

static void memory_tree_make(struct memory_tree *tree)
{
    for (unsigned height = 0; height < COUNT(tree->levels); height++) {
        size_t count = LEAVES >> height;

        tree->levels[height] = xalloc_array(count, sizeof(struct tree_hash));
        for (size_t i = 0; i < count; i++) {
            char text[24];

            if (height > 0) {
                tree->levels[height][i] = tree_node(&tree->levels[height - 1][2 * i],
                                                    &tree->levels[height - 1][2 * i + 1]);
                continue;
            }
            (void)snprintf(text, sizeof(text), "%zu", i);
            tree->levels[0][i] = tree_leaf(slice_of(text));
        }
    }
}

static bool proofs_equal(const struct tree_proof *a, const struct tree_proof *b)
{
    return a->count == b->count &&
           memcmp(a->hash, b->hash, a->count * sizeof(a->hash[0])) == 0;
}

static void a_large_tree_has_the_known_roots_and_proofs(void **state)
{
    json_t *vectors = fixture_json("tree-70000.json"), *row;
    struct memory_tree tree;
    struct tree_source source = {.node = memory_node, .self = &tree};
    struct fault fault = {0};
    const char *name;
    size_t i;

    (void)state;
    memory_tree_make(&tree);
    json_object_foreach(json_object_get(vectors, "roots"), name, row)
    {
        struct tree_hash root, known = fixture_hash(json_string_value(row));

        assert_ok(tree_source_root(&source, strtoull(name, NULL, 10), &root, &fault), fault);
        assert_true(tree_hash_equal(&root, &known));
    }
    json_array_foreach(json_object_get(vectors, "inclusion"), i, row)
    {
        uint64_t index = number_of(row, "index"), size = number_of(row, "size");
        struct tree_proof proof, known;
        struct tree_hash root;

        fixture_path(json_object_get(row, "path"), &known);
        assert_ok(tree_prove_inclusion(&source, index, size, &proof, &fault), fault);
        assert_true(proofs_equal(&proof, &known));
        assert_ok(tree_source_root(&source, size, &root, &fault), fault);
        assert_ok(
            tree_check_inclusion(index, size, &tree.levels[0][index], &proof, &root, &fault),
            fault);
        assert_false(tree_check_inclusion(index ^ 1, size, &tree.levels[0][index], &proof,
                                          &root, &fault));
    }
    json_array_foreach(json_object_get(vectors, "consistency"), i, row)
    {
        uint64_t old_size = number_of(row, "old"), size = number_of(row, "new");
        struct tree_proof proof, known;
        struct tree_hash old_root, root;

        fixture_path(json_object_get(row, "path"), &known);
        assert_ok(tree_prove_consistency(&source, old_size, size, &proof, &fault), fault);
        assert_true(proofs_equal(&proof, &known));
        assert_ok(tree_source_root(&source, old_size, &old_root, &fault), fault);
        assert_ok(tree_source_root(&source, size, &root, &fault), fault);
        assert_ok(tree_check_consistency(old_size, size, &old_root, &root, &proof, &fault),
                  fault);
        if (old_size != size)
            assert_false(
                tree_check_consistency(old_size, size, &root, &old_root, &proof, &fault));
    }
    for (i = 0; i < COUNT(tree.levels); i++)
        free(tree.levels[i]);
    json_decref(vectors);
}

static void every_pair_of_small_sizes_is_consistent(void **state)
{
    struct memory_tree tree;
    struct tree_source source = {.node = memory_node, .self = &tree};

    (void)state;
    memory_tree_make(&tree);
    for (uint64_t size = 1; size <= 40; size++)
        for (uint64_t old_size = 1; old_size <= size; old_size++) {
            struct tree_proof proof;
            struct tree_hash old_root, root;
            struct fault fault = {0};

            assert_ok(tree_source_root(&source, old_size, &old_root, &fault), fault);
            assert_ok(tree_source_root(&source, size, &root, &fault), fault);
            assert_ok(tree_prove_consistency(&source, old_size, size, &proof, &fault), fault);
            assert_ok(tree_check_consistency(old_size, size, &old_root, &root, &proof, &fault),
                      fault);
            assert_ok(tree_prove_inclusion(&source, old_size - 1, size, &proof, &fault),
                      fault);
            assert_ok(tree_check_inclusion(old_size - 1, size, &tree.levels[0][old_size - 1],
                                           &proof, &root, &fault),
                      fault);
        }
    for (size_t i = 0; i < COUNT(tree.levels); i++)
        free(tree.levels[i]);
}

/* Roots and paths that fit each other, under sizes that they cannot have. */
static void no_tree_grows_smaller_or_into_another_of_its_size(void **state)
{
    struct tree_hash left = tree_leaf(SLICE("left")), right = tree_leaf(SLICE("right"));
    struct tree_hash both = tree_node(&left, &right);
    struct tree_proof path = {.count = 2, .hash = {left, right}}, none = {.count = 0};
    struct fault fault = {0};

    (void)state;
    assert_false(tree_check_consistency(3, 2, &left, &both, &path, &fault));
    assert_false(tree_check_consistency(0, 2, &left, &both, &path, &fault));
    assert_false(tree_check_consistency(2, 2, &left, &both, &none, &fault));
    assert_false(tree_check_consistency(2, 2, &both, &both, &path, &fault));
    assert_ok(tree_check_consistency(2, 2, &both, &both, &none, &fault), fault);
}

/* What grew, appended to the old range, gives the new one, and meets the split on the way. */
static void growth_leads_from_any_size_to_any_larger_one(void **state)
{
    static struct tree_range at[70];

    (void)state;
    for (size_t size = 1; size < COUNT(at); size++) {
        struct tree_hash leaf = tree_leaf(slice_of_bytes(&size, sizeof(size)));

        at[size] = at[size - 1];
        tree_append(&at[size], &leaf);
    }
    for (size_t from = 0; from < COUNT(at); from++)
        for (size_t size = from; size < COUNT(at); size++)
            for (size_t split = from; split <= size; split++) {
                struct tree_range range = at[from];
                struct tree_growth growth;
                bool met = split == from;

                tree_growth_begin(&growth, from, split);
                for (size_t i = from + 1; i <= size; i++) {
                    struct tree_hash leaf = tree_leaf(slice_of_bytes(&i, sizeof(i)));

                    tree_growth_add(&growth, &leaf);
                }
                assert_true(growth.count <= 24);
                for (unsigned i = 0; i < growth.count; i++) {
                    assert_true(tree_part_fits(&range, &growth.part[i]));
                    tree_append_subtree(&range, &growth.part[i].hash, growth.part[i].height);
                    met |= range.size == split;
                }
                assert_true(met);
                assert_int_equal(range.size, size);
                assert_memory_equal(range.node, at[size].node,
                                    range.count * sizeof(range.node[0]));
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(hashes_and_roots_are_those_of_rfc_6962),
        TEST(a_leaf_in_canonical_json_has_the_known_hash),
        TEST(proofs_pass_and_fail_as_they_must),
        TEST(a_large_tree_has_the_known_roots_and_proofs),
        TEST(every_pair_of_small_sizes_is_consistent),
        TEST(no_tree_grows_smaller_or_into_another_of_its_size),
        TEST(growth_leads_from_any_size_to_any_larger_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
