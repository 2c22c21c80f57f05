/*
 * ledger/scope_key.h - an erasure scope: one run, one key of 32 random bytes, K_scope.
 * Whatever keeps a value that a record may not hold derives its key from it, so destroying
 * this one closes all of them. Pure; the files are scope_files.h's.
 *
 *   record   K_rec = HKDF-Expand(K_scope,
 *                "rec" 00 || u16be len(src) || src || u64be seq || field)
 *   commands the same with src "guard", seq 0, field "command": one key a run
 *   redactions  the same with src "view", field "redaction"
 *   payload  key, nonce = HKDF-Expand(K_scope, "payload" 00 || id), 32 + 12 bytes
 *
 * The record itself says src and seq, so it and the scope's key are all that an opening needs.
 * A payload is written before its record has a number: its key hangs on a random id instead,
 * which stands in the file. An id is never used twice, so neither is a key.
 */
#ifndef CUSTODY_LEDGER_SCOPE_KEY_H
#define CUSTODY_LEDGER_SCOPE_KEY_H

#include "ledger/commitment.h"

#define SCOPE_KEY_BYTES 32
#define SCOPE_NAME_BYTES_MAX 64
#define SCOPE_ID_BYTES 16
#define SCOPE_CIPHER_KEY_BYTES 32
#define SCOPE_NONCE_BYTES 12

/* [A-Za-z0-9._-], not from a dot on: it is a file's name. */
bool scope_name_valid(struct slice name);

MUST_USE bool scope_key_of_record(const uint8_t scope_key[SCOPE_KEY_BYTES], struct slice src,
                                  uint64_t seq, const char *field,
                                  uint8_t ret_key[COMMITMENT_KEY_BYTES], struct fault *fault);
/* Of all commitments to arguments of the run's programs (commitment.h). */
MUST_USE bool scope_key_of_commands(const uint8_t scope_key[SCOPE_KEY_BYTES],
                                    uint8_t ret_key[COMMITMENT_KEY_BYTES],
                                    struct fault *fault);
/* Of all commitments to values that the run's `who` ("view", "door") has replaced. */
MUST_USE bool scope_key_of_redactions(const uint8_t scope_key[SCOPE_KEY_BYTES],
                                      const char *who, uint8_t ret_key[COMMITMENT_KEY_BYTES],
                                      struct fault *fault);
MUST_USE bool scope_key_of_payload(
    const uint8_t scope_key[SCOPE_KEY_BYTES], const uint8_t id[SCOPE_ID_BYTES],
    uint8_t ret_key_nonce[SCOPE_CIPHER_KEY_BYTES + SCOPE_NONCE_BYTES], struct fault *fault);

#endif
