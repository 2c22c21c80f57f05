/* classify/validate/shape.h - the letters and digits of a value, and where its separators may stand. Private
 * to classify/. */
#ifndef CUSTODY_CLASSIFY_VALIDATE_SHAPE_H
#define CUSTODY_CLASSIFY_VALIDATE_SHAPE_H

#include "base/bytes.h"
#include "classify/ascii.h"

#define PLAIN_MAX 64

/* Letters (upper case) and digits of a value. */
struct plain {
    uint8_t at[PLAIN_MAX];
    size_t len;
};

/*
 * Has `text` one of these shapes, apart by '|'? '#' is a digit, '@' a letter, '^' an upper-case letter, '*' a
 * letter or digit, anything else itself.
 */
bool shape_fits(struct slice text, const char *shapes);

/* The same, and takes the letters and digits of `text`. At most PLAIN_MAX of them are in any shape. */
bool shape_take(struct slice text, const char *shapes, struct plain *ret_plain);

/*
 * Letters and digits of `text`, at most PLAIN_MAX, between any two of which one separator may stand, always
 * the same and one of `separators`. False where there is anything else.
 */
bool plain_of(struct slice text, const char *separators, struct plain *ret_plain);

/* The same where all are digits. */
bool plain_digits(struct slice text, const char *separators, struct plain *ret_plain);

/* The number that digits `from` to `to` of it make; at most 18 of them. */
uint64_t plain_number(const struct plain *plain, size_t from, size_t to);

#endif
