#include "ledger/log.h"

#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/scope.h"
#include "ledger/checkpoint.h"
#include "ledger/edge.h"
#include "ledger/wal.h"
#include "os/file.h"

#define WAL_NAME "frames"
#define STATE_NAME "signed"
#define CHECKPOINT_NAME "checkpoint"
#define STATE_HEAD "custody-ledger-state/v1\n"

struct log {
    int folder, wal_folder, state_folder;
    const struct note_signer *signer;
    struct wal *wal;
    struct edge *edge;
    struct tree_range range;  /* of everything appended */
    struct tree_range sealed; /* of what the last signed checkpoint covers */
    uint64_t published;
    struct buf note; /* the last signed one */
    char memo[LOG_MEMO_BYTES_MAX];
};

/* What the disk says at the start, before anything is changed. */
struct found {
    bool has_state, has_published;
    struct checkpoint state, published; /* origins are not used */
    struct buf state_note;
};

static bool read_note(int folder, const char *name, const struct note_key *key, bool has_memo,
                      struct buf *bytes, char *memo, struct checkpoint *ret_checkpoint,
                      bool *ret_there, struct fault *fault)
{
    struct slice rest, line;

    *ret_there = file_exists(folder, name);
    if (!*ret_there)
        return true;
    if (!file_read(folder, name, bytes, fault))
        return false;
    if (has_memo) {
        rest = buf_slice(bytes);
        if (!slice_starts_with(rest, SLICE(STATE_HEAD)))
            return fault_set(fault, FAULT_INVALID, "%s: not a ledger's state", name);
        rest = slice_part(rest, sizeof(STATE_HEAD) - 1, rest.len);
        if (!slice_cut(&rest, '\n', &line) || line.len >= LOG_MEMO_BYTES_MAX)
            return fault_set(fault, FAULT_INVALID, "%s: no memo", name);
        memcpy(memo, line.at, line.len);
        memo[line.len] = 0;
        buf_drop_front(bytes, (size_t)(rest.at - bytes->at));
    }
    if (!checkpoint_open(buf_slice(bytes), key, ret_checkpoint, fault))
        return fault_in(fault, "%s", name);
    return true;
}

/* The table of reference section 6: what must not be, before anything is written. */
static bool check_found(const struct log *log, const struct found *found, struct fault *fault)
{
    if (!found->has_state) {
        if (found->has_published || file_exists(log->folder, "tile"))
            return fault_set(
                fault, FAULT_INVALID,
                "there is a published log, but no state of the one who signed it");
        return true;
    }
    if (!file_exists(log->wal_folder, WAL_NAME))
        return fault_set(fault, FAULT_INVALID, "the write-ahead log is gone");
    if (!found->has_published)
        return true;
    if (found->published.size > found->state.size)
        return fault_set(
            fault, FAULT_INVALID, "rollback: %llu records are published, the state knows %llu",
            (unsigned long long)found->published.size, (unsigned long long)found->state.size);
    if (found->published.size == found->state.size &&
        !tree_hash_equal(&found->published.root, &found->state.root))
        return fault_set(fault, FAULT_INVALID, "fork: two checkpoints of %llu records",
                         (unsigned long long)found->state.size);
    return true;
}

static bool read_found(struct log *log, const struct note_key *key, struct found *found,
                       struct fault *fault)
{
    AUTO_BUF struct buf published = buf_with_limit(NOTE_BYTES_MAX);
    char ignored[LOG_MEMO_BYTES_MAX];

    if (!read_note(log->state_folder, STATE_NAME, key, true, &found->state_note, log->memo,
                   &found->state, &found->has_state, fault))
        return fault_in(fault, "state");
    return read_note(log->folder, CHECKPOINT_NAME, key, false, &published, ignored,
                     &found->published, &found->has_published, fault) &&
           check_found(log, found, fault);
}

struct replay {
    struct log *log;
    const struct found *found;
    bool (*on_leaf)(void *self, uint64_t index, struct slice leaf,
                    const struct tree_hash *leaf_hash, struct fault *fault);
    void *self;
    uint64_t count;
};

