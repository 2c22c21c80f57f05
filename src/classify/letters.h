/*
 * classify/letters.h - a value as characters, however it is written: read from the bytes of a
 * file, and written back into them with other characters and the same length. Private to
 * classify/.
 *
 * What must stay for the file to parse is a letter that cannot be changed: the escape of a
 * line end, an entity's name, what follows a backslash.
 */
#ifndef CUSTODY_CLASSIFY_LETTERS_H
#define CUSTODY_CLASSIFY_LETTERS_H

#include "classify/classify.h"

#define LETTERS_BYTES_MAX (1UL << 20) /* of one value */
#define LETTER_BYTE 0x110000U         /* + a byte that is part of no character */

struct letter {
    uint32_t code; /* Unicode, or LETTER_BYTE + byte */
    uint32_t most; /* the largest code that can be written in its place; 0: none can */
    uint32_t at;   /* in the text */
    uint32_t len;
    bool hex; /* the digit of an escape that stands in a text: only another one may follow */
};

struct letters {
    struct letter *at;
    size_t count;
    char *plain;        /* a byte a letter: ASCII, or 0x7f; NUL-terminated */
    enum finding_form form; /* as given; its text is plain where the form is a container */
    struct buf text;    /* of a container: what it holds; empty: it is taken as it stands */
};

/* Reads a value written in `form`, at most LETTERS_BYTES_MAX bytes; free it in any case. */
void letters_read(struct slice raw, enum finding_form form, struct letters *ret_letters);
void letters_free(struct letters *letters); /* overwrites */

/*
 * Writes `codes`, one a letter, over `bytes`, which hold the raw value. False: a code does not
 * fit its place, and the bytes are worth nothing.
 */
MUST_USE bool letters_write(const struct letters *letters, const uint32_t *codes,
                            uint8_t *bytes, size_t len);

/* UTF-8, 1 to 4 bytes. */
size_t letter_utf8(uint32_t code, uint8_t ret_bytes[4]);

#endif
