/*
 * flow/home.h - custody's state folder: $CUSTODY_HOME, else /var/lib/custody as root, else
 * $XDG_STATE_HOME/custody (~/.local/state/custody).
 *
 *   ledger/       the C2SP tile tree (checkpoint, tile/...) and wal/
 *   shards/NNNN/  the ones before it, closed
 *   keys/         ledger.key (0600), ledger.vkey
 *   restoring/    what `custody restore` has not finished; nothing else opens it then
 *   budgets       what runs, people and repositories have spent: gateway/money/book.h
 *   store.db      runs, changes, approvals: an index, the ledger is the truth
 *   log.db        where in the ledger to look; may be deleted
 *   rules/        the user's rules, *.yaml
 *   cache/rules/  rule sets, compiled; made anew where one is missing or damaged
 *   cache/REPO/   content, verdicts and snapshots of one repository
 *   runs/RUN/     what one run needs while it lives, and its change
 *   engines/      agent programs that `custody engine install` fetched
 */
#ifndef CUSTODY_FLOW_HOME_H
#define CUSTODY_FLOW_HOME_H

#include "base/bytes.h"
#include "base/fault.h"

struct home {
    char *path;
    int fd;
};

#define HOME_RESTORING "restoring"
#define HOME_RUN_VARIABLE "CUSTODY_RUN" /* in the environment of every agent */

/*
 * FAULT_MISSING with "run custody init first" where there is none and `make` is false.
 * FAULT_HOST in a cell.
 */
MUST_USE bool home_open(bool make, struct home *ret_home, struct fault *fault);
/* For `custody restore`, which makes the folder where it is not there. */
MUST_USE bool home_open_to_restore(struct home *ret_home, struct fault *fault);
void home_close(struct home *home);
/* Its path, there or not; NULL where neither CUSTODY_HOME nor HOME says. The caller frees. */
char *home_path(void);

#endif
