/*
 * ledger/tree.h - the Merkle tree of RFC 6962 section 2.1 over SHA-256.
 *
 * Pure: bytes in, hashes out. A range is what an appender has to remember of a tree: one hash
 * for each bit that is set in its size.
 */
#ifndef CUSTODY_LEDGER_TREE_H
#define CUSTODY_LEDGER_TREE_H

#include "base/bytes.h"

#define TREE_HASH_BYTES 32
#define TREE_HEIGHT_MAX 63
#define TREE_SIZE_MAX ((uint64_t)INT64_MAX)

struct tree_hash {
    uint8_t at[TREE_HASH_BYTES];
};

struct tree_range {
    uint64_t size;
    unsigned count;
    struct tree_hash
        node[TREE_HEIGHT_MAX + 1]; /* perfect subtrees, the largest (leftmost) first */
};

/* From a leaf's side to the root's. */
struct tree_proof {
    size_t count;
    struct tree_hash hash[TREE_HEIGHT_MAX + 1];
};

/* SHA-256(0x00 || leaf) */
struct tree_hash tree_leaf(struct slice leaf);
/* The same of many; several times faster than one by one. */
void tree_leaves(const struct slice *leaves, size_t count, struct tree_hash *ret_hashes);
/* SHA-256(0x01 || left || right) */
struct tree_hash tree_node(const struct tree_hash *left, const struct tree_hash *right);
/*
 * ret_nodes[i] = node of hashes[2 * i] and hashes[2 * i + 1], `count` of them; ret_nodes may
 * be `hashes`.
 */
void tree_nodes(const struct tree_hash *hashes, size_t count, struct tree_hash *ret_nodes);
bool tree_hash_equal(const struct tree_hash *a, const struct tree_hash *b);

/* Zeroed is the empty range. The size must stay below TREE_SIZE_MAX. */
void tree_append(struct tree_range *range, const struct tree_hash *leaf);
void tree_append_many(struct tree_range *range, const struct tree_hash *leaves, size_t count);
/*
 * Appends a perfect subtree of 2^height leaves; the range's size must be a multiple of that.
 */
void tree_append_subtree(struct tree_range *range, const struct tree_hash *node,
                         unsigned height);

/* A perfect subtree. */
struct tree_part {
    unsigned height;
    struct tree_hash hash;
};

#define TREE_GROWTH_MAX (4 * (TREE_HEIGHT_MAX + 1))

/*
 * How a tree grew, for somebody who knows its beginning: the perfect subtrees that lead from
 * one size to a larger one. None reaches over `split`, a size in between, so that the tree of
 * that size is met on the way.
 */
struct tree_growth {
    uint64_t from, split, size;
    unsigned count;
    struct tree_part part[TREE_GROWTH_MAX];
};

/* `split` may be any size; one outside of what grows splits nothing. */
void tree_growth_begin(struct tree_growth *growth, uint64_t from, uint64_t split);
void tree_growth_add(struct tree_growth *growth, const struct tree_hash *leaf);
/* May it be appended to that range? For parts that somebody else has sent. */
bool tree_part_fits(const struct tree_range *range, const struct tree_part *part);

/* SHA-256("") for the empty range. */
struct tree_hash tree_root(const struct tree_range *range);
/* Root of the perfect or ragged tree over `count` (1 to 256) hashes. */
struct tree_hash tree_root_of(const struct tree_hash *hashes, size_t count);

/* RFC 9162 section 2.1.3.2. FAULT_INVALID: the proof does not lead to the root. */
MUST_USE bool tree_check_inclusion(uint64_t index, uint64_t size, const struct tree_hash *leaf,
                                   const struct tree_proof *proof,
                                   const struct tree_hash *root, struct fault *fault);
/* RFC 9162 section 2.1.4.2, for 0 < old_size <= size; old_size 0 is FAULT_INVALID. */
MUST_USE bool tree_check_consistency(uint64_t old_size, uint64_t size,
                                     const struct tree_hash *old_root,
                                     const struct tree_hash *root,
                                     const struct tree_proof *proof, struct fault *fault);

/* Where proofs get their hashes: MTH of leaves [index * 2^height, (index + 1) * 2^height). */
struct tree_source {
    bool (*node)(void *self, unsigned height, uint64_t index, struct tree_hash *ret_hash,
                 struct fault *fault);
    void *self;
};

MUST_USE bool tree_prove_inclusion(const struct tree_source *source, uint64_t index,
                                   uint64_t size, struct tree_proof *ret_proof,
                                   struct fault *fault);
MUST_USE bool tree_prove_consistency(const struct tree_source *source, uint64_t old_size,
                                     uint64_t size, struct tree_proof *ret_proof,
                                     struct fault *fault);
/* Root of the first `size` leaves. */
MUST_USE bool tree_source_root(const struct tree_source *source, uint64_t size,
                               struct tree_hash *ret_root, struct fault *fault);

#endif
