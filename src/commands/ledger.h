/* commands/ledger.h - which ledger and which key the verbs about a ledger mean. */
#ifndef CUSTODY_COMMANDS_LEDGER_H
#define CUSTODY_COMMANDS_LEDGER_H

#include "base/bytes.h"
#include "base/fault.h"

/* `word` is a folder with `checkpoint` and `tile/`; NULL: this machine's. The caller closes.
 */
MUST_USE bool ledger_open(const char *word, int *ret_folder, struct fault *fault);
/* `word` is a vkey or a file with one; NULL: keys/ledger.vkey beside the ledger. Appends. */
MUST_USE bool ledger_key(const char *word, int folder, struct buf *ret_key,
                         struct fault *fault);

#endif
