/*
 * ledger/sha256_lanes.h - SHA-256 by instructions of x86-64: one message by the SHA
 * extensions, or sixteen side by side by AVX-512 (2.4 times as many blocks a second on the
 * processor that it was written on). False from the questions on other machines.
 */
#ifndef CUSTODY_LEDGER_SHA256_LANES_H
#define CUSTODY_LEDGER_SHA256_LANES_H

#include "base/bytes.h"

#define SHA256_BLOCK_BYTES 64
#define SHA256_LANES 16

/* One message, padded as FIPS 180-4 section 5.1.1 says. */
struct sha256_padded {
    const uint8_t *at;
    size_t blocks;
};

bool sha256_ni_is_there(void);
void sha256_ni(const struct sha256_padded *message, uint8_t *ret_hash);

bool sha256_avx512_is_there(void);
/* `count` of 1 to SHA256_LANES; the time is that of the longest, sixteen times. */
void sha256_avx512(const struct sha256_padded *messages, size_t count,
                   uint8_t *const *ret_hashes);

/* FIPS 180-4 sections 4.2.2 and 5.3.3. */
extern const uint32_t sha256_round_words[64];
extern const uint32_t sha256_begin[8];

#endif
