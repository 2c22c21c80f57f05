/*
 * classify/known.h - values that a process in the cell may read as they are and a model may
 * not: looked for in what goes to a model, wherever it stands and in the encodings that
 * programs use without being told to. That stops accidents, not a determined encoder.
 *
 * A text is looked through as it is (ASCII case does not matter), backwards, as base64 (both
 * alphabets, any alignment, line breaks) and as hexadecimal (any case, with separators; in both,
 * letters as they are, all small or all large), and so is what it says when encodings are taken off
 * by decode.h, two on top of one another.
 *
 * Not found: a value shorter than KNOWN_BYTES_MIN; part of one (a long value is known line by
 * line, and long lines in pieces); what is compressed, encrypted or spelt in another way.
 */
#ifndef CUSTODY_CLASSIFY_KNOWN_H
#define CUSTODY_CLASSIFY_KNOWN_H

#include "base/bytes.h"
#include "base/fault.h"
#include "base/vocabulary.h"

#define KNOWN_BYTES_MIN 6        /* what is shorter is in many a text by chance */
#define KNOWN_PIECE_BYTES_MAX 64 /* a longer line is known by its pieces */
#define KNOWN_PIECES_MAX (1U << 17)
#define KNOWN_PACKET_BYTES_MAX (KNOWN_PIECES_MAX * (size_t)(KNOWN_PIECE_BYTES_MAX + 2))
/* So much of a text's end and of the next one's beginning can hold one piece in any of the
 * encodings (\u0041 is the longest). */
#define KNOWN_SEAM_BYTES (KNOWN_PIECE_BYTES_MAX * 6UL)

struct known;

struct known *known_new(void);
void known_free(struct known *known); /* overwrites; NULL is fine */
/* A value as it stands in a file, and what it says when encodings are taken off. FAULT_LIMIT: too
 * many. */
MUST_USE bool known_add(struct known *known, struct slice value, enum data_class class,
                        struct fault *fault);
size_t known_count(const struct known *known); /* of pieces */

/* From the process that knows the values to the one that looks for them. */
MUST_USE bool known_encode(const struct known *known, struct buf *ret_packet,
                           struct fault *fault);
/* Strict: exactly what encode writes. */
MUST_USE bool known_decode(struct slice packet, struct known **ret_known, struct fault *fault);

/*
 * Mask of CLASS_BIT of the values in the text. CLASS_OPAQUE: it would take too long to look
 * through, or to decode; nothing is known of it.
 */
unsigned known_find(struct known *known, struct slice text);

#endif
