/*
 * roles/ledger_role/ledger.h - the ledger's process: keys, starting it, reaching it.
 *
 * The daemon holds the signing key, outlives a run by some seconds, and is shared by all runs
 * of one state folder. See roles/ledger_role/ledger.c for what it may do.
 */
#ifndef CUSTODY_ROLES_LEDGER_H
#define CUSTODY_ROLES_LEDGER_H

#include "base/fault.h"

struct key_storage;

/*
 * Makes keys/ledger.key (0600, a signed-note skey) and keys/ledger.vkey below the state
 * folder. The name of the key, which is the origin of the log, is custody-HOSTNAME-8HEX.
 * FAULT_CONFLICT where there is one already; it is never replaced.
 */
MUST_USE bool ledger_keys_make(int home_fd, struct fault *fault);
/* The same, kept as `storage` says (roles/ledger_role/key.h). */
MUST_USE bool ledger_keys_make_as(int home_fd, const struct key_storage *storage,
                                  struct fault *fault);

/*
 * Connects to the daemon, starting it where it does not run. The socket is close-on-exec; hand
 * it to ledger_client_new (ledger/ledger.h). It is a *core* producer: it may write every type
 * of record but the ledger's own, and may ask for further producers.
 *
 * A daemon that cannot start says why here: FAULT_MISSING without a key, FAULT_INVALID with a
 * key or ledger that does not hold together (corruption, rollback, fork). Forks: not for a
 * process with threads.
 */
MUST_USE bool ledger_connect(const char *home_path, int home_fd, int *ret_socket,
                             struct fault *fault);
/*
 * ledger/ and its lock, for whoever needs the ledger for themselves: a daemon that serves
 * nobody is asked to end. FAULT_CONFLICT: it serves somebody. See ledger_current.
 */
MUST_USE bool ledger_take(int home_fd, int *ret_folder, int *ret_lock, struct fault *fault);
/* The same, but starts nothing. FAULT_MISSING: no daemon runs. */
MUST_USE bool ledger_connect_running(int home_fd, int *ret_socket, struct fault *fault);

#endif
