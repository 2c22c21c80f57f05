/* Checkpoints, in pieces: read back, sign, write tiles, sync them, publish. */
#include <stdio.h>

#include "base/scope.h"
#include "ledger/log_parts.h"
#include "os/file.h"

/* records that are worth reading back before a checkpoint asks for it */
#define AHEAD_MIN 512

static bool take_leaf(void *self, const struct wal_frame *frame, struct fault *fault)
{
    struct log *log = self;
    size_t count = log->piece_count + 1;

    (void)fault;
    log->leaves = xgrow(log->leaves, &log->leaves_room, count, sizeof(*log->leaves));
    log->known = xgrow(log->known, &log->known_room, count, sizeof(*log->known));
    log->leaves[log->piece_count] = frame->leaf;
    log->known[log->piece_count++] = frame->leaf_hash;
    return true;
}

void log_growth_begin(struct log *log)
{
    const struct note_signing *signing =
        log->signer == NULL ? NULL : note_signer_signing(log->signer);

    if (signing == NULL || signing->follow == NULL)
        return;
    if (log->growth == NULL)
        log->growth = xalloc(sizeof(*log->growth));
    tree_growth_begin(log->growth, log->sealed.size, signing->signed_size(signing->self));
}

/*
 * The tree that will be signed, computed a second time from bytes read back: what memory and
 * disk disagree on is not signed (a flipped bit in one leaf has ended a public log).
 */
static bool check_piece(struct log *log, uint64_t until, struct fault *fault)
{
    log->piece_count = 0;
    if (!wal_read(log->wal, &log->checking, until, &log->piece, take_leaf, log, fault))
        return false;
    log->hashes =
        xgrow(log->hashes, &log->hashes_room, log->piece_count + 1, sizeof(*log->hashes));
    tree_leaves(log->leaves, log->piece_count, log->hashes);
    if (log->piece_count > 0 &&
        memcmp(log->hashes, log->known, log->piece_count * sizeof(*log->hashes)) != 0)
        return fault_set(fault, FAULT_IO, "memory and disk do not agree on a record");
    tree_append_many(&log->checked, log->hashes, log->piece_count);
    for (size_t i = 0; log->growth != NULL && i < log->piece_count; i++)
        tree_growth_add(log->growth, &log->hashes[i]);
    return true;
}

static bool ranges_are_equal(const struct tree_range *a, const struct tree_range *b)
{
    return a->size == b->size && a->count == b->count &&
           memcmp(a->node, b->node, a->count * sizeof(a->node[0])) == 0;
}

/* Whoever signs elsewhere hears first what leads to it. */
static bool sign_target(struct log *log, struct buf *ret_note, struct fault *fault)
{
    const struct note_signing *signing = note_signer_signing(log->signer);
    struct tree_hash root = tree_root(&log->checked);

    if (log->growth != NULL)
        signing->follow(signing->self, &log->sealed, log->growth);
    return checkpoint_sign(log->checked.size, &root, log->signer, ret_note, fault);
}

/* The commit point: once this is on disk, no other tree of this size will ever be signed. */
static bool sign(struct log *log, struct fault *fault)
{
    AUTO_BUF struct buf note = buf_with_limit(NOTE_BYTES_MAX);
    AUTO_BUF struct buf state = buf_with_limit(NOTE_BYTES_MAX + 1024);

    if (!ranges_are_equal(&log->checked, &log->target))
        return fault_set(fault, FAULT_IO, "memory and disk do not agree on the tree");
    if (!sign_target(log, &note, fault) ||
        !buf_add_format(&state, fault, LOG_STATE_HEAD "%s\n", log->target_memo) ||
        !buf_add(&state, buf_slice(&note), fault) ||
        !file_replace_durably(log->state_folder, LOG_STATE_NAME, buf_slice(&state), 0600,
                              fault))
        return fault_in(fault, "sign a checkpoint");
    log->sealed = log->checked;
    log_growth_begin(log);
    buf_free(&log->note);
    log->note = take_buf(&note);
    return true;
}

static bool publish_leaf(void *self, const struct wal_frame *frame, struct fault *fault)
{
    struct log *log = self;

    return edge_add(log->edge, frame->leaf, &frame->leaf_hash, fault);
}

