/*
 * keystore/tpm.h - a seed sealed by a TPM 2.0, to its registers (PCRs) where wanted.
 *
 * TPMs rarely sign Ed25519, so the seed comes out of the TPM when the ledger starts: what is
 * stolen from the disk is of no use without that TPM in that state. It crosses the TPM's bus
 * encrypted (a session salted by the TPM's primary key). The owner's authorisation must be
 * empty, as systems have it from the start.
 */
#ifndef CUSTODY_KEYSTORE_TPM_H
#define CUSTODY_KEYSTORE_TPM_H

#include "base/bytes.h"

#define TPM_PART_BYTES_MAX 1024 /* of a sealed object's public or private part */
#define TPM_SEED_BYTES 32
#define TPM_PCRS_NONE "none"

/* "sha256:0,7" (or sha384, sha1), ascending, or "none". FAULT_INVALID. */
MUST_USE bool tpm_pcrs_check(struct slice pcrs, struct fault *fault);

/*
 *   tcti   how the TPM is reached, as tpm2-tss writes it: "device:/dev/tpmrm0",
 *          "swtpm:port=2321"; NULL: the host's own. Of the kinds in tpm.c's table only
 *   pcrs   the seed comes out only while these have the values that they have now
 * FAULT_HOST: no TPM, or it refuses.
 */
MUST_USE bool tpm_seal(const char *tcti, struct slice pcrs, const uint8_t seed[TPM_SEED_BYTES],
                       struct buf *ret_public, struct buf *ret_private, struct fault *fault);
/* FAULT_HOST: no TPM, another one than it was sealed by, or PCRs that have changed. */
MUST_USE bool tpm_unseal(const char *tcti, struct slice pcrs, struct slice public_part,
                         struct slice private_part, uint8_t ret_seed[TPM_SEED_BYTES],
                         struct fault *fault);

#endif
