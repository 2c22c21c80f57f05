/*
 * roles/records/restore.h - a state folder out of a backup (roles/records/backup.h), for an
 * empty one.
 *
 * The copy is read into restoring/, file by file against its manifest, verified whole, and
 * made ready there; then its parts get their places, the keys last. Cut off before that, the
 * next restore begins anew; behind it, it finishes.
 *
 *   a ledger that was moved   goes on, with ledger.restored: its last record says that it
 *                             ended where it was
 *   any other copy            is closed as it is, and a new shard is begun (reason restored):
 *                             what was recorded since may be lost, or be elsewhere
 */
#ifndef CUSTODY_ROLES_RESTORE_H
#define CUSTODY_ROLES_RESTORE_H

#include "base/clock.h"
#include "ledger/verify_files.h"

struct restore_request {
    const char *from;
    const char *person;
    bool is_move;      /* go on with the shard; FAULT_CONFLICT where it was not moved */
    bool may_lack;     /* take a ledger that is incomplete, too; never one that was changed */
    struct slice vkey; /* the key that the asker trusts; empty: the copy's own */
};

struct restore_result {
    uint64_t files, bytes;
    struct buf report; /* of the verification, for people */
    struct buf vkey;   /* that signs from here on */
};

/*
 * FAULT_CONFLICT: the state folder is not empty. FAULT_INVALID names the file that is damaged,
 * or the copy does not verify (ret_result->report says why). The folder is as it was then.
 */
MUST_USE bool restore_copy(int home_fd, const struct restore_request *request,
                           const struct clock *clock, struct restore_result *ret_result,
                           struct fault *fault);
void restore_result_free(struct restore_result *result);

#endif