static bool publish_note(struct log *log, struct fault *fault)
{
    struct tree_range written = edge_range(log->edge);

    if (!ranges_are_equal(&written, &log->sealed))
        return fault_set(fault, FAULT_IO, "the tiles do not give the signed root");
    if (!edge_sync_folders(log->edge, fault) ||
        !file_replace_durably(log->folder, LOG_CHECKPOINT_NAME, buf_slice(&log->note), 0644,
                              fault))
        return false;
    log->published = log->sealed.size;
    edge_drop_partials(log->edge);
    wal_release(log->wal, log->published);
    log->stage = LOG_STAGE_NONE;
    return true;
}

/*
 * A full disk may get room again: then everything is as it was, and the next try starts there.
 */
static bool go_back(struct log *log, struct fault *fault)
{
    struct tree_range ignored;
    struct fault why = *fault;

    if (why.kind != FAULT_LIMIT)
        return fault_in(fault, "publish");
    log->stage = LOG_STAGE_WRITING;
    log->publishing = (struct wal_cursor){.next = log->published};
    if (!edge_load(log->edge, log->published, &ignored, fault)) {
        fault->kind = FAULT_IO;
        return fault_in(fault, "publish");
    }
    *fault = why;
    return fault_in(fault, "publish");
}

static bool write_piece(struct log *log, struct fault *fault)
{
    bool ignored;

    if (log->publishing.next < log->sealed.size)
        return wal_read(log->wal, &log->publishing, log->sealed.size, &log->piece,
                        publish_leaf, log, fault) &&
               edge_sync(log->edge, false, &ignored, fault);
    if (!edge_write_partials(log->edge, fault))
        return false;
    log->stage = LOG_STAGE_SYNCING;
    return true;
}

static bool sync_piece(struct log *log, bool wait, enum log_work *ret_work,
                       struct fault *fault)
{
    bool done;

    if (!edge_sync(log->edge, wait, &done, fault))
        return false;
    *ret_work = done                       ? LOG_WORK_NONE
                : log->files.is_overlapped ? LOG_WORK_WAITING
                                           : LOG_WORK_MORE;
    return !done || publish_note(log, fault);
}

static bool work(struct log *log, bool wait, enum log_work *ret_work, struct fault *fault)
{
    *ret_work = LOG_WORK_MORE;
    switch (log->stage) {
    case LOG_STAGE_NONE:
        *ret_work = LOG_WORK_NONE;
        return log->committed.size - log->checked.size < AHEAD_MIN ||
               check_piece(log, log->committed.size, fault);
    case LOG_STAGE_CHECKING:
        if (log->checked.size < log->target.size)
            return check_piece(log, log->target.size, fault);
        if (!sign(log, fault))
            return false;
        log->stage = LOG_STAGE_WRITING;
        return true;
    case LOG_STAGE_WRITING:
        return write_piece(log, fault) || go_back(log, fault);
    case LOG_STAGE_SYNCING:
        return sync_piece(log, wait, ret_work, fault) || go_back(log, fault);
    }
    return false;
}

bool log_work(struct log *log, enum log_work *ret_work, struct fault *fault)
{
    return work(log, false, ret_work, fault);
}

void log_checkpoint_begin(struct log *log)
{
    if (log->stage != LOG_STAGE_NONE || log->committed.size <= log->sealed.size)
        return;
    log->target = log->committed;
    /* The newest, where it is about no more than that. */
    memcpy(log->target_memo,
           log->committed.size == log_size(log) ? log->memo : log->committed_memo,
           sizeof(log->target_memo));
    log->stage = LOG_STAGE_CHECKING;
}

bool log_checkpoint_is_under_way(const struct log *log)
{
    return log->stage != LOG_STAGE_NONE;
}

bool log_work_off(struct log *log, struct fault *fault)
{
    enum log_work ignored;

    while (log->stage != LOG_STAGE_NONE)
        if (!work(log, true, &ignored, fault))
            return false;
    return true;
}

bool log_publish_sealed(struct log *log, struct fault *fault)
{
    log->stage = LOG_STAGE_WRITING;
    return log_work_off(log, fault);
}

bool log_checkpoint(struct log *log, struct fault *fault)
{
    if (!log_commit(log, fault) || !log_work_off(log, fault))
        return false;
    log_checkpoint_begin(log);
    return log_work_off(log, fault);
}

bool log_close(struct log *log, struct fault *fault)
{
    struct tree_hash root;

    if (!log_checkpoint(log, fault))
        return false;
    root = tree_root(&log->range);
    return wal_close_durably(log->wal, log->range.size, &root, fault);
}
