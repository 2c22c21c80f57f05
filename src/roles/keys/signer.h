/*
 * roles/keys/signer.h - a process that signs checkpoints by a key in a PKCS#11 token.
 */
#ifndef CUSTODY_ROLES_SIGNER_H
#define CUSTODY_ROLES_SIGNER_H

#include "keystore/keyfile.h"
#include "ledger/note.h"

/*
 * Starts it; it ends with the signer, or with this process.
 *   file  of a token's key
 *   pin   where the PIN lies; empty: where the URI says
 *   home_fd  of the state folder: keys/ has the last checkpoint that it has signed
 * What keeps the token from signing is said here; see keystore/pkcs11.h.
 */
MUST_USE bool signer_start(const struct keyfile *file, struct slice pin, int home_fd,
                           struct note_signer **ret_signer, struct fault *fault);

#endif
