/*
 * roles/collect/originals.h - what stood behind the stand-ins that a run was shown, made again
 * from its key. Private to roles/collect.
 */
#ifndef CUSTODY_ROLES_COLLECT_ORIGINALS_H
#define CUSTODY_ROLES_COLLECT_ORIGINALS_H

#include "classify/surrogate.h"
#include "policy/policy.h"
#include "view/snapshot.h"

#define ORIGINALS_BYTES_MAX (256UL * 1024 * 1024) /* of one file */

struct originals {
    const struct policy *policy; /* borrowed */
    struct snapshot *snapshot;   /* of the run; owned */
    int content_fd; /* the raw blobs of the repository, whose index is not needed; owned */
    struct surrogate_key key;
    enum verdict verdicts[CLASS_COUNT];
    struct surrogate_map all; /* stand-ins of every redacted file */
    bool has_all;
};

void originals_end(struct originals *originals);
/* What was replaced. The policy must outlive it. */
void originals_by_policy(struct originals *originals, const struct policy *policy);

/*
 * The originals back in a file that was made from the base's blob `source` (hex).
 *   ret_is_restored  set where that blob was redacted; else nothing else is set, and the
 *                    content is what is to be written
 */
MUST_USE bool originals_restore(const struct originals *originals, const char *source,
                                struct slice content, struct buf *ret_restored,
                                bool *ret_is_restored, struct surrogate_outcome *ret_outcome,
                                struct fault *fault);

/* Stand-ins of other files: an agent must not have originals written where it likes. */
MUST_USE bool originals_find_moved(struct originals *originals, struct slice content,
                                   struct surrogate_outcome *ret_moved, struct fault *fault);

#endif
