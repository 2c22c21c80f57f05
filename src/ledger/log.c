/* Appending and committing. */
#include "ledger/log.h"

#include <assert.h>
#include <stdio.h>

#include "base/scope.h"
#include "ledger/log_parts.h"

#define LEAVES_AT_ONCE 128

void log_overlap(struct log *log)
{
    struct fault ignored = {0};

    if (!durable_ring(&log->later, &ignored))
        return;
    /* One for each: neither waits for what the other has under way. */
    if (!durable_ring(&log->files, &ignored))
        return;
}

void log_use(struct log *log, struct durable *durable)
{
    durable_free(&log->now);
    durable_free(&log->later);
    log->later = *durable;
    log->now = *durable;
    log->now.free = NULL; /* it is one */
}

void log_limit(struct log *log, unsigned segments)
{
    wal_limit(log->wal, segments);
}

uint64_t log_size(const struct log *log)
{
    return log->range.size + log->fresh_count;
}

uint64_t log_durable_size(const struct log *log)
{
    return log->committed.size;
}

uint64_t log_published_size(const struct log *log)
{
    return log->published;
}

size_t log_batch_bytes(const struct log *log)
{
    return wal_batch_bytes(log->wal);
}

bool log_commit_is_under_way(const struct log *log)
{
    return wal_is_under_way(log->wal);
}

int log_commit_ready(const struct log *log)
{
    return log->later.ready;
}

int log_work_ready(const struct log *log)
{
    return log->files.ready;
}

/* FAULT_LIMIT means something to callers; a log that cannot go on is FAULT_IO. */
static bool final(struct fault *fault)
{
    fault->kind = FAULT_IO;
    return false;
}

static bool finish(struct log *log, bool wait, bool *ret_done, struct fault *fault)
{
    bool was_under_way = wal_is_under_way(log->wal);

    if (!wal_finish(log->wal, wait, ret_done, fault))
        return final(fault);
    if (!was_under_way || !*ret_done)
        return true;
    log->committed = log->range;
    memcpy(log->committed_memo, log->under_way_memo, sizeof(log->committed_memo));
    return true;
}

/* There is no segment to write to: what is committed gets published, so that one comes free.
 */
static bool make_space(struct log *log, struct fault *fault)
{
    log_checkpoint_begin(log);
    return log_work_off(log, fault);
}

static bool begin(struct log *log, const struct durable *durable, struct fault *fault)
{
    if (wal_batch_bytes(log->wal) == 0)
        return true;
    if (!wal_begin(log->wal, durable, fault) &&
        (fault->kind != FAULT_LIMIT || !make_space(log, fault) ||
         !wal_begin(log->wal, durable, fault)))
        return final(fault);
    /* While the disk is at work. */
    tree_append_many(&log->range, log->fresh, log->fresh_count);
    log->fresh_count = 0;
    memcpy(log->under_way_memo, log->memo, sizeof(log->under_way_memo));
    return true;
}

bool log_commit_begin(struct log *log, struct fault *fault)
{
    return wal_is_under_way(log->wal) || begin(log, &log->later, fault);
}

bool log_commit_finish(struct log *log, bool wait, bool *ret_done, struct fault *fault)
{
    return finish(log, wait, ret_done, fault);
}

bool log_commit(struct log *log, struct fault *fault)
{
    bool done;

    return finish(log, true, &done, fault) && begin(log, &log->now, fault) &&
           finish(log, true, &done, fault);
}

static bool add(struct log *log, struct slice leaf, const struct tree_hash *hash,
                struct fault *fault)
{
    bool done;

    if (!wal_batch_has_room(log->wal, leaf.len) &&
        (!finish(log, true, &done, fault) || !begin(log, &log->later, fault)))
        return false;
    if (!wal_add(log->wal, log_size(log), hash, leaf, fault))
        return final(fault);
    log->fresh =
        xgrow(log->fresh, &log->fresh_room, log->fresh_count + 1, sizeof(*log->fresh));
    log->fresh[log->fresh_count++] = *hash;
    return true;
}

bool log_append_many(struct log *log, const struct slice *leaves, size_t count,
                     uint64_t *ret_index, struct tree_hash *ret_hashes, struct fault *fault)
{
    uint64_t index = log_size(log);

    for (size_t i = 0; i < count; i++)
        if (leaves[i].len == 0 || leaves[i].len > WAL_LEAF_BYTES_MAX)
            return fault_set(fault, FAULT_LIMIT, "record of %zu bytes", leaves[i].len);
    for (size_t at = 0; at < count;) {
        size_t end = count - at < LEAVES_AT_ONCE ? count : at + LEAVES_AT_ONCE;

        tree_leaves(leaves + at, end - at, ret_hashes + at);
        for (; at < end; at++)
            if (!add(log, leaves[at], &ret_hashes[at], fault))
                return false;
    }
    *ret_index = index;
    return true;
}

bool log_append(struct log *log, struct slice leaf, uint64_t *ret_index,
                struct tree_hash *ret_leaf_hash, struct fault *fault)
{
    struct tree_hash hash;

    if (!log_append_many(log, &leaf, 1, ret_index, &hash, fault))
        return false;
    *ret_leaf_hash = hash;
    return true;
}

void log_set_memo(struct log *log, const char *memo)
{
    assert(strlen(memo) < sizeof(log->memo) && strchr(memo, '\n') == NULL);
    (void)snprintf(log->memo, sizeof(log->memo), "%s", memo);
    /* Nothing is on its way: it is about what was recovered, and goes with the next signature.
     */
    if (wal_batch_bytes(log->wal) == 0 && !wal_is_under_way(log->wal))
        memcpy(log->committed_memo, log->memo, sizeof(log->committed_memo));
}
