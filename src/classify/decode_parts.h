/* classify/decode_parts.h - what decode*.c share. */
#ifndef CUSTODY_CLASSIFY_DECODE_PARTS_H
#define CUSTODY_CLASSIFY_DECODE_PARTS_H

#include "classify/decode.h"

struct decoding {
    const struct reading *outer;
    struct slice text; /* the outer reading's */
    unsigned depth;    /* of this reading */
    struct reading *inner;
};

/* Each adds what it finds. */
typedef bool decode_pass(struct decoding *decoding, struct fault *fault);
decode_pass decode_runs, decode_pairs, decode_lines, decode_wraps, decode_strings, decode_wide;

/* Bytes that [from, to) of the text were decoded to: read as a content of their own. */
MUST_USE bool decode_add_bytes(struct decoding *decoding, struct slice bytes, size_t from,
                               size_t to, enum finding_form form, struct fault *fault);

#endif