static bool root_is(const struct tree_range *range, const struct tree_hash *root,
                    struct fault *fault)
{
    struct tree_hash computed = tree_root(range);

    if (!tree_hash_equal(&computed, root))
        return fault_set(fault, FAULT_INVALID,
                         "the first %llu records do not give the signed root",
                         (unsigned long long)range->size);
    return true;
}

static bool replay_frame(void *self, const struct wal_frame *frame, struct fault *fault)
{
    struct replay *replay = self;
    struct log *log = replay->log;
    uint64_t signed_size = replay->found->has_state ? replay->found->state.size : 0;

    if (frame->index < log->range.size)
        return true; /* published already */
    if (frame->index > log->range.size)
        return fault_set(fault, FAULT_INVALID, "record %llu is missing",
                         (unsigned long long)log->range.size);
    tree_append(&log->range, &frame->leaf_hash);
    replay->count++;
    if (log->range.size == signed_size) {
        log->sealed = log->range;
        return root_is(&log->range, &replay->found->state.root, fault);
    }
    if (frame->index < signed_size || replay->on_leaf == NULL)
        return true;
    return replay->on_leaf(replay->self, frame->index, frame->leaf, &frame->leaf_hash, fault);
}

/* Writes tiles and bundles up to `size`, then the checkpoint. */
static bool publish(struct log *log, uint64_t size, struct fault *fault)
{
    AUTO_BUF struct buf leaf = buf_with_limit(WAL_FRAME_HEAD_BYTES + WAL_LEAF_BYTES_MAX);

    for (uint64_t index = log->published; index < size; index++) {
        struct tree_hash hash;

        if (!wal_read(log->wal, index, &leaf, &hash, fault) ||
            !edge_add(log->edge, buf_slice(&leaf), &hash, fault))
            return false;
    }
    if (!edge_flush(log->edge, fault) ||
        !file_replace_durably(log->folder, CHECKPOINT_NAME, buf_slice(&log->note), 0644,
                              fault))
        return false;
    log->published = size;
    edge_drop_partials(log->edge);
    return true;
}

/*
 * A full disk may get room again: then everything is as it was, and the next try starts there.
 */
static bool publish_or_go_back(struct log *log, uint64_t size, struct fault *fault)
{
    struct tree_range ignored;
    struct fault why;

    if (publish(log, size, fault))
        return true;
    why = *fault;
    if (why.kind != FAULT_LIMIT)
        return fault_in(fault, "publish");
    if (!edge_load(log->edge, log->published, &ignored, fault)) {
        fault->kind = FAULT_IO;
        return fault_in(fault, "publish");
    }
    *fault = why;
    return fault_in(fault, "publish");
}

static void rewind_when_published(struct log *log)
{
    if (log->published == log->range.size && wal_batch_bytes(log->wal) == 0)
        wal_rewind(log->wal, log->range.size);
}

static bool recover_wal(struct log *log, const struct found *found, struct replay *replay,
                        struct log_recovery *ret_recovery, struct fault *fault)
{
    struct wal_scan scan;

    if (!wal_open(log->wal_folder, WAL_NAME, log->published, replay_frame, replay, &log->wal,
                  &scan, fault))
        return fault_in(fault, "write-ahead log");
    if (found->has_state && log->range.size < found->state.size)
        return fault_set(
            fault, FAULT_INVALID, "corruption: %llu records were signed, %llu are there",
            (unsigned long long)found->state.size, (unsigned long long)log->range.size);
    if (scan.is_closed && scan.first != log->range.size)
        return fault_set(fault, FAULT_INVALID,
                         "the write-ahead log was closed at %llu records, %llu are there",
                         (unsigned long long)scan.first, (unsigned long long)log->range.size);
    ret_recovery->was_closed = scan.is_closed;
    ret_recovery->torn_bytes = scan.torn;
    return true;
}

