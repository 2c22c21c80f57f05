/*
 * roles/ledger_role/key.h - keys/ledger.key: read, opened, written in another way.
 */
#ifndef CUSTODY_ROLES_LEDGER_KEY_H
#define CUSTODY_ROLES_LEDGER_KEY_H

#include "keystore/keyfile.h"
#include "ledger/note.h"

#define LEDGER_KEY_NAME "keys/ledger.key"
#define LEDGER_VKEY_NAME "keys/ledger.vkey"
#define LEDGER_KEY_SECRET "CUSTODY_KEY_SECRET" /* environment: where the secret is now */
#define LEDGER_KEY_TPM "CUSTODY_TPM"           /* environment: how the TPM is reached */

/* keys/ledger.key as it lies there; `file` borrows from `text`. Free with ledger_key_free. */
struct ledger_key {
    struct buf text;
    struct keyfile file;
    struct slice secret; /* where its secret is now; borrowed; empty: where the file says */
};

/*
 * `name` is a path below `folder`. FAULT_MISSING: there is none; FAULT_INVALID: others can
 * read it, or it is not a key.
 */
MUST_USE bool ledger_key_read(int folder, const char *name, struct ledger_key *ret_key,
                              struct fault *fault);
/* The same of text that lies nowhere yet; copied. */
MUST_USE bool ledger_key_parse(struct slice text, struct ledger_key *ret_key,
                               struct fault *fault);
void ledger_key_free(struct ledger_key *key);
/* Its verifier key, appended, as the file says it: nothing is opened. */
MUST_USE bool ledger_key_vkey(const struct ledger_key *key, struct buf *ret_vkey,
                              struct fault *fault);
/*
 * Takes the seed out of it, and checks that the file's vkey is the seed's. FAULT_INVALID: of a
 * token's key there is none. Overwrite it after use.
 */
MUST_USE bool ledger_key_seed(const struct ledger_key *key, uint8_t ret_seed[NOTE_SEED_BYTES],
                              struct fault *fault);
/*
 * A signer by it. For a token's key that starts a process (roles/keys/signer.h), which ends
 * with the signer; `home_fd` has keys/, where it keeps what it has signed.
 */
MUST_USE bool ledger_key_signer(const struct ledger_key *key, int home_fd,
                                struct note_signer **ret_signer, struct fault *fault);
/*
 * What auditors have, keys/ledger.vkey, must be the signer's, where it is there at all.
 * FAULT_INVALID: it is another key's.
 */
MUST_USE bool ledger_key_published(int home_fd, const struct note_signer *signer,
                                   struct fault *fault);

/* How a key is to be kept; borrows. */
struct key_storage {
    enum keyfile_kind kind;
    struct slice secret; /* of a sealed one: where the secret lies now */
    struct slice place;  /* and where it will lie at the start */
    struct slice pcrs;   /* of a TPM's */
    struct slice uri;    /* of a token's */
};

/* FAULT_INVALID: what it says cannot be done anywhere; nothing was tried. */
MUST_USE bool key_storage_check(const struct key_storage *storage, struct fault *fault);
/*
 * Appends the text of a key file that keeps `seed`, the seed of `vkey`, in that way. A token
 * is given the key, unless it has it already.
 */
MUST_USE bool key_storage_write(const struct key_storage *storage, struct slice vkey,
                                const uint8_t seed[NOTE_SEED_BYTES], struct buf *ret_text,
                                struct fault *fault);
/*
 * How that key is kept, for a new one called `name`, which in a token is also its label there.
 * Borrows from `key` and from `ret_uri`, which is filled for a token's.
 */
MUST_USE bool key_storage_like(const struct ledger_key *key, struct slice name,
                               struct buf *ret_uri, struct key_storage *ret_storage,
                               struct fault *fault);
/*
 * A new key of that name, kept in that way: the text of its key file, its vkey. In a token it
 * is made there, or taken where the token has it already.
 */
MUST_USE bool key_storage_make(const struct key_storage *storage, const char *name,
                               struct buf *ret_text, struct buf *ret_vkey,
                               struct fault *fault);

#endif
