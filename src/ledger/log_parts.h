/* ledger/log_parts.h - what a log is made of. For log*.c alone. */
#ifndef CUSTODY_LEDGER_LOG_PARTS_H
#define CUSTODY_LEDGER_LOG_PARTS_H

#include "ledger/checkpoint.h"
#include "ledger/edge.h"
#include "ledger/log.h"
#include "ledger/wal.h"

#define LOG_STATE_NAME "signed"
#define LOG_CHECKPOINT_NAME "checkpoint"
#define LOG_STATE_HEAD "custody-ledger-state/v1\n"

/* How far a checkpoint is. */
enum log_stage {
    LOG_STAGE_NONE,
    LOG_STAGE_CHECKING, /* what will be signed is read back and hashed again */
    LOG_STAGE_WRITING,  /* signed; tiles and bundles are written */
    LOG_STAGE_SYNCING,  /* and synced; then the checkpoint is published */
};

struct log {
    int folder, wal_folder, state_folder;
    const struct note_signer *signer;
    struct durable now, later, files; /* a commit that is waited for, one that is not, tiles */
    struct wal *wal;
    struct edge *edge;

    struct tree_range range; /* of everything that was handed to the disk */
    struct tree_hash *fresh; /* leaf hashes of what was appended since */
    size_t fresh_count, fresh_room;
    struct tree_range committed; /* of what is on disk */
    struct tree_range checked;   /* the same tree, from bytes read back; behind it or equal */
    struct tree_range sealed;    /* of what the last signed checkpoint covers */
    struct tree_growth *growth;  /* from sealed to checked, for who signs elsewhere; or NULL */
    uint64_t published;
    char memo[LOG_MEMO_BYTES_MAX]; /* about everything appended */
    char under_way_memo[LOG_MEMO_BYTES_MAX], committed_memo[LOG_MEMO_BYTES_MAX];

    enum log_stage stage;
    struct tree_range target; /* what the checkpoint that is being made will cover */
    char target_memo[LOG_MEMO_BYTES_MAX];
    struct wal_cursor checking, publishing;
    struct buf note; /* the last signed one */

    struct buf
        piece; /* of the write-ahead log, read back; its leaves, and their hashes twice */
    struct slice *leaves;
    struct tree_hash *hashes, *known;
    size_t piece_count, leaves_room, hashes_room, known_room;
};

/* The checkpoint that is under way, to its end. */
MUST_USE bool log_work_off(struct log *log, struct fault *fault);
/* From here on, what is checked is remembered for whoever signs elsewhere, if anybody does. */
void log_growth_begin(struct log *log);
/* Publishes what log->note covers, waiting for it; for a log that died behind its signature.
 */
MUST_USE bool log_publish_sealed(struct log *log, struct fault *fault);

#endif
