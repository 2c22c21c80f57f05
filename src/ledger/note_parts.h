/*
 * ledger/note_parts.h - what other types of signature in a note are made of; for the files of
 * this folder. note.h knows type 01 alone, so that a key of one type never vouches for
 * another.
 */
#ifndef CUSTODY_LEDGER_NOTE_PARTS_H
#define CUSTODY_LEDGER_NOTE_PARTS_H

#include "ledger/note.h"

#define NOTE_TYPE_ED25519 1
#define NOTE_TYPE_COSIGNATURE 4
#define NOTE_DASH "\xe2\x80\x94 " /* an em dash and a space open each signature line */

/* A verifier key of another Ed25519 type. Never hand it to note_verify. */
MUST_USE bool note_key_parse_as(struct slice vkey, uint8_t type, struct note_key **ret_key,
                                struct fault *fault);
/* Is this line by a key of that name and id? Says nothing about the signature. */
bool note_key_made(const struct note_key *key, const struct note_signature *signature);
/* Appends the line as it stood. */
MUST_USE bool note_signature_write(const struct note_signature *signature,
                                   struct buf *ret_line, struct fault *fault);
/* What a line by an Ed25519 key holds. False: not of that length, or not canonical base64. */
bool note_signature_bytes(const struct note_signature *signature,
                          uint8_t ret_bytes[NOTE_SIGNATURE_BYTES]);
/* Appends the line of a signature by `key`. */
MUST_USE bool note_key_line(const struct note_key *key,
                            const uint8_t signature[NOTE_SIGNATURE_BYTES],
                            struct buf *ret_line, struct fault *fault);

/* The signer's own key as one of another type: its id, its text (appended). */
void note_signer_id_as(const struct note_signer *signer, uint8_t type,
                       uint8_t ret_id[NOTE_ID_BYTES]);
MUST_USE bool note_signer_vkey_as(const struct note_signer *signer, uint8_t type,
                                  struct buf *ret_vkey, struct fault *fault);
MUST_USE bool note_signer_sign(const struct note_signer *signer, struct slice message,
                               uint8_t ret_signature[NOTE_SIGNATURE_BYTES],
                               struct fault *fault);

#endif
