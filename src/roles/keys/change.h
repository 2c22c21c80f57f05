/*
 * roles/keys/change.h - the same signing key, kept in another way.
 *
 * In this order: opened as it is kept now; written in the new way; opened from there (a token
 * makes a trial signature); `key.stored` with outcome `intended` made durable; the new file
 * put in place by rename; the old bytes overwritten; `key.stored` with outcome `ok`. A crash
 * in between leaves a whole key file, the old one or the new one; what else it leaves in keys/
 * is overwritten by the next change.
 */
#ifndef CUSTODY_ROLES_KEY_CHANGE_H
#define CUSTODY_ROLES_KEY_CHANGE_H

#include "roles/ledger_role/key.h"
#include "roles/session.h"

/*
 * FAULT_CONFLICT: somebody else is at it. FAULT_INVALID: it is kept in that way already, or
 * cannot be taken out of where it is. On any failure the key is where it was.
 */
MUST_USE bool key_change(struct session *session, const struct key_storage *storage,
                         enum keyfile_kind *ret_before, struct fault *fault);
/* Is something there that a change that was broken off has left? */
bool key_change_left_something(int home_fd);

#endif
