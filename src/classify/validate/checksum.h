/* classify/validate/checksum.h - check digits that several validators share. Private to classify/. */
#ifndef CUSTODY_CLASSIFY_VALIDATE_CHECKSUM_H
#define CUSTODY_CLASSIFY_VALIDATE_CHECKSUM_H

#include "classify/validate.h"
#include "classify/validate/shape.h"

/* Digits times weights, the first `count` of them. */
unsigned weighted_sum(const uint8_t *digits, const uint8_t *weights, size_t count);

/* Verhoeff's dihedral check over ASCII digits, the check digit last. */
bool verhoeff_holds(const uint8_t *digits, size_t count);

/* The remainder by 97 of digits and letters (A is 10, Z is 35), `before` that of what stands before them. */
unsigned remainder_97(const uint8_t *plain, size_t len, unsigned before);

/* GS1: weights 3 and 1 from the right, the check digit last. */
bool gs1_holds(const uint8_t *digits, size_t count);

/* Are all of them the same? */
bool all_same(const uint8_t *digits, size_t count);

#endif
