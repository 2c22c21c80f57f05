/* classify/tokens.h - identifiers and prose as words. Private to classify/. */
#ifndef CUSTODY_CLASSIFY_TOKENS_H
#define CUSTODY_CLASSIFY_TOKENS_H

#include "base/bytes.h"

/*
 * Words are runs of letters (and bytes above 0x7f) or of digits; a capital behind a small letter
 * begins a new one, and so does the last of several capitals in front of a small letter:
 * patientSsn, patient_ssn and "Patient SSN" are patient, ssn.
 */
#define TOKENS_MAX 32

struct tokens {
    struct slice at[TOKENS_MAX];
    size_t count;
    uint8_t firsts[TOKENS_MAX]; /* each one's first byte, in lower case */
};

/* The last TOKENS_MAX of them. */
void tokens_of(struct slice text, struct tokens *ret_tokens);

/*
 * Do words that follow one another, joined, make up this phrase (its letters and digits, in any
 * case)? ret_last: the place of the last of them; the last such place counts.
 */
bool tokens_hold(const struct tokens *tokens, struct slice phrase, size_t *ret_last);

/* Is a token this word, in any case? */
bool token_is(struct slice token, struct slice word);

/* Is the word anywhere in the text, in any case of ASCII letters? */
bool text_holds(struct slice text, struct slice word);

/* A hash of its letters and digits in lower case. */
uint64_t tokens_joined_hash(struct slice text);

#endif
