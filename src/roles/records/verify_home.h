/*
 * roles/records/verify_home.h - all shards of one state folder, verified.
 */
#ifndef CUSTODY_ROLES_VERIFY_HOME_H
#define CUSTODY_ROLES_VERIFY_HOME_H

#include "ledger/verify_files.h"

/*
 * As verify_files_chain. The closed shards' keys lie beside them, the current one's is
 * keys/ledger.vkey, which is also the trusted one where `vkey` is empty.
 */
MUST_USE bool verify_home(int home_fd, struct slice vkey, const struct verify_files *files,
                          bool json, struct buf *ret_text, struct verify_outcome *ret_outcome,
                          struct fault *fault);

#endif
