/* classify/encodings.h - what a text says once an encoding is taken off. Private to classify/. */
#ifndef CUSTODY_CLASSIFY_ENCODINGS_H
#define CUSTODY_CLASSIFY_ENCODINGS_H

#include "base/bytes.h"
#include "base/fault.h"

#define ENCODING_COUNT 10

/*
 * Appends what it makes of `text`, never more than the text is long. Nothing: there is none of
 * that encoding. What is not of the encoding is kept (escapes within a text) or is a line
 * break (runs of digits). False: no room.
 */
typedef bool encoding_remove(struct slice text, unsigned shift, struct buf *ret_text,
                             struct fault *fault);

/* `shift`: at which digit a run's first byte begins. */
struct encoding {
    encoding_remove *remove;
    unsigned shift;
    bool
        is_alone; /* neither above nor below another one: what it makes is as long as the text */
};
extern const struct encoding encodings[ENCODING_COUNT];

encoding_remove encoding_escapes, encoding_percent;

#endif
