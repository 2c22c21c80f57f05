/*
 * keystore/pkcs11.h - an Ed25519 key that stays in its token (PKCS#11 3.0, CKM_EDDSA).
 *
 * The module is the vendor's code: it may start threads, open files and sockets. It is loaded
 * (dlopen) only by a process that holds nothing else; see roles/keys/signer.c.
 */
#ifndef CUSTODY_KEYSTORE_PKCS11_H
#define CUSTODY_KEYSTORE_PKCS11_H

#include "keystore/pkcs11_uri.h"

#define PKCS11_PUBLIC_BYTES 32
#define PKCS11_SIGNATURE_BYTES 64
#define PKCS11_SEED_BYTES 32

struct pkcs11_token;

/*
 * Loads the module, finds the token, and logs in. One attempt: tokens lock themselves after a
 * few wrong PINs, and when only one is left none is made.
 *
 * FAULT_HOST: no module, no such token, no Ed25519. FAULT_INVALID: wrong PIN.
 * FAULT_MISSING: no PIN where the URI says it is.
 */
MUST_USE bool pkcs11_open(const struct pkcs11_uri *uri, struct pkcs11_token **ret_token,
                          struct fault *fault);
void pkcs11_close(struct pkcs11_token *token); /* NULL is fine */

/*
 * Finds the key that the URI names; its public key. FAULT_MISSING: there is none;
 * FAULT_INVALID: there are several, or it is not an Ed25519 key.
 */
MUST_USE bool pkcs11_find(struct pkcs11_token *token, uint8_t ret_public[PKCS11_PUBLIC_BYTES],
                          struct fault *fault);
/* Makes that key in the token: sensitive, not extractable. Then pkcs11_find finds it. */
MUST_USE bool pkcs11_make(struct pkcs11_token *token, struct fault *fault);
/* Brings a key into the token that was made outside of it. Then pkcs11_find finds it. */
MUST_USE bool pkcs11_bring(struct pkcs11_token *token, const uint8_t seed[PKCS11_SEED_BYTES],
                           const uint8_t public_key[PKCS11_PUBLIC_BYTES], struct fault *fault);
/* By the key that pkcs11_find has found. */
MUST_USE bool pkcs11_sign(struct pkcs11_token *token, struct slice message,
                          uint8_t ret_signature[PKCS11_SIGNATURE_BYTES], struct fault *fault);

#endif
