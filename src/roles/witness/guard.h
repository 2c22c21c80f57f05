/*
 * roles/witness/guard.h - the process of a witness that holds its key; see witness_guard.c.
 */
#ifndef CUSTODY_ROLES_WITNESS_GUARD_H
#define CUSTODY_ROLES_WITNESS_GUARD_H

#include "ledger/witness_keeper.h"
#include "roles/witness/witness.h"

struct witness_guard;

/*
 * Starts it; it ends with this process.
 *   folder     of the promises, which it locks; borrowed
 *   ret_vkey   the witness's public key, of type 04, is appended
 * What is wrong with the key, the folder or the logs is said here.
 */
MUST_USE bool witness_guard_start(const struct witness_role *role, int folder,
                                  struct witness_guard **ret_guard, struct buf *ret_vkey,
                                  struct fault *fault);
void witness_guard_free(struct witness_guard *guard); /* NULL is fine */
/* Readable when it has ended, and nothing can be cosigned any more. Borrowed. */
int witness_guard_socket(const struct witness_guard *guard);
struct witness_keeping witness_guard_keeping(struct witness_guard *guard);

/* Hands over each log of the role, in order. */
MUST_USE bool witness_role_logs(struct slice logs,
                                bool (*add)(void *self, struct slice vkey,
                                            struct fault *fault),
                                void *self, struct fault *fault);

#endif
