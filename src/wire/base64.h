/* wire/base64.h - RFC 4648 section 4, with padding; decoding takes canonical text only. */
#ifndef CUSTODY_WIRE_BASE64_H
#define CUSTODY_WIRE_BASE64_H

#include "base/bytes.h"

extern const uint8_t base64_digits[256]; /* 1 + the six bits; 0: none */

/* Six bits of either alphabet of RFC 4648 (sections 4 and 5), or -1. */
static inline int base64_digit(uint8_t byte)
{
    return base64_digits[byte] - 1;
}

/* Bytes of text for `len` bytes. */
static inline size_t base64_text_len(size_t len)
{
    return (len + 2) / 3 * 4;
}

/* Appends. */
MUST_USE bool base64_encode(struct slice bytes, struct buf *ret_text, struct fault *fault);
/*
 * Appends. FAULT_INVALID for anything but what base64_encode writes: other bytes, missing or
 * inner padding, unused bits that are set. (EVP_DecodeBlock accepts all of these.)
 */
MUST_USE bool base64_decode(struct slice text, struct buf *ret_bytes, struct fault *fault);
/* The same into exactly `len` (at most 128) bytes. */
MUST_USE bool base64_decode_exactly(struct slice text, uint8_t *ret_bytes, size_t len);

#endif
