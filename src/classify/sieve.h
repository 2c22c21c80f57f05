/*
 * classify/sieve.h - one pass over bytes that leaves what a confirmer should look at.
 *
 * Four kinds of candidates, each named by the byte that it is found by (its trigger):
 *
 *   number  Runs of digits, joined by one of " .-/()", or by two such bytes of which one is a parenthesis, with
 *           four digits or more in all: 4111 1111 1111 1111, 078-05-1120, 2024-03-01, 10.0.0.12. A "(" just in
 *           front belongs to it where a ")" follows within, and so does a "+" in front of either. Trigger: the
 *           first digit. What stands around it (letters, "0x") is not looked at.
 *   mail    An '@' (the trigger) with at most 64 bytes of a local part (letters, digits, "._%+-'&~", the first
 *           of them a letter, a digit or '_') in front and at most 255 of a domain (letters, digits, ".-", the
 *           last a letter or digit) behind, which holds a dot.
 *   colon   A run of hexadecimal digits, '.' and ':' of at most 128 bytes, no part of a longer word, with two ':'
 *           that at most four bytes stand between (the trigger is the first such): IPv6, MAC.
 *   word    Letters and bytes above 0x7f, two or more, no part of a longer identifier (letters, digits, '_'),
 *           that begin with A-Z or with a UTF-8 character from U+00C0 to U+00DE or U+0100 to U+017F. Trigger: the
 *           first byte.
 *
 * Candidates come in the order of their triggers. Those of one kind do not overlap, but for addresses that share a
 * part (a@b.c@d.e). Time is linear in the text, whatever it is; a number may be as long as the text.
 */
#ifndef CUSTODY_CLASSIFY_SIEVE_H
#define CUSTODY_CLASSIFY_SIEVE_H

#include "base/bytes.h"

enum sieve_kind {
    SIEVE_NUMBER = 1,
    SIEVE_MAIL = 2,
    SIEVE_COLON = 4,
    SIEVE_WORD = 8,
    SIEVE_ALL = 15,
};

struct sieve_candidate {
    enum sieve_kind kind;
    size_t start, end; /* bytes [start, end) of the text */
    size_t digits;     /* of a number, how many */
};

/* False: no more. */
typedef bool sieve_sink(void *self, const struct sieve_candidate *candidate);

/* Reports the candidates of `kinds` (a mask). False where the sink wanted no more. */
bool sieve_run(struct slice text, unsigned kinds, sieve_sink *sink, void *self);

/* By one way alone; all give the same. For tests and measurements. */
enum sieve_way { SIEVE_BY_BYTE, SIEVE_BY_AVX2, SIEVE_BY_AVX512, SIEVE_WAYS };

bool sieve_way_is_there(enum sieve_way way);
bool sieve_run_by(enum sieve_way way, struct slice text, unsigned kinds, sieve_sink *sink,
                  void *self);

#endif
