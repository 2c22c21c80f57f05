/* base/hex.h - lower-case hexadecimal; decoding refuses upper case and odd lengths. */
#ifndef CUSTODY_BASE_HEX_H
#define CUSTODY_BASE_HEX_H

#include "base/bytes.h"

/* Value of one digit 0-9 a-f A-F, or -1. */
int hex_digit(uint8_t byte);
/* Writes 2 * bytes.len digits and a NUL into `ret_text`. */
void hex_encode(struct slice bytes, char *ret_text);
/* `text` must be exactly 2 * len lower-case digits. */
MUST_USE bool hex_decode(struct slice text, uint8_t *ret_bytes, size_t len);

#endif
