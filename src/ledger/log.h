/*
 * ledger/log.h - the one writer of a ledger: append, commit, checkpoint, recover.
 *
 *   checkpoint, tile/     public: a C2SP tile tree (tile.h, checkpoint.h)
 *   wal/frames*           private: acknowledged, not published yet (wal.h)
 *   state/signed          private: the last checkpoint signed; the point of no return
 *
 * A checkpoint is signed only over bytes read back from the disk and found equal to what was
 * appended, it is durable in state/ before a tile of it is written, and it is published only
 * when all its tiles are durable. Recovery is replay, and replay writes the same bytes again.
 */
#ifndef CUSTODY_LEDGER_LOG_H
#define CUSTODY_LEDGER_LOG_H

#include "ledger/note.h"
#include "os/durable.h"
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
 * From now on writing goes on while the process does something else (io_uring), where the
 * kernel lets us; else nothing changes. To be called before a filter of system calls is
 * loaded.
 */
void log_overlap(struct log *log);
/* For tests: how to write the write-ahead log. Takes it; nothing may be under way. */
void log_use(struct log *log, struct durable *durable);

/* The write-ahead log takes at most that many times 4 MiB; 64 unless it is said. */
void log_limit(struct log *log, unsigned segments);

/*
 * Adds a record to the batch. It has its index, but it is not durable before it is committed.
 * May commit, and work on a checkpoint, to make room. FAULT_LIMIT: longer than 65,535 bytes;
 * the log is as it was. Any other failure is final: see log_commit.
 */
MUST_USE bool log_append(struct log *log, struct slice leaf, uint64_t *ret_index,
                         struct tree_hash *ret_leaf_hash, struct fault *fault);
/* The same for many at once, which is faster. ret_index: of the first; ret_hashes: of each. */
MUST_USE bool log_append_many(struct log *log, const struct slice *leaves, size_t count,
                              uint64_t *ret_index, struct tree_hash *ret_hashes,
                              struct fault *fault);
uint64_t log_size(const struct log *log); /* appended */
uint64_t log_durable_size(const struct log *log);
uint64_t log_published_size(const struct log *log);
size_t log_batch_bytes(const struct log *log); /* waiting to be committed */

/* Everything appended is on disk when it returns. A failure is final: never acknowledge, end
 * the process. */
MUST_USE bool log_commit(struct log *log, struct fault *fault);
/*
 * The same in two steps, between which more can be appended, to the next batch.
 * log_commit_begin does nothing where a commit is under way: one at a time; the next begins
 * when it has returned. log_commit_finish, without `wait`: *ret_done false while it is. What
 * is durable, log_durable_size says.
 */
MUST_USE bool log_commit_begin(struct log *log, struct fault *fault);
MUST_USE bool log_commit_finish(struct log *log, bool wait, bool *ret_done,
                                struct fault *fault);
bool log_commit_is_under_way(const struct log *log);
/* Descriptors that are readable when log_commit_finish, or log_work, can go on; -1: there is
 * none. */
int log_commit_ready(const struct log *log);
int log_work_ready(const struct log *log);

/*
 * What is stored with the next signed checkpoint: one line, shorter than LOG_MEMO_BYTES_MAX,
 * about all that was appended so far.
 */
void log_set_memo(struct log *log, const char *memo);

enum log_work {
    LOG_WORK_NONE,    /* no checkpoint is under way */
    LOG_WORK_MORE,    /* call again */
    LOG_WORK_WAITING, /* the disk is at work; call again when log_work_ready, or later */
};

/*
 * Begins a checkpoint of what is durable now; does nothing where nothing is new, or one is
 * under way. It is made by log_work, a millisecond or so at a time, while records are
 * appended.
 */
void log_checkpoint_begin(struct log *log);
bool log_checkpoint_is_under_way(const struct log *log);
/*
 * One piece of it, or of what the next one will need. FAULT_LIMIT: the disk is full;
 * everything acknowledged is safe, and the checkpoint goes on with the next call. Any other
 * failure is final.
 */
MUST_USE bool log_work(struct log *log, enum log_work *ret_work, struct fault *fault);
/* Commits, signs and publishes what is there, and returns when that is done. Fails as
 * log_work. */
MUST_USE bool log_checkpoint(struct log *log, struct fault *fault);
/* An orderly end: checkpoint, and the write-ahead log closed. */
MUST_USE bool log_close(struct log *log, struct fault *fault);

#endif
