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
#define NOTE_PUBLIC_BYTES 32
#define NOTE_SIGNATURE_BYTES 64

struct note_key;    /* verifies */
struct note_signer; /* signs; holds the secret, or asks who does */

struct tree_range; /* ledger/tree.h */
struct tree_growth;

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
const uint8_t *note_key_public(const struct note_key *key); /* NOTE_PUBLIC_BYTES; borrowed */
/* `signature` is NOTE_SIGNATURE_BYTES of Ed25519 over `message`. */
bool note_key_check(const struct note_key *key, struct slice message,
                    const uint8_t *signature);
/*
 * True when the note has a signature of `key` and every line that claims to be of it is good.
 * Lines of other keys are ignored: nothing vouches for their bytes.
 */
MUST_USE bool note_verify(const struct note *note, const struct note_key *key,
                          struct fault *fault);

/* FAULT_HOST: this OpenSSL has no Ed25519. */
MUST_USE bool note_signer_parse(struct slice skey, struct note_signer **ret_signer,
                                struct fault *fault);
/* The seed of a good one, for whoever keeps it in another way; overwrite it after use. */
MUST_USE bool note_skey_seed(struct slice skey, uint8_t ret_seed[NOTE_SEED_BYTES],
                             struct fault *fault);
/* Where signatures come from when the secret is not in this process. */
struct note_signing {
    /* Ed25519 over `message`; what comes back is checked before it is used. */
    bool (*sign)(void *self, struct slice message, uint8_t ret_signature[NOTE_SIGNATURE_BYTES],
                 struct fault *fault);
    /*
     * Both NULL, or: of a ledger's checkpoint it is told first how the tree grew since the
     * last one, without a part that reaches over the size that it says it has signed last.
     */
    uint64_t (*signed_size)(void *self);
    void (*follow)(void *self, const struct tree_range *from,
                   const struct tree_growth *growth);
    void (*end)(void *self);
    void *self;
};
/* What `signer` wants to be told before it signs a checkpoint; NULL functions: nothing. */
const struct note_signing *note_signer_signing(const struct note_signer *signer);
/* Signs as `vkey` by `signing`, which is taken, also on failure. */
MUST_USE bool note_signer_of(struct slice vkey, const struct note_signing *signing,
                             struct note_signer **ret_signer, struct fault *fault);
void note_signer_free(struct note_signer *signer); /* NULL is fine */
const char *note_signer_name(const struct note_signer *signer);
/* Texts of a key made from a seed; `name` of [a-z0-9./_-] only. Both are appended. */
MUST_USE bool note_key_texts(struct slice name, const uint8_t seed[NOTE_SEED_BYTES],
                             struct buf *ret_skey, struct buf *ret_vkey, struct fault *fault);
/* The text of a key whose secret is elsewhere, appended. */
MUST_USE bool note_vkey_of(struct slice name, const uint8_t public_key[NOTE_PUBLIC_BYTES],
                           struct buf *ret_vkey, struct fault *fault);
/* The verifier key of a signer, appended. */
MUST_USE bool note_signer_vkey(const struct note_signer *signer, struct buf *ret_vkey,
                               struct fault *fault);
/* Appends `text` (which ends with LF), the empty line and one signature line. */
MUST_USE bool note_sign(const struct note_signer *signer, struct slice text,
                        struct buf *ret_note, struct fault *fault);

#endif
