/*
 * roles/records/backup.h - a copy of a state folder that `custody restore` takes, verified,
 * elsewhere.
 *
 *   ledger/ shards/       the trees, up to the checkpoint that was forced; what lies beside
 *   keys/                 public ones; with `with_key` also the signing key and the scopes'
 *   payloads/ store.db policy.yaml
 *   manifest              SHA-256 of each file (ledger/manifest.h); written last
 *
 * cache/, runs/, engines/ and log.db can be made again, and are not copied.
 */
#ifndef CUSTODY_ROLES_BACKUP_H
#define CUSTODY_ROLES_BACKUP_H

#include "base/clock.h"
#include "ledger/note.h"
#include "roles/session.h"

struct backup_request {
    const char *to;     /* a folder that is empty, or not there */
    const char *person; /* who asked */
    bool with_key;
};

struct backup_result {
    uint64_t files, bytes;
    uint64_t size; /* records of the current shard that are in it */
    char origin[NOTE_NAME_BYTES_MAX + 1];
};

/*
 * While the ledger is at work. ledger.backup is recorded before (`intended`) and after (`ok`
 * or `failed`). After a failure the folder has no manifest, and nothing can be restored of it.
 */
MUST_USE bool backup_make(struct session *session, const struct backup_request *request,
                          struct backup_result *ret_result, struct fault *fault);
/*
 * The same of a ledger that goes on elsewhere: its last record is ledger.moved, and no ledger
 * starts on `folder` (ledger_lock's, held by the caller) again. What was cut off may be asked
 * for again. The keys are always in it.
 */
MUST_USE bool backup_move(struct session *session, int folder, const struct clock *clock,
                          const struct backup_request *request,
                          struct backup_result *ret_result, struct fault *fault);

#endif
