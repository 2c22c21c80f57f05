/*
 * ledger/log.h - the one writer of a ledger: append, commit, checkpoint, recover.
 *
 *   checkpoint, tile/     public: a C2SP tile tree (tile.h, checkpoint.h)
 *   wal/frames            private: acknowledged, not published yet (wal.h)
 *   state/signed          private: the last checkpoint signed; the point of no return
 *
 * A checkpoint is signed only over bytes read back from the disk and found equal to what was
 * appended, it is durable in state/ before a tile of it is written, and it is published only
 * when all its tiles are durable. Recovery is replay, and replay writes the same bytes again.
 */
#ifndef CUSTODY_LEDGER_LOG_H
#define CUSTODY_LEDGER_LOG_H

#include "ledger/note.h"
#include "ledger/tree.h"

#define LOG_MEMO_BYTES_MAX 256

struct log;

struct log_recovery {
    uint64_t size;       /* records in the log */
    uint64_t replayed;   /* of them, from the write-ahead log */
    uint64_t torn_bytes; /* cut off behind the last whole frame */
    bool is_new;
    bool was_closed; /* the last writer ended in order */
    char memo[LOG_MEMO_BYTES_MAX];
};

/*
 * Opens the log in `folder`, making what is missing, and brings it to where every acknowledged
 * record is. The caller holds the lock.
 *
 *   signer    borrowed for the log's life
 *   on_leaf   called for each record behind the last signed checkpoint, in order; may be NULL
 *   ret_recovery->memo   log_set_memo's words at the last signed checkpoint
 *
 * FAULT_INVALID: the published checkpoint is newer than the state (rollback), both have one
 * size and two roots (fork), a note is not ours, or a frame or tile is damaged. Nothing was
 * changed.
 */
MUST_USE bool log_open(int folder, const struct note_signer *signer,
                       bool (*on_leaf)(void *self, uint64_t index, struct slice leaf,
                                       const struct tree_hash *leaf_hash, struct fault *fault),
                       void *self, struct log **ret_log, struct log_recovery *ret_recovery,
                       struct fault *fault);
/*
 * Publishes what was signed and is not out yet, and signs nothing: for a ledger whose signing
 * key is gone. Faults as log_open.
 *   ret_unsealed  records that were acknowledged and that no checkpoint will ever cover; they
 *                 stay in the write-ahead log
 */
MUST_USE bool log_settle(int folder, const struct note_key *key, uint64_t *ret_unsealed,
                         struct fault *fault);
void log_free(struct log *log); /* NULL is fine; does not commit */

/*
 * Adds a record to the batch. It has its index, but it is not durable before log_commit.
 * May commit and checkpoint to make room. FAULT_LIMIT: longer than 65,535 bytes; the log is as
 * it was. Any other failure is final: see log_commit.
 */
MUST_USE bool log_append(struct log *log, struct slice leaf, uint64_t *ret_index,
                         struct tree_hash *ret_leaf_hash, struct fault *fault);
uint64_t log_size(const struct log *log); /* appended */
uint64_t log_published_size(const struct log *log);
size_t log_batch_bytes(const struct log *log); /* waiting for log_commit */
/* One fdatasync. A failure is final: never acknowledge, end the process. */
MUST_USE bool log_commit(struct log *log, struct fault *fault);
/*
 * What is stored with the next signed checkpoint: one line, shorter than LOG_MEMO_BYTES_MAX,
 * about all that was appended so far.
 */
void log_set_memo(struct log *log, const char *memo);
/*
 * Commits, signs and publishes what is there; does nothing where nothing is new.
 * FAULT_LIMIT: the disk is full; everything acknowledged is safe, try again later. Any other
 * failure is final.
 */
MUST_USE bool log_checkpoint(struct log *log, struct fault *fault);
/* An orderly end: checkpoint, and the write-ahead log closed. */
MUST_USE bool log_close(struct log *log, struct fault *fault);

#endif
