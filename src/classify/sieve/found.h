/* classify/sieve/found.h - from a trigger to its candidate; all ways of the sieve share it. Private to classify/. */
#ifndef CUSTODY_CLASSIFY_SIEVE_FOUND_H
#define CUSTODY_CLASSIFY_SIEVE_FOUND_H

#include "classify/ascii.h"
#include "classify/sieve.h"

#define SIEVE_DIGITS_MIN 4
#define SIEVE_COLON_GAP 5 /* from one ':' to the next */

typedef bool sieve_by(struct slice text, unsigned kinds, sieve_sink *sink, void *self);

sieve_by sieve_by_byte, sieve_by_avx2, sieve_by_avx512;

bool sieve_avx2_is_there(void);
bool sieve_avx512_is_there(void);

/* One of the bytes that join runs of digits. */
static inline bool sieve_is_joint(uint8_t byte)
{
    return byte == ' ' || (byte >= '-' && byte <= '/') || byte == '(' || byte == ')';
}

/* Bytes that the word of a name is made of. */
static inline bool sieve_is_letter(uint8_t byte)
{
    return is_letter(byte) || byte >= 0x80;
}

/* The number that begins with the digit at `at`: its end and how many digits it has. */
void sieve_number_at(struct slice text, size_t at, struct sieve_candidate *ret_candidate);

/* Moves the start of a number in front of "(" and "+", where they belong to it. */
void sieve_number_front(struct slice text, struct sieve_candidate *candidate);

/* The address around the '@' at `at`, where there is one. */
bool sieve_mail_at(struct slice text, size_t at, struct sieve_candidate *ret_candidate);

/*
 * The run around the ':' at `at`, which has another one close behind it. `done` is where the last run ended, and is
 * moved to where this one does.
 */
bool sieve_colon_at(struct slice text, size_t at, size_t *done,
                    struct sieve_candidate *ret_candidate);

/* The word that begins at `at`, where a capital may stand and no part of an identifier stands before. */
bool sieve_word_at(struct slice text, size_t at, struct sieve_candidate *ret_candidate);

#endif
