/*
 * keystore/secret.h - the secret that opens a sealed key, or a token's PIN: where it lies, and
 * how it is read into memory that is not swapped.
 *
 * A place is written
 *   file:/PATH         a file of the caller's own, mode 0600 or less
 *   credential:NAME    $CREDENTIALS_DIRECTORY/NAME, which systemd makes (LoadCredential=,
 *                      LoadCredentialEncrypted=)
 *   fd:NUMBER          a descriptor that whoever starts us has opened
 */
#ifndef CUSTODY_KEYSTORE_SECRET_H
#define CUSTODY_KEYSTORE_SECRET_H

#include "base/bytes.h"

#define SECRET_BYTES_MAX 4096
#define SECRET_PLACE_BYTES_MAX 1024

/* Keeps this process's memory out of core dumps and debuggers. */
void secret_guard(void);
/*
 * Keeps what is in the heap now out of swap, as far as the limit of locked memory goes:
 * OpenSSL 3.0 has raw private keys there, not in its secure heap.
 */
void secret_lock_heap(void);
/* Gives `buf` all the memory that its limit allows, locked, so that no copy is left behind. */
MUST_USE bool secret_reserve(struct buf *buf, struct fault *fault);

/* FAULT_INVALID: not of the form above, or a path that is not absolute. */
MUST_USE bool secret_place_check(struct slice place, struct fault *fault);
/*
 * Reads what lies there into `ret_secret` (empty; limit at most SECRET_BYTES_MAX; free it with
 * buf_free_secret). FAULT_MISSING says what to do; FAULT_INVALID: others can read it.
 */
MUST_USE bool secret_read(struct slice place, struct buf *ret_secret, struct fault *fault);
/* The descriptor that `place` names, or -1. */
int secret_place_fd(struct slice place);

#endif
