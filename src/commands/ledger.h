/* commands/ledger.h - which ledger and which key the verbs about a ledger mean. */
#ifndef CUSTODY_COMMANDS_LEDGER_H
#define CUSTODY_COMMANDS_LEDGER_H

#include "ledger/archive.h"
#include "roles/session.h"

/* `word` is a folder with `checkpoint` and `tile/`; NULL: this machine's. The caller closes.
 */
MUST_USE bool ledger_open(const char *word, int *ret_folder, struct fault *fault);
/* `word` is a vkey or a file with one; NULL: keys/ledger.vkey beside the ledger. Appends. */
MUST_USE bool ledger_key(const char *word, int folder, struct buf *ret_key,
                         struct fault *fault);
/*
 * Who asks, for a record: the policy's person with the caller's login name, else "uid-N", also
 * where the policy cannot be read. The caller frees.
 */
char *ledger_person(struct session *session);
/*
 * ledger/ and its lock. FAULT_CONFLICT names the runs that are under way and what to do.
 */
MUST_USE bool ledger_take_idle(struct session *session, int *ret_folder, int *ret_lock,
                               struct fault *fault);
/*
 * Where archived records of the ledger lie: `word`, else, where it is this machine's, what
 * `custody archive` left there. FAULT_MISSING names a folder that is not there now.
 */
MUST_USE bool ledger_archive(const char *word, int folder, bool is_own,
                             struct archive_folder *ret_archive, struct fault *fault);

#endif
