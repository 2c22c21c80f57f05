/* Opening a log: what the disk says, what must not be, and what is replayed. */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/scope.h"
#include "ledger/log_parts.h"
#include "os/file.h"

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
        if (!slice_starts_with(rest, SLICE(LOG_STATE_HEAD)))
            return fault_set(fault, FAULT_INVALID, "%s: not a ledger's state", name);
        rest = slice_part(rest, sizeof(LOG_STATE_HEAD) - 1, rest.len);
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
    if (!file_exists(log->wal_folder, WAL_FIRST_NAME))
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

    if (!read_note(log->state_folder, LOG_STATE_NAME, key, true, &found->state_note, log->memo,
                   &found->state, &found->has_state, fault))
        return fault_in(fault, "state");
    return read_note(log->folder, LOG_CHECKPOINT_NAME, key, false, &published, ignored,
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

static bool recover_wal(struct log *log, const struct found *found, struct replay *replay,
                        struct log_recovery *ret_recovery, struct fault *fault)
{
    struct wal_scan scan;

    if (!wal_open(log->wal_folder, log->published, replay_frame, replay, &log->wal, &scan,
                  fault))
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
    log->committed = log->range;
    log->checked = log->sealed;
    log_growth_begin(log);
    log->checking.next = log->sealed.size;
    log->publishing.next = log->published;
    (void)snprintf(log->committed_memo, sizeof(log->committed_memo), "%s", log->memo);
    if (found->has_state && (!found->has_published || log->published < found->state.size)) {
        log->note = take_buf(&found->state_note);
        return log_publish_sealed(log, fault);
    }
    wal_release(log->wal, log->published);
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
                        .now = durable_plain,
                        .later = durable_plain,
                        .files = durable_plain,
                        .piece = buf_with_limit(WAL_BATCH_BYTES_MAX),
                        .note = buf_with_limit(NOTE_BYTES_MAX)};
    ok = log->folder >= 0 &&
         file_open_folder(log->folder, "wal", 0700, &log->wal_folder, fault) &&
         file_open_folder(log->folder, "state", 0700, &log->state_folder, fault);
    if (ok) {
        log->edge = edge_new(log->folder, log->state_folder, &log->files);
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
    durable_free(&log->now);
    durable_free(&log->later);
    durable_free(&log->files);
    free(log->fresh);
    free(log->leaves);
    free(log->hashes);
    free(log->known);
    free(log->growth);
    buf_free(&log->piece);
    buf_free(&log->note);
    scope_close(&log->state_folder);
    scope_close(&log->wal_folder);
    scope_close(&log->folder);
    free(log);
}
