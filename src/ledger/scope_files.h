/*
 * ledger/scope_files.h - what a scope has on disk, below the state folder.
 *
 *   keys/scopes/SCOPE            its key, 32 bytes, mode 0600 in a folder of 0700
 *   keys/erasing/SCOPE           somebody has begun to erase it: who, and why (roles/records/erase.h)
 *   payloads/SCOPE/HEX           its payloads; HEX is the SHA-256 of the file
 *
 * payloads/ is 0700, too: as root, the user of a run has the descriptor of its own folder and
 * no way to another's.
 */
#ifndef CUSTODY_LEDGER_SCOPE_FILES_H
#define CUSTODY_LEDGER_SCOPE_FILES_H

#include <sys/types.h>

#include "ledger/payload.h"

#define SCOPE_DIGEST_TEXT 65 /* of a payload's name, with its NUL */

/*
 * Makes the scope's key. Not durable before scope_files_settle.
 * FAULT_CONFLICT: there is one.
 */
MUST_USE bool scope_files_make(int home, const char *scope, uint8_t ret_key[SCOPE_KEY_BYTES],
                               struct fault *fault);
/* FAULT_MISSING: it was erased, or never was. */
MUST_USE bool scope_files_load(int home, const char *scope, uint8_t ret_key[SCOPE_KEY_BYTES],
                               struct fault *fault);
bool scope_files_has_key(int home, const char *scope);
/* Is there a key, or a payload's folder? */
bool scope_files_remains(int home, const char *scope);
bool scope_files_has_payload(int home, const char *scope, const char *digest);
/* Opens the scope's payloads, making the folder (of user `owner`, as root) where it is not
 * there. The caller closes. */
MUST_USE bool scope_files_payloads(int home, const char *scope, uid_t owner, int *ret_folder,
                                   struct fault *fault);
/* Makes the key and all payloads so far survive a power loss. */
MUST_USE bool scope_files_settle(int home, const char *scope, struct fault *fault);

/* Writes one payload; its bytes are on disk, its name is after scope_files_sync. */
MUST_USE bool scope_files_put(int folder, struct slice file,
                              char ret_digest[SCOPE_DIGEST_TEXT], struct fault *fault);
/* The same, but neither is on disk before scope_files_settle. */
MUST_USE bool scope_files_put_soon(int folder, struct slice file,
                                   char ret_digest[SCOPE_DIGEST_TEXT], struct fault *fault);
MUST_USE bool scope_files_sync(int folder, struct fault *fault);
/*
 * Appends the bytes of payload `digest`.
 * FAULT_MISSING: it is not there. FAULT_CONFLICT: its bytes have another digest.
 */
MUST_USE bool scope_files_get(int home, const char *scope, const char *digest,
                              struct buf *ret_file, struct fault *fault);

/*
 * Overwrites the key and removes it, then the payloads; each durably, so that none comes back.
 * What is gone already is fine.
 *   ret_payloads  how many there were
 */
MUST_USE bool scope_files_destroy(int home, const char *scope, size_t *ret_payloads,
                                  struct fault *fault);

/* Notes durably that the scope is to go, so that a crash does not leave it half there. */
MUST_USE bool scope_files_note(int home, const char *scope, struct slice note,
                               struct fault *fault);
/* Appends the note. FAULT_MISSING: there is none. */
MUST_USE bool scope_files_read_note(int home, const char *scope, struct buf *ret_note,
                                    struct fault *fault);
MUST_USE bool scope_files_drop_note(int home, const char *scope, struct fault *fault);

enum scope_files_kind { SCOPE_FILES_KEYS, SCOPE_FILES_NOTES };

/* Calls `on_scope` for each key or note; its false ends it. made_us: when it was made. */
MUST_USE bool scope_files_each(int home, enum scope_files_kind kind,
                               bool (*on_scope)(void *self, const char *scope, int64_t made_us,
                                                struct fault *fault),
                               void *self, struct fault *fault);

#endif
