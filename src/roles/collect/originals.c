#include "roles/collect/originals.h"

#include <unistd.h>

#include "base/hex.h"
#include "base/scope.h"
#include "classify/classify.h"
#include "roles/collect/parts.h"
#include "roles/findings.h"

/* One redacted file of the base: what it is, what it was shown as, which stand-in is whose. */
struct shown {
    struct buf original, redacted;
    struct surrogate_map map;
};

static void shown_free(struct shown *shown)
{
    buf_free_secret(&shown->original);
    buf_free(&shown->redacted);
    surrogate_map_free(&shown->map);
}

/* All of it, made again from the run's key. */
static bool shown_make(const struct originals *originals, uint32_t number,
                       struct shown *shown, struct fault *fault)
{
    const struct snapshot_node *node = snapshot_node(originals->snapshot, number);
    const struct snapshot_finding *stored = snapshot_findings(originals->snapshot, number);
    AUTO_FREE struct finding *findings = NULL;
    ssize_t got;

    *shown = (struct shown){.original = buf_with_limit(COLLECT_FILE_BYTES_MAX),
                            .redacted = buf_with_limit(COLLECT_FILE_BYTES_MAX)};
    if (!buf_reserve(&shown->original, node->size, fault))
        return false;
    got =
        pread(originals->content_fd, shown->original.at, node->size, (off_t)node->content_at);
    if (got < 0 || (uint64_t)got != node->size)
        return fault_errno(fault, "read the original of a redacted file");
    shown->original.len = node->size;
    findings = xalloc_array(node->finding_count + 1UL, sizeof(*findings));
    for (size_t i = 0; i < node->finding_count; i++)
        findings[i] = finding_stored(&stored[i]);
    return redact(buf_slice(&shown->original), findings, node->finding_count,
                  originals->verdicts, &originals->key, &shown->redacted, &shown->map,
                  fault);
}

/* The redacted file whose content is this blob; SNAPSHOT_NONE: it was shown as it is. */
static uint32_t find_source(const struct originals *originals, const char *source)
{
    size_t count;
    const uint32_t *redacted = snapshot_redacted(originals->snapshot, &count);
    uint8_t oid[GIT_OID_BYTES];

    if (!hex_decode(slice_of(source), oid, sizeof(oid)))
        return SNAPSHOT_NONE;
    for (size_t i = 0; i < count; i++)
        if (memcmp(snapshot_node(originals->snapshot, redacted[i])->oid, oid, sizeof(oid)) ==
            0)
            return redacted[i];
    return SNAPSHOT_NONE;
}

static bool collect_all(struct originals *originals, struct fault *fault)
{
    size_t count;
    const uint32_t *redacted = snapshot_redacted(originals->snapshot, &count);
    struct surrogate_map *all = &originals->all;

    for (size_t i = 0; i < count; i++) {
        struct shown shown; /* what stands in for what depends on the file alone */
        bool ok = shown_make(originals, redacted[i], &shown, fault);

        all->at =
            xgrow(all->at, &all->room, all->count + shown.map.count + 1, sizeof(*all->at));
        for (size_t j = 0; j < shown.map.count; j++) {
            all->at[all->count] = shown.map.at[j];
            if (originals->policy->keeps_copies[all->at[all->count].class])
                all->at[all->count].trust = SURROGATE_NONE; /* may stand anywhere */
            all->count++;
        }
        shown.map.count = 0; /* its texts are `all`'s now */
        shown_free(&shown);
        if (!ok)
            return false;
    }
    originals->has_all = true;
    return true;
}

void originals_end(struct originals *originals)
{
    scope_close(&originals->content_fd);
    surrogate_map_free(&originals->all);
    snapshot_close(originals->snapshot);
    explicit_bzero(&originals->key, sizeof(originals->key));
}

void originals_by_policy(struct originals *originals, const struct policy *policy)
{
    originals->policy = policy;
    for (unsigned class = 0; class < CLASS_COUNT; class ++)
        originals->verdicts[class] =
            policy_class_verdict(policy, (enum data_class) class, POLICY_VIEW);
}

bool originals_restore(const struct originals *originals, const char *source,
                       struct slice content, struct buf *ret_restored, bool *ret_is_restored,
                       struct surrogate_outcome *ret_outcome, struct fault *fault)
{
    uint32_t number = find_source(originals, source);
    struct surrogate_base base;
    struct shown shown;
    bool ok;

    if (number == SNAPSHOT_NONE)
        return true;
    ok = shown_make(originals, number, &shown, fault);
    base = (struct surrogate_base){buf_slice(&shown.original), buf_slice(&shown.redacted)};
    ok = ok &&
         surrogate_restore(content, &shown.map, &base, ret_restored, ret_outcome, fault);
    shown_free(&shown);
    *ret_is_restored = ok;
    return ok;
}

bool originals_find_moved(struct originals *originals, struct slice content,
                          struct surrogate_outcome *ret_moved, struct fault *fault)
{
    if (!originals->has_all && !collect_all(originals, fault))
        return false;
    surrogate_find(content, &originals->all, ret_moved);
    return true;
}
