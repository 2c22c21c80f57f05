/*
 * ledger/proof.h - proofs that stand alone in a file, and are checked without the ledger.
 *
 *   inclusion    c2sp.org/tlog-proof@v1: a record is in the tree of a checkpoint
 *   consistency  c2sp.org/tlog-witness's add-checkpoint body: a tree grew out of a smaller one
 *   fork         fork-proof/v1, ours: two checkpoints of one key contradict each other
 *
 *   c2sp.org/tlog-proof@v1       old <size>               fork-proof/v1
 *   extra <base64>  (optional)   <base64 hash> ...        root <base64 hash>  (sizes differ)
 *   index <i>                                             <base64 hash> ...   (sizes differ)
 *   <base64 hash> ...            <checkpoint>
 *                                                         <checkpoint of the smaller tree>
 *   <checkpoint>
 *                                                         <checkpoint of the larger one>
 *
 * An empty line stands before each checkpoint. Readers take what the writers write and nothing
 * else; nothing that is read is believed before a verifier has checked it (verify_proof.h).
 */
#ifndef CUSTODY_LEDGER_PROOF_H
#define CUSTODY_LEDGER_PROOF_H

#include "ledger/archive.h"
#include "ledger/checkpoint.h"

#define PROOF_HASHES_MAX 63
#define PROOF_EXTRA_BYTES_MAX 65536 /* of base64 */
/* Two notes and the lines before them. */
#define PROOF_BYTES_MAX (2 * NOTE_BYTES_MAX + PROOF_EXTRA_BYTES_MAX + 64 * 64)

enum proof_kind {
    PROOF_INCLUSION,
    PROOF_CONSISTENCY,
    PROOF_FORK,
};

/* A proof file taken apart; borrows from the bytes it was parsed from. */
struct proof {
    enum proof_kind kind;
    uint64_t number;    /* inclusion: the index; consistency: the old size */
    struct slice extra; /* inclusion: base64 that nothing vouches for; empty: none */
    struct tree_proof path;
    struct slice checkpoint; /* fork: of the larger tree */
    struct slice other;      /* fork: of the smaller one */
    bool has_root;           /* fork: the sizes differ */
    struct tree_hash root;   /* fork: what the larger tree has at the smaller one's size */
};

/* "inclusion", "consistency", "fork" */
const char *proof_kind_name(enum proof_kind kind);
/* Form only. FAULT_INVALID: it is none of the three, byte for byte. */
MUST_USE bool proof_parse(struct slice bytes, struct proof *ret_proof, struct fault *fault);
/* Appends. */
MUST_USE bool proof_format(const struct proof *proof, struct buf *ret_bytes,
                           struct fault *fault);

/*
 * From the tiles of the tree of `published` records in `folder`; a handful of file reads.
 * FAULT_INVALID: no such record or size, or a damaged tile. FAULT_MISSING: a tile is not
 * there.
 */
MUST_USE bool proof_inclusion(int folder, uint64_t published, uint64_t index, uint64_t size,
                              struct tree_proof *ret_path, struct fault *fault);
MUST_USE bool proof_consistency(int folder, uint64_t published, uint64_t old_size,
                                uint64_t size, struct tree_proof *ret_path,
                                struct fault *fault);
/* Root of the first `size` records. */
MUST_USE bool proof_root(int folder, uint64_t published, uint64_t size,
                         struct tree_hash *ret_root, struct fault *fault);
/* The bytes of record `index`, appended; they may be in the archive (NULL: there is none). */
MUST_USE bool proof_record(int folder, struct archive *archive, uint64_t published,
                           uint64_t index, struct buf *ret_record, struct fault *fault);

/*
 * Appends the evidence that `kept` and `published` (signed notes, the latter of the tree in
 * `folder`, the former of no more records) contradict each other.
 * FAULT_CONFLICT: they do not.
 */
MUST_USE bool proof_fork(int folder, struct slice kept, struct slice published,
                         struct buf *ret_bytes, struct fault *fault);

#endif
