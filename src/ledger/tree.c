#include "ledger/tree.h"

#include <assert.h>

#include "ledger/sha256.h"

#define PREFIX_LEAF 0
#define PREFIX_NODE 1
#define NODES_AT_ONCE 128 /* of their hashes a place on the stack is taken */

_Static_assert(sizeof(struct tree_hash) == SHA256_BYTES, "hashes stand side by side");

void tree_leaves(const struct slice *leaves, size_t count, struct tree_hash *ret_hashes)
{
    sha256_prefixed(PREFIX_LEAF, leaves, count, ret_hashes->at);
}

struct tree_hash tree_leaf(struct slice leaf)
{
    struct tree_hash hash;

    tree_leaves(&leaf, 1, &hash);
    return hash;
}

void tree_nodes(const struct tree_hash *hashes, size_t count, struct tree_hash *ret_nodes)
{
    while (count > 0) {
        size_t now = count < NODES_AT_ONCE ? count : NODES_AT_ONCE;
        struct tree_hash nodes[NODES_AT_ONCE] __attribute__((uninitialized));
        struct slice pairs[NODES_AT_ONCE] __attribute__((uninitialized));

        for (size_t i = 0; i < now; i++)
            pairs[i] = slice_of_bytes(hashes[2 * i].at, 2 * sizeof(*hashes));
        sha256_prefixed(PREFIX_NODE, pairs, now, nodes->at);
        memcpy(ret_nodes, nodes, now * sizeof(*nodes));
        hashes += 2 * now;
        ret_nodes += now;
        count -= now;
    }
}

struct tree_hash tree_node(const struct tree_hash *left, const struct tree_hash *right)
{
    struct tree_hash pair[2] = {*left, *right};
    struct tree_hash node;

    tree_nodes(pair, 1, &node);
    return node;
}

bool tree_hash_equal(const struct tree_hash *a, const struct tree_hash *b)
{
    return memcmp(a->at, b->at, TREE_HASH_BYTES) == 0;
}

void tree_append_subtree(struct tree_range *range, const struct tree_hash *node,
                         unsigned height)
{
    struct tree_hash merged = *node;
    uint64_t subtrees = range->size >> height;

    assert(height < TREE_HEIGHT_MAX && range->size % (UINT64_C(1) << height) == 0 &&
           range->size < TREE_SIZE_MAX);
    for (; subtrees & 1; subtrees >>= 1)
        merged = tree_node(&range->node[--range->count], &merged);
    range->node[range->count++] = merged;
    range->size += UINT64_C(1) << height;
}

void tree_append(struct tree_range *range, const struct tree_hash *leaf)
{
    tree_append_subtree(range, leaf, 0);
}

/*
 * Whole subtrees of up to 2^SUBTREE_HEIGHT leaves, wherever the range has come to a multiple
 * of their size, level by level: all nodes of a level can be hashed side by side.
 */
#define SUBTREE_HEIGHT 8

void tree_append_many(struct tree_range *range, const struct tree_hash *leaves, size_t count)
{
    while (count > 0) {
        struct tree_hash nodes[1 << (SUBTREE_HEIGHT - 1)] __attribute__((uninitialized));
        unsigned height = SUBTREE_HEIGHT;
        size_t width;

        while (range->size % (UINT64_C(1) << height) != 0 || (UINT64_C(1) << height) > count)
            height--;
        width = (size_t)1 << height;
        if (height == 0) {
            tree_append(range, leaves);
        } else {
            tree_nodes(leaves, width / 2, nodes);
            for (size_t left = width / 2; left > 1; left /= 2)
                tree_nodes(nodes, left / 2, nodes);
            tree_append_subtree(range, nodes, height);
        }
        leaves += width;
        count -= width;
    }
}

void tree_growth_begin(struct tree_growth *growth, uint64_t from, uint64_t split)
{
    growth->from = growth->size = from;
    growth->split = split;
    growth->count = 0;
}

/* Are the last two parts halves of one that neither begins before `from` nor spans `split`? */
static bool last_two_join(const struct tree_growth *growth)
{
    const struct tree_part *last = &growth->part[growth->count - 1];
    uint64_t len = UINT64_C(2) << last->height, start = growth->size - len;

    return last[-1].height == last->height && start % len == 0 &&
           (growth->split <= start || growth->split >= growth->size);
}

