/*
 * keystore/keyfile.h - what keys/ledger.key may hold: the signing key, or how to come by it.
 *
 *   plain    one line, a signed-note skey (ledger/note.h)
 *   others   "custody-key/v1 KIND" LF, then the kind's lines, each "NAME VALUE" LF, in the
 *            order of keyfile.c's table; printable ASCII only, nothing behind the last one
 *
 * Pure. Knows the form, and of no value what it means.
 */
#ifndef CUSTODY_KEYSTORE_KEYFILE_H
#define CUSTODY_KEYSTORE_KEYFILE_H

#include "base/bytes.h"

#define KEYFILE_BYTES_MAX 8192

enum keyfile_kind {
    KEYFILE_PLAIN,
    KEYFILE_SEALED, /* the seed, encrypted under a secret that lies elsewhere */
    KEYFILE_TPM2,   /* the seed, sealed by a TPM 2.0 */
    KEYFILE_PKCS11, /* a key that never leaves its token */
    KEYFILE_KIND_COUNT,
};

enum keyfile_line {
    KEYFILE_VKEY,
    KEYFILE_SECRET,
    KEYFILE_KDF,
    KEYFILE_CIPHER,
    KEYFILE_SALT,
    KEYFILE_NONCE,
    KEYFILE_CIPHERTEXT,
    KEYFILE_PCRS,
    KEYFILE_PUBLIC,
    KEYFILE_PRIVATE,
    KEYFILE_URI,
    KEYFILE_LINE_COUNT,
};

struct keyfile {
    enum keyfile_kind kind;
    struct slice line[KEYFILE_LINE_COUNT]; /* borrowed; empty where the kind has none */
    struct slice head; /* all bytes before the last line; of a plain one, nothing */
    struct slice skey; /* of a plain one */
};

const char *keyfile_kind_name(enum keyfile_kind kind); /* "tpm2" */

/* FAULT_INVALID: neither a plain key nor a whole file of one of the kinds. */
MUST_USE bool keyfile_parse(struct slice text, struct keyfile *ret_file, struct fault *fault);
/* Appends the lines of `file->kind`, but its last one when `without_last`. */
MUST_USE bool keyfile_write(const struct keyfile *file, bool without_last,
                            struct buf *ret_text, struct fault *fault);

#endif