static bool recover(struct log *log, const struct note_key *key, struct replay *replay,
                    struct found *found, struct log_recovery *ret_recovery,
                    struct fault *fault)
{
    if (!read_found(log, key, found, fault))
        return false;
    log->published = found->has_published ? found->published.size : 0;
    if (!edge_load(log->edge, log->published, &log->range, fault) ||
        (found->has_published && !root_is(&log->range, &found->published.root, fault)))
        return false;
    log->sealed = log->range;
    if (!recover_wal(log, found, replay, ret_recovery, fault))
        return false;
    if (found->has_state && (!found->has_published || log->published < found->state.size)) {
        log->note = take_buf(&found->state_note);
        if (!publish_or_go_back(log, found->state.size, fault))
            return false;
    }
    rewind_when_published(log);
    return true;
}

/* `replay` says who hears of the records; `signer` may be NULL where none is signed. */
static bool open_log(int folder, const struct note_signer *signer, const struct note_key *key,
                     struct replay replay, struct log **ret_log,
                     struct log_recovery *ret_recovery, struct fault *fault)
{
    struct log_recovery recovery = {0};
    struct found found = {.state_note = buf_with_limit(NOTE_BYTES_MAX)};
    struct log *log = xalloc(sizeof(*log));
    bool ok;

    replay.log = log;
    replay.found = &found;

    *log = (struct log){.folder = fcntl(folder, F_DUPFD_CLOEXEC, 3),
                        .wal_folder = -1,
                        .state_folder = -1,
                        .signer = signer,
                        .note = buf_with_limit(NOTE_BYTES_MAX)};
    ok = log->folder >= 0 &&
         file_open_folder(log->folder, "wal", 0700, &log->wal_folder, fault) &&
         file_open_folder(log->folder, "state", 0700, &log->state_folder, fault);
    if (ok) {
        log->edge = edge_new(log->folder, log->state_folder);
        ok = recover(log, key, &replay, &found, &recovery, fault);
    }
    buf_free(&found.state_note);
    if (!ok) {
        log_free(log);
        return fault_in(fault, "open the ledger");
    }
    recovery.size = log->range.size;
    recovery.replayed = replay.count;
    recovery.is_new = !found.has_state && log->range.size == 0;
    memcpy(recovery.memo, log->memo, sizeof(recovery.memo));
    *ret_log = log;
    *ret_recovery = recovery;
    return true;
}

bool log_open(int folder, const struct note_signer *signer,
              bool (*on_leaf)(void *self, uint64_t index, struct slice leaf,
                              const struct tree_hash *leaf_hash, struct fault *fault),
              void *self, struct log **ret_log, struct log_recovery *ret_recovery,
              struct fault *fault)
{
    AUTO_BUF struct buf vkey = buf_with_limit(1024);
    struct note_key *key;
    bool ok;

    if (!note_signer_vkey(signer, &vkey, fault) ||
        !note_key_parse(buf_slice(&vkey), &key, fault))
        return false;
    ok = open_log(folder, signer, key, (struct replay){.on_leaf = on_leaf, .self = self},
                  ret_log, ret_recovery, fault);
    note_key_free(key);
    return ok;
}

bool log_settle(int folder, const struct note_key *key, uint64_t *ret_unsealed,
                struct fault *fault)
{
    struct log_recovery recovery;
    struct log *log;

    if (!open_log(folder, NULL, key, (struct replay){0}, &log, &recovery, fault))
        return false;
    *ret_unsealed = log->range.size - log->published;
    log_free(log);
    return true;
}

void log_free(struct log *log)
{
    if (log == NULL)
        return;
    wal_free(log->wal);
    edge_free(log->edge);
    buf_free(&log->note);
    scope_close(&log->state_folder);
    scope_close(&log->wal_folder);
    scope_close(&log->folder);
    free(log);
}

uint64_t log_size(const struct log *log)
{
    return log->range.size;
}

uint64_t log_published_size(const struct log *log)
{
    return log->published;
}

size_t log_batch_bytes(const struct log *log)
{
    return wal_batch_bytes(log->wal);
}