void tree_growth_add(struct tree_growth *growth, const struct tree_hash *leaf)
{
    growth->part[growth->count++] = (struct tree_part){.hash = *leaf};
    growth->size++;
    while (growth->count > 1 && last_two_join(growth)) {
        struct tree_part *left = &growth->part[growth->count - 2];

        left->hash = tree_node(&left->hash, &left[1].hash);
        left->height++;
        growth->count--;
    }
}

bool tree_part_fits(const struct tree_range *range, const struct tree_part *part)
{
    uint64_t len;

    if (part->height >= TREE_HEIGHT_MAX)
        return false;
    len = UINT64_C(1) << part->height;
    return range->size % len == 0 && len < TREE_SIZE_MAX - range->size;
}

struct tree_hash tree_root(const struct tree_range *range)
{
    static const struct tree_hash empty = {{0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14,
                                            0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24,
                                            0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c,
                                            0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55}};
    struct tree_hash root;

    if (range->count == 0)
        return empty;
    root = range->node[range->count - 1];
    for (unsigned i = range->count - 1; i > 0; i--)
        root = tree_node(&range->node[i - 1], &root);
    return root;
}

struct tree_hash tree_root_of(const struct tree_hash *hashes, size_t count)
{
    struct tree_range range = {0};

    tree_append_many(&range, hashes, count);
    return tree_root(&range);
}

/* RFC 9162: where the sibling is on the left, climb past the levels that have none. */
static void climb(uint64_t *first, uint64_t *second)
{
    while (*first != 0 && (*first & 1) == 0) {
        *first >>= 1;
        *second >>= 1;
    }
}

bool tree_check_inclusion(uint64_t index, uint64_t size, const struct tree_hash *leaf,
                          const struct tree_proof *proof, const struct tree_hash *root,
                          struct fault *fault)
{
    uint64_t first = index, second = size - 1;
    struct tree_hash hash = *leaf;

    if (index >= size)
        return fault_set(fault, FAULT_INVALID, "index %llu is not in a tree of %llu",
                         (unsigned long long)index, (unsigned long long)size);
    for (size_t i = 0; i < proof->count; i++) {
        if (second == 0)
            return fault_set(fault, FAULT_INVALID, "inclusion proof is too long");
        if ((first & 1) != 0 || first == second) {
            hash = tree_node(&proof->hash[i], &hash);
            if ((first & 1) == 0)
                climb(&first, &second);
        } else {
            hash = tree_node(&hash, &proof->hash[i]);
        }
        first >>= 1;
        second >>= 1;
    }
    if (second != 0 || !tree_hash_equal(&hash, root))
        return fault_set(fault, FAULT_INVALID, "inclusion proof does not lead to the root");
    return true;
}

bool tree_check_consistency(uint64_t old_size, uint64_t size, const struct tree_hash *old_root,
                            const struct tree_hash *root, const struct tree_proof *proof,
                            struct fault *fault)
{
    uint64_t first = old_size - 1, second = size - 1;
    bool old_is_perfect = (old_size & (old_size - 1)) == 0;
    struct tree_hash old_hash, hash;

    if (old_size == 0 || old_size > size)
        return fault_set(fault, FAULT_INVALID, "no consistency from %llu to %llu",
                         (unsigned long long)old_size, (unsigned long long)size);
    if (old_size == size)
        return proof->count == 0 && tree_hash_equal(old_root, root)
                   ? true
                   : fault_set(fault, FAULT_INVALID, "two roots of one size");
    if (proof->count == 0)
        return fault_set(fault, FAULT_INVALID, "consistency proof is empty");
    while ((first & 1) != 0) {
        first >>= 1;
        second >>= 1;
    }
    old_hash = hash = old_is_perfect ? *old_root : proof->hash[0];
    for (size_t i = old_is_perfect ? 0 : 1; i < proof->count; i++) {
        const struct tree_hash *next = &proof->hash[i];

        if (second == 0)
            return fault_set(fault, FAULT_INVALID, "consistency proof is too long");
        if ((first & 1) != 0 || first == second) {
            old_hash = tree_node(next, &old_hash);
            hash = tree_node(next, &hash);
            if ((first & 1) == 0)
                climb(&first, &second);
        } else {
            hash = tree_node(&hash, next);
        }
        first >>= 1;
        second >>= 1;
    }
    if (second != 0 || !tree_hash_equal(&old_hash, old_root) || !tree_hash_equal(&hash, root))
        return fault_set(fault, FAULT_INVALID,
                         "consistency proof does not lead to both roots");
    return true;
}

