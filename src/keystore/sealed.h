/*
 * keystore/sealed.h - a seed encrypted under a secret that lies elsewhere (KEYFILE_SEALED).
 *
 *   key         scrypt (RFC 7914) of a passphrase, or HKDF-SHA-256 (RFC 5869) of 32 random
 *               bytes, with the file's salt
 *   ciphertext  AES-256-GCM of the seed, then the tag; every byte of the file before that line
 *               is associated data: a seed under another vkey, or any changed byte, is refused
 */
#ifndef CUSTODY_KEYSTORE_SEALED_H
#define CUSTODY_KEYSTORE_SEALED_H

#include "keystore/keyfile.h"

#define SEALED_SEED_BYTES 32
#define SEALED_RANDOM_BYTES 32     /* a key file */
#define SEALED_PASSPHRASE_BYTES 12 /* at least */

/*
 * Appends a key file.
 *   vkey    of the seed
 *   place   where the secret will be found (keystore/secret.h)
 *   secret  as it was read: 32 bytes that are not all printable are a random key, anything
 *           else is a passphrase, of which a line end behind it is no part
 *
 * FAULT_INVALID: a passphrase that is too short. FAULT_HOST: OpenSSL lacks an algorithm.
 */
MUST_USE bool sealed_write(struct slice vkey, struct slice place, struct slice secret,
                           const uint8_t seed[SEALED_SEED_BYTES], struct buf *ret_text,
                           struct fault *fault);
/*
 * FAULT_INVALID: another secret than the one it was sealed with, or a changed file; nothing of
 * the seed is given out then.
 */
MUST_USE bool sealed_open(const struct keyfile *file, struct slice secret,
                          uint8_t ret_seed[SEALED_SEED_BYTES], struct fault *fault);
bool sealed_has_passphrase(const struct keyfile *file);

#endif
