/*
 * ledger/sha256.h - many SHA-256 hashes of short messages, each behind one prefix byte, as
 * Merkle trees have them.
 *
 * OpenSSL's EVP costs as much to begin and end as such a message costs to hash, and hashes one
 * at a time. Where the processor has AVX-512 sixteen are hashed side by side, with SHA
 * instructions one by one but without EVP's overhead. Elsewhere, for long messages, and
 * wherever SHA-256 does not come from OpenSSL's default provider (FIPS), EVP does it.
 */
#ifndef CUSTODY_LEDGER_SHA256_H
#define CUSTODY_LEDGER_SHA256_H

#include "base/bytes.h"

#define SHA256_BYTES 32

/* ret_hashes[i] = SHA-256(prefix || messages[i]), each of 32 bytes; no overlap. */
void sha256_prefixed(uint8_t prefix, const struct slice *messages, size_t count,
                     uint8_t *ret_hashes);

enum sha256_way {
    SHA256_EVP,
    SHA256_SHA_NI,
    SHA256_AVX512,
};

/* What this process uses. */
enum sha256_way sha256_way(void);
/* For tests: false where the machine cannot. SHA256_EVP always works. */
bool sha256_use(enum sha256_way way);

#endif