/*
 * Hash of leaves [begin, begin + count), begin a multiple of the next power of two >= count.
 */
static bool source_hash(const struct tree_source *source, uint64_t begin, uint64_t count,
                        struct tree_hash *ret_hash, struct fault *fault)
{
    struct tree_range parts = {0}; /* only its stack is used: largest subtree first */

    while (count > 0) {
        unsigned height = 63U - (unsigned)__builtin_clzll(count);

        if (!source->node(source->self, height, begin >> height, &parts.node[parts.count++],
                          fault))
            return false;
        begin += UINT64_C(1) << height;
        count -= UINT64_C(1) << height;
    }
    *ret_hash = tree_root(&parts);
    return true;
}

bool tree_source_root(const struct tree_source *source, uint64_t size,
                      struct tree_hash *ret_root, struct fault *fault)
{
    return source_hash(source, 0, size, ret_root, fault);
}

/* Largest power of two below `count`, for count > 1. */
static uint64_t split_of(uint64_t count)
{
    return UINT64_C(1) << (63 - __builtin_clzll(count - 1));
}

/*
 * Both proofs walk down from the root to a place: the leaf, or the subtree that ends where the
 * old tree ends. What is not on the way goes into the proof, the nearest to the root last.
 */
struct descent {
    uint64_t begin[TREE_HEIGHT_MAX + 1], count[TREE_HEIGHT_MAX + 1];
    size_t depth;
};

static void descend_past(struct descent *descent, uint64_t begin, uint64_t count)
{
    descent->begin[descent->depth] = begin;
    descent->count[descent->depth++] = count;
}

static bool descent_proof(const struct tree_source *source, const struct descent *descent,
                          struct tree_proof *ret_proof, struct fault *fault)
{
    ret_proof->count = 0;
    for (size_t i = descent->depth; i > 0; i--)
        if (!source_hash(source, descent->begin[i - 1], descent->count[i - 1],
                         &ret_proof->hash[ret_proof->count++], fault))
            return false;
    return true;
}

bool tree_prove_inclusion(const struct tree_source *source, uint64_t index, uint64_t size,
                          struct tree_proof *ret_proof, struct fault *fault)
{
    struct descent descent = {.depth = 0};
    uint64_t begin = 0, count = size;

    if (index >= size)
        return fault_set(fault, FAULT_INVALID, "index %llu is not in a tree of %llu",
                         (unsigned long long)index, (unsigned long long)size);
    while (count > 1) {
        uint64_t left = split_of(count);

        if (index - begin < left) {
            descend_past(&descent, begin + left, count - left);
            count = left;
        } else {
            descend_past(&descent, begin, left);
            begin += left;
            count -= left;
        }
    }
    return descent_proof(source, &descent, ret_proof, fault);
}

bool tree_prove_consistency(const struct tree_source *source, uint64_t old_size, uint64_t size,
                            struct tree_proof *ret_proof, struct fault *fault)
{
    struct descent descent = {.depth = 0};
    uint64_t begin = 0, count = size, old_count = old_size;

    if (old_size == 0 || old_size > size)
        return fault_set(fault, FAULT_INVALID, "no consistency from %llu to %llu",
                         (unsigned long long)old_size, (unsigned long long)size);
    while (old_count != count) {
        uint64_t left = split_of(count);

        if (old_count <= left) {
            descend_past(&descent, begin + left, count - left);
            count = left;
        } else {
            descend_past(&descent, begin, left);
            begin += left;
            count -= left;
            old_count -= left;
        }
    }
    if (begin != 0) /* else the verifier has it already: the old root */
        descend_past(&descent, begin, count);
    return descent_proof(source, &descent, ret_proof, fault);
}
