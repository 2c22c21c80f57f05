/*
 * ledger/note.h - C2SP signed notes (c2sp.org/signed-note v1.0.0), Ed25519 (type 01).
 *
 *   note    = text LF 1*( "— " name " " base64( keyid[4] || signature ) LF )
 *   vkey    = name "+" hex8(keyid) "+" base64( type[1] || public key )
 *   skey    = "PRIVATE" "+KEY+" name "+" hex8(keyid) "+" base64( 01 || seed[32] )
 */
#ifndef CUSTODY_LEDGER_NOTE_H
#define CUSTODY_LEDGER_NOTE_H

#include "base/bytes.h"

#define NOTE_BYTES_MAX (256 * 1024)
#define NOTE_LINES_MAX 64 /* signatures */
#define NOTE_NAME_BYTES_MAX 128
#define NOTE_ID_BYTES 4
#define NOTE_SEED_BYTES 32

struct note_key;    /* verifies */
struct note_signer; /* signs; holds the secret */

struct note_signature {
    struct slice name;
    uint8_t id[NOTE_ID_BYTES];
    struct slice base64; /* as it stands in the line */
};

/* A note taken apart; borrows from the bytes it was parsed from. */
struct note {
    struct slice text; /* what is signed: ends with LF */
    struct note_signature signatures[NOTE_LINES_MAX];
    size_t signature_count;
};

/*
 * Form only: UTF-8, no control characters but LF, canonical base64, at least one signature
 * line. FAULT_INVALID, or FAULT_LIMIT beyond the limits above.
 */
MUST_USE bool note_parse(struct slice bytes, struct note *ret_note, struct fault *fault);

/* The id is computed anew. Key names: not empty, no space, no '+', at most
 * NOTE_NAME_BYTES_MAX. */
MUST_USE bool note_key_parse(struct slice vkey, struct note_key **ret_key,
                             struct fault *fault);
void note_key_free(struct note_key *key); /* NULL is fine */
const char *note_key_name(const struct note_key *key);
/*
 * True when the note has a signature of `key` and every line that claims to be of it is good.
 * Lines of other keys are ignored: nothing vouches for their bytes.
 */
MUST_USE bool note_verify(const struct note *note, const struct note_key *key,
                          struct fault *fault);

MUST_USE bool note_signer_parse(struct slice skey, struct note_signer **ret_signer,
                                struct fault *fault);
void note_signer_free(struct note_signer *signer); /* NULL is fine */
const char *note_signer_name(const struct note_signer *signer);
/* Texts of a key made from a seed; `name` of [a-z0-9./_-] only. Both are appended. */
MUST_USE bool note_key_texts(struct slice name, const uint8_t seed[NOTE_SEED_BYTES],
                             struct buf *ret_skey, struct buf *ret_vkey, struct fault *fault);
/* The verifier key of a signer, appended. */
MUST_USE bool note_signer_vkey(const struct note_signer *signer, struct buf *ret_vkey,
                               struct fault *fault);
/* Appends `text` (which ends with LF), the empty line and one signature line. */
MUST_USE bool note_sign(const struct note_signer *signer, struct slice text,
                        struct buf *ret_note, struct fault *fault);

#endif
