/* gateway/call/digest.h - SHA-256 of what went over the wire. */
#ifndef CUSTODY_GATEWAY_DIGEST_H
#define CUSTODY_GATEWAY_DIGEST_H

#include "base/bytes.h"

#define DIGEST_TEXT_BYTES 65

/* Hexadecimal, with a NUL. False: this host's OpenSSL has none. */
MUST_USE bool digest_text(struct slice bytes, char ret_text[DIGEST_TEXT_BYTES]);

#endif
