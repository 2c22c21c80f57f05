/*
 * ledger/payload.h - a value that a record names and does not hold, encrypted in a file.
 *
 *   "CUSTPAY1"  8 bytes
 *   kind        1: t ticket, p prompt, a answer, d diff
 *   id         16 random: the file's key and nonce come from it and the scope's key
 *              (scope_key.h)
 *   size        8, big-endian: bytes of the value
 *   value       encrypted, AES-256-GCM; associated data: all of the above || the scope's name
 *   tag        16
 *
 * Not compressed: a prompt mixes what an agent chose with what it may not know, and the length
 * of the two compressed together would tell one by the other.
 * AES-GCM does not commit to its key, so a record names both the digest of the file and a
 * commitment to the value (commitment.h). Pure: bytes in, bytes out.
 */
#ifndef CUSTODY_LEDGER_PAYLOAD_H
#define CUSTODY_LEDGER_PAYLOAD_H

#include "ledger/scope_key.h"

#define PAYLOAD_HEAD_BYTES 33
#define PAYLOAD_TAG_BYTES 16
#define PAYLOAD_BYTES_MAX (64UL * 1024 * 1024) /* of a value */
#define PAYLOAD_FILE_BYTES_MAX (PAYLOAD_HEAD_BYTES + PAYLOAD_BYTES_MAX + PAYLOAD_TAG_BYTES)

/* A file taken apart; borrows from its bytes. */
struct payload {
    enum record_type type; /* of the record that may name it */
    const uint8_t *id;
    struct slice sealed; /* without the tag */
    const uint8_t *tag;
};

/* Form only: nothing is decrypted. FAULT_INVALID: it is not such a file, byte for byte. */
MUST_USE bool payload_parse(struct slice file, struct payload *ret_payload,
                            struct fault *fault);

/*
 * Appends the file.
 *   type  of the record that will name it: one with a commitment_field
 *   id    random, never used before
 * FAULT_LIMIT: the value is larger than PAYLOAD_BYTES_MAX.
 */
MUST_USE bool payload_seal(const uint8_t scope_key[SCOPE_KEY_BYTES], const char *scope,
                           enum record_type type, const uint8_t id[SCOPE_ID_BYTES],
                           struct slice value, struct buf *ret_file, struct fault *fault);
/*
 * Appends the value. FAULT_INVALID: not such a file, or not of a record of `type`.
 * FAULT_CONFLICT: another key or scope, or the bytes are not what was written.
 */
MUST_USE bool payload_open(const uint8_t scope_key[SCOPE_KEY_BYTES], const char *scope,
                           enum record_type type, struct slice file, struct buf *ret_value,
                           struct fault *fault);

#endif
