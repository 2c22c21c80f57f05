/*
 * classify/shape.h - what a stand-in is made of, character by character. Private to classify/.
 *
 * A shape plans: which characters of a value stay, which are always the same in a stand-in,
 * which are free. It must plan the same of a stand-in as of its original: that is how a
 * stand-in is known again, with the mark that the last free characters are.
 */
#ifndef CUSTODY_CLASSIFY_SHAPE_H
#define CUSTODY_CLASSIFY_SHAPE_H

#include "classify/letters.h"

enum slot_role {
    SLOT_KEPT,
    SLOT_PUT,   /* `code`, in every stand-in */
    SLOT_FREE,  /* any of `alphabet` */
    SLOT_CHECK, /* the mark decides which of `alphabet` */
    SLOT_LUHN,  /* the digit that makes all digits pass Luhn */
};

struct alphabet {
    const char *letters; /* NULL: `count` codes from `first` on */
    uint32_t first, count;
    uint8_t bits; /* how much one letter tells, rounded down */
};

extern const struct alphabet alphabet_digit, alphabet_nonzero, alphabet_lower, alphabet_upper,
    alphabet_hex, alphabet_hex_upper;

struct slot {
    enum slot_role role;
    uint32_t code;
    const struct alphabet *alphabet;
};

struct plan {
    const struct letters *value;
    struct slot *slots; /* one a letter, all kept at first */
    size_t free, put;   /* how many */
    unsigned bits;      /* how unlikely it is that the stand-in stands anywhere by chance */
};

/* No effect on a letter that cannot be written there. */
void plan_free(struct plan *plan, size_t at, const struct alphabet *alphabet);
void plan_put(struct plan *plan, size_t at, char letter);
void plan_luhn(struct plan *plan, size_t at);
/* A letter becomes one of its kind: digit, lower, upper, its script's. */
void plan_same_kind(struct plan *plan, size_t at);
/* By a picture: 'd' a digit, 'n' one that is not 0, 'h' 'H' hexadecimal, 'l' a lower-case letter, 'e'
 * 8 or 9, '%' the next as it stands; others stand for themselves. As many as there are in it, from `at` on. */
void plan_picture(struct plan *plan, size_t at, const char *picture);

/* The alphabet of a letter's own kind; NULL: it is none. */
const struct alphabet *alphabet_of(uint32_t code, bool hex);

/* False: the value does not look like that; it is SHAPE_TEXT's. */
typedef bool shape_planner(struct plan *plan);
shape_planner shape_text, shape_secret, shape_key_block, shape_card, shape_ssn, shape_name,
    shape_email, shape_phone, shape_url, shape_ipv4, shape_ipv6, shape_mac, shape_address,
    shape_iban;

/* Bytes of a public prefix of a token that the text begins with ("ghp_"), or 0. */
size_t secret_prefix(struct slice text);

/* From the run's key. */
struct date_secret {
    uint32_t offset; /* how far dates are moved */
    uint64_t marks;  /* which dates of a year of two digits are stand-ins */
};

/*
 * Dates are moved, all by as many days. The result is of a year in which no patient, and nobody
 * alive, was born; or one of those that are marked.
 *   salt       of a format that cannot hold every date: how many that it can to go further back
 *   ret_known  no date of a file is of such a year
 * False: the text is no date.
 */
bool date_shift(const struct letters *value, const struct date_secret *secret, unsigned salt,
                uint32_t *ret_codes, bool *ret_known);
/* Is it a date? ret_ours: and one that was moved (of a year of two digits one in sixteen foreign
 * ones is, too). */
bool date_is(const struct letters *value, const struct date_secret *secret, bool *ret_ours);

/* Would somebody's validator take the text for a number that was issued? */
bool value_is_real(struct slice text);

#endif
