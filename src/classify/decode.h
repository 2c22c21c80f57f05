/*
 * classify/decode.h - what a text says once an encoding is taken off. Private to classify/.
 */
#ifndef CUSTODY_CLASSIFY_DECODE_H
#define CUSTODY_CLASSIFY_DECODE_H

#include "classify/reading.h"

#define DECODE_RUN_MIN 24 /* characters of base64 or hexadecimal: what is shorter is a word */
#define DECODE_DEPTH 2    /* so many on top of one another are taken off */

/*
 * Reads what is encoded in the text of `outer`, which is the content of ret_inner and must
 * outlive it; empty where nothing is. In ret_inner's text are
 *   runs of base64 (both alphabets, over line ends) and of hexadecimal digits that decode to
 *   text, or to something that has a reader; each is one piece, FORM_BASE64 or FORM_HEX (or
 *   FORM_SEALED)
 *   pairs of hexadecimal digits with blanks, colons, commas or hyphens between them, 0x in front or
 *   not; the same
 *   lines that hold escapes by a backslash, percent-encoding, entities, quoted-printable, or
 *   characters that look like others or like none, resolved
 *   numbers in groups that are cut by a line's end, on one line
 *   strings of elements that are JSON themselves, read as such
 *   UTF-16 between other bytes
 * A line's end is between any two of them. To map a stretch into the content of `outer`:
 * decode_map.
 *   depth  how many were taken off before; DECODE_DEPTH gives an empty reading
 */
MUST_USE bool reading_decode(const struct reading *outer, unsigned depth,
                             struct reading *ret_inner, struct fault *fault);

/* A stretch of the text of readings[count - 1] in the content of readings[0], each of which is
 * made from the text of the one before it. */
void decode_map(const struct reading *readings, size_t count, size_t start, size_t end,
                size_t *ret_from, size_t *ret_to, enum finding_form *ret_form);

#endif
