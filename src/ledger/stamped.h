/*
 * ledger/stamped.h - a folder of time-stamped checkpoints, to be compared with a tree.
 *
 *   NAME.checkpoint   the signed note as it was
 *   NAME.tsr          an RFC 3161 token over its text
 */
#ifndef CUSTODY_LEDGER_STAMPED_H
#define CUSTODY_LEDGER_STAMPED_H

#include "ledger/note.h"
#include "ledger/tree.h"

#define STAMPED_MAX 65536 /* hourly for seven years */

/* One that holds: the token is over a checkpoint that the log has signed. */
struct stamped {
    uint64_t size;
    struct tree_hash root;
    int64_t time; /* seconds since 1970, the authority's word */
};

struct stamped_list {
    struct stamped *at; /* by size, the smallest first */
    size_t count, room;
};

/*
 * Reads the folder.
 *   on_wrong  called for each that does not hold; the rest goes on
 * FAULT_LIMIT: more than STAMPED_MAX. FAULT_IO: it cannot be listed.
 */
MUST_USE bool stamped_read(int folder, const struct note_key *log, struct slice ca,
                           void (*on_wrong)(void *self, const char *name,
                                            const struct fault *why),
                           void *self, struct stamped_list *ret_list, struct fault *fault);
void stamped_free(struct stamped_list *list);

#endif
