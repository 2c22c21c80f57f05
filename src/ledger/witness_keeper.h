/*
 * ledger/witness_keeper.h - the half of a witness that holds the key and the promises.
 *
 * It reads no request: what the other half (witness.h) has read reaches it taken apart, and it
 * judges once more before it signs. Whoever takes over the other half gets no cosignature of
 * anything that the log has not signed or that does not lead on from the last promise.
 */
#ifndef CUSTODY_LEDGER_WITNESS_KEEPER_H
#define CUSTODY_LEDGER_WITNESS_KEEPER_H

#include "base/clock.h"
#include "ledger/checkpoint.h"

#define WITNESS_LOGS_MAX 256

/* Where promises are kept, by origin. A note here is one that this witness has cosigned. */
struct witness_store {
    /* Appends the last note of the origin. FAULT_MISSING: there is none yet. */
    bool (*load)(void *self, struct slice origin, struct buf *ret_note, struct fault *fault);
    /* Durable before it returns, all or nothing. */
    bool (*save)(void *self, struct slice origin, struct slice note, struct fault *fault);
    /* A note that the log has signed and that was refused: it may prove a fork. */
    bool (*keep)(void *self, struct slice origin, struct slice note, struct fault *fault);
    void *self;
};

/* What is to be cosigned; borrows. */
struct witness_promise {
    size_t log;        /* which of the keys, in the order in which they were added */
    uint64_t old_size; /* of the last promise; 0: there is none, or it is of an empty tree */
    uint64_t size;
    struct tree_hash root;
    struct tree_proof proof;
    struct slice text; /* of the checkpoint: origin, size and root, and what lines follow */
    uint8_t signature[NOTE_SIGNATURE_BYTES]; /* the log's, over the text */
};

/* What a witness asks of its keeper, in this process or in another. */
struct witness_keeping {
    bool (*load)(void *self, size_t log, struct buf *ret_note, struct fault *fault);
    bool (*keep)(void *self, size_t log, struct slice note, struct fault *fault);
    /* Appends the signature line; the promise is durable. Else nothing was promised. */
    bool (*promise)(void *self, const struct witness_promise *promise, struct buf *ret_line,
                    struct fault *fault);
    void *self;
};

struct witness_keeper;

/* All borrowed for the keeper's life. The signer's key is an ordinary one; see cosignature.h.
 */
MUST_USE bool witness_keeper_new(const struct note_signer *signer,
                                 const struct witness_store *store, const struct clock *clock,
                                 struct witness_keeper **ret_keeper, struct fault *fault);
void witness_keeper_free(struct witness_keeper *keeper); /* NULL is fine */
/* A log to watch. FAULT_INVALID: its key is the witness's own. */
MUST_USE bool witness_keeper_add_log(struct witness_keeper *keeper, struct slice vkey,
                                     struct fault *fault);
struct witness_keeping witness_keeper_keeping(struct witness_keeper *keeper);

/*
 * Does a tree of `size` and `root` lead on from the one of `old_size` and `old_root` (unused
 * when that is 0)? FAULT_INVALID: no.
 */
MUST_USE bool witness_follows(uint64_t old_size, const struct tree_hash *old_root,
                              uint64_t size, const struct tree_hash *root,
                              const struct tree_proof *proof, struct fault *fault);
/* A note as the store has it. FAULT_INVALID: not one that `own` has cosigned of that origin.
 */
struct cosignature_key;
MUST_USE bool witness_promise_read(struct slice note_bytes, const struct cosignature_key *own,
                                   struct slice origin, struct checkpoint *ret_checkpoint,
                                   struct fault *fault);

#endif
