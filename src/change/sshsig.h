/*
 * change/sshsig.h - signatures of people, by ssh-keygen (OpenSSH PROTOCOL.sshsig).
 *
 * The namespace says what a signature is for: one over the same bytes for another purpose is
 * none.
 */
#ifndef CUSTODY_CHANGE_SSHSIG_H
#define CUSTODY_CHANGE_SSHSIG_H

#include "base/bytes.h"
#include "base/fault.h"
#include "change/approval.h"

#define SSHSIG_BYTES_MAX 16384

/*
 * Signs with ssh-keygen; `key` is a private key file (the agent of the caller is not used). A
 * passphrase is asked for on the terminal.
 */
MUST_USE bool sshsig_sign(const char *purpose, const char *key, struct slice statement,
                          struct buf *ret_signature, struct fault *fault);
/*
 * FAULT_DENIED: not a valid signature over these bytes by one of the person's keys.
 * `scratch`: a private folder for the moment.
 */
MUST_USE bool sshsig_verify(const char *purpose, const struct approval_person *person,
                            struct slice statement, struct slice signature,
                            const char *scratch, struct fault *fault);
/* Signs, and checks it as anybody would: FAULT_DENIED, the key is not the person's. */
MUST_USE bool sshsig_sign_as(const char *purpose, const struct approval_person *person,
                             const char *key, struct slice statement,
                             struct buf *ret_signature, struct fault *fault);

#endif
