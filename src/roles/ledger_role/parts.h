/*
 * roles/ledger_role/parts.h - what the files of the ledger's role share: its lock and its key.
 */
#ifndef CUSTODY_ROLES_LEDGER_PARTS_H
#define CUSTODY_ROLES_LEDGER_PARTS_H

#include "ledger/note.h"

#define LEDGER_MOVED_NAME "state/moved" /* in ledger/: it goes on at another host */

/*
 * Opens ledger/, making it where it is missing, and takes its lock, which goes when it is
 * closed. FAULT_CONFLICT: a daemon has it, or another shard has just begun: try again.
 */
MUST_USE bool ledger_lock(int home_fd, int *ret_folder, int *ret_lock, struct fault *fault);
/* The lock of one folder, which need not be ledger/. */
MUST_USE bool ledger_lock_folder(int folder, int *ret_lock, struct fault *fault);
/* The signing key in file `name` below the state folder. FAULT_MISSING: there is none. */
MUST_USE bool ledger_signer(int home_fd, const char *name, struct note_signer **ret_signer,
                            struct fault *fault);
/*
 * Makes a key of that name, to be kept as keys/ledger.key is (plainly, where there is none).
 * Both texts are appended, each with its line end. FAULT_HOST: that takes a person.
 */
MUST_USE bool ledger_next_key(int home_fd, struct slice name, struct buf *ret_key,
                              struct buf *ret_vkey, struct fault *fault);
/* "custody-HOSTNAME-8HEX", which nobody else has. The caller frees. */
MUST_USE bool ledger_new_name(char **ret_name, struct fault *fault);

#endif
