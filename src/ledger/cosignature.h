/*
 * ledger/cosignature.h - C2SP cosignature/v1 (c2sp.org/tlog-cosignature v1.0.1), type 04.
 *
 *   blob     = keyid[4] || u64be time || Ed25519 signature[64]      in a line of the note
 *   signed   = "cosignature/v1\n" "time " decimal "\n" || text of the checkpoint
 *
 * It says: at that time this was the largest consistent tree that the cosigner had seen of
 * that origin. The message does not name the cosigner, so each needs a key of its own, never a
 * log's.
 */
#ifndef CUSTODY_LEDGER_COSIGNATURE_H
#define CUSTODY_LEDGER_COSIGNATURE_H

#include "ledger/note.h"

#define COSIGNATURE_TIME_MAX ((uint64_t)INT64_MAX)
#define COSIGNATURE_PUBLIC_BYTES 32

struct cosignature_key; /* verifies */

/* A vkey of type 04. */
MUST_USE bool cosignature_key_parse(struct slice vkey, struct cosignature_key **ret_key,
                                    struct fault *fault);
void cosignature_key_free(struct cosignature_key *key); /* NULL is fine */
const char *cosignature_key_name(const struct cosignature_key *key);
/* COSIGNATURE_PUBLIC_BYTES, borrowed: keys are the same when these are, whatever their names.
 */
const uint8_t *cosignature_key_public(const struct cosignature_key *key);

/*
 * True when the note has a cosignature of `key` and every line that claims to be of it is
 * good. ret_time  the latest of them, seconds since 1970; the caller judges it. May be NULL
 * FAULT_MISSING: no line of that key. FAULT_INVALID: one is wrong.
 */
MUST_USE bool cosignature_verify(const struct note *note, const struct cosignature_key *key,
                                 uint64_t *ret_time, struct fault *fault);

/* Appends the lines of that key as they stand; says nothing about them. */
MUST_USE bool cosignature_copy(const struct note *note, const struct cosignature_key *key,
                               struct buf *ret_lines, struct fault *fault);
/* What is signed, appended. */
MUST_USE bool cosignature_message(struct slice text, uint64_t time, struct buf *ret_message,
                                  struct fault *fault);
/* Appends one signature line over a checkpoint's text (which ends with LF); time is not 0. */
MUST_USE bool cosignature_sign(const struct note_signer *signer, struct slice text,
                               uint64_t time, struct buf *ret_line, struct fault *fault);
/* The signer's verifier key of type 04, appended. */
MUST_USE bool cosignature_vkey(const struct note_signer *signer, struct buf *ret_vkey,
                               struct fault *fault);

#endif
