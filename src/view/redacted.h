/*
 * view/redacted.h - the redacted files of a snapshot, in memory: what the agent may see of
 * them. Made once at the start through a handed-in function; the originals are read here and
 * nowhere after.
 */
#ifndef CUSTODY_VIEW_REDACTED_H
#define CUSTODY_VIEW_REDACTED_H

#include "view/snapshot.h"

#define REDACTED_BYTES_MAX (1024U << 20) /* of all redacted files together */

struct redactor {
    /*
     * Replaces the findings in `original`. The result has the same length: git and the agent
     * see one size. Fails rather than leave anything in.
     */
    bool (*redact)(void *self, struct slice path, struct slice original,
                   const struct snapshot_finding *findings, size_t count,
                   struct buf *ret_redacted, struct fault *fault);
    void *self;
};

struct redacted;

MUST_USE bool redacted_make(const struct snapshot *snapshot, int content_fd,
                            const struct redactor *redactor, struct redacted **ret_redacted,
                            struct fault *fault);
void redacted_free(struct redacted *redacted); /* NULL is fine */
/* What the agent may see of redacted file `number`; false where the snapshot has no such. */
bool redacted_find(const struct redacted *redacted, uint32_t number, struct slice *ret_bytes);

#endif
