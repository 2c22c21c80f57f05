/*
 * classify/texttag.h - a text under its path as 128 bits, under a secret key, at the speed of
 * memory.
 *
 * Two polynomials, whose coefficients are the texts' bytes seven at a time and their lengths, each at a
 * secret place of the field of 2^61 - 1; what they come to goes through SipHash-2-4. Two texts of n
 * words come out alike with a chance of at most (n / 2^61)^2, whoever chose them, as long as
 * nobody has the key; and SipHash sees to it that what shows of a tag (which place it has in a table,
 * by the time that takes) tells nothing of where the polynomials are looked at.
 */
#ifndef CUSTODY_CLASSIFY_TEXTTAG_H
#define CUSTODY_CLASSIFY_TEXTTAG_H

#include "base/bytes.h"

#define TEXTTAG_KEY_BYTES 32
#define TEXTTAG_STEP 8 /* words that are taken together */

struct texttag_key {
    uint64_t powers[2][TEXTTAG_STEP + 1]; /* of each place */
    uint64_t mix[2];                      /* SipHash's */
};

struct texttag {
    uint64_t words[2];
};

void texttag_key_make(const uint8_t key[TEXTTAG_KEY_BYTES], struct texttag_key *ret_key);
struct texttag texttag_of(const struct texttag_key *key, struct slice text, struct slice path);

#endif