/* FAULT_LIMIT means something to callers; a log that cannot go on is FAULT_IO. */
static bool final(struct fault *fault)
{
    fault->kind = FAULT_IO;
    return false;
}

bool log_append(struct log *log, struct slice leaf, uint64_t *ret_index,
                struct tree_hash *ret_leaf_hash, struct fault *fault)
{
    struct tree_hash hash;

    if (leaf.len == 0 || leaf.len > WAL_LEAF_BYTES_MAX)
        return fault_set(fault, FAULT_LIMIT, "record of %zu bytes", leaf.len);
    if (!wal_batch_has_room(log->wal, leaf.len) && !log_commit(log, fault))
        return false;
    if (!wal_file_has_room(log->wal, leaf.len) && !log_checkpoint(log, fault))
        return final(fault);
    hash = tree_leaf(leaf);
    if (!wal_add(log->wal, log->range.size, &hash, leaf, fault))
        return final(fault);
    *ret_index = log->range.size;
    *ret_leaf_hash = hash;
    tree_append(&log->range, &hash);
    return true;
}

bool log_commit(struct log *log, struct fault *fault)
{
    return wal_commit(log->wal, fault) ? true : final(fault);
}

void log_set_memo(struct log *log, const char *memo)
{
    assert(strlen(memo) < sizeof(log->memo) && strchr(memo, '\n') == NULL);
    (void)snprintf(log->memo, sizeof(log->memo), "%s", memo);
}

/*
 * The tree that will be signed, computed a second time from bytes read back: what memory and
 * disk disagree on is not signed (a flipped bit in one leaf has ended a public log).
 */
static bool read_back(const struct log *log, struct tree_range *ret_range, struct fault *fault)
{
    AUTO_BUF struct buf leaf = buf_with_limit(WAL_FRAME_HEAD_BYTES + WAL_LEAF_BYTES_MAX);
    struct tree_range range = log->sealed;

    while (range.size < log->range.size) {
        struct tree_hash hash;

        if (!wal_read(log->wal, range.size, &leaf, &hash, fault))
            return false;
        hash = tree_leaf(buf_slice(&leaf));
        tree_append(&range, &hash);
    }
    if (range.count != log->range.count ||
        memcmp(range.node, log->range.node, range.count * sizeof(range.node[0])) != 0)
        return fault_set(fault, FAULT_IO, "memory and disk do not agree on the tree");
    *ret_range = range;
    return true;
}

/* The commit point: once this is on disk, no other tree of this size will ever be signed. */
static bool sign(struct log *log, struct fault *fault)
{
    AUTO_BUF struct buf note = buf_with_limit(NOTE_BYTES_MAX);
    AUTO_BUF struct buf state = buf_with_limit(NOTE_BYTES_MAX + 1024);
    struct tree_range range;
    struct tree_hash root;

    if (!read_back(log, &range, fault))
        return false;
    root = tree_root(&range);
    if (!checkpoint_sign(range.size, &root, log->signer, &note, fault) ||
        !buf_add_format(&state, fault, STATE_HEAD "%s\n", log->memo) ||
        !buf_add(&state, buf_slice(&note), fault) ||
        !file_replace_durably(log->state_folder, STATE_NAME, buf_slice(&state), 0600, fault))
        return fault_in(fault, "sign a checkpoint");
    log->sealed = range;
    buf_free(&log->note);
    log->note = take_buf(&note);
    return true;
}

bool log_checkpoint(struct log *log, struct fault *fault)
{
    if (!log_commit(log, fault))
        return false;
    if (log->sealed.size < log->range.size && !sign(log, fault))
        return false;
    if (log->published < log->range.size && !publish_or_go_back(log, log->range.size, fault))
        return false;
    rewind_when_published(log);
    return true;
}

bool log_close(struct log *log, struct fault *fault)
{
    struct tree_hash root = tree_root(&log->range);

    return log_checkpoint(log, fault) &&
           wal_close_durably(log->wal, log->range.size, &root, fault);
}
