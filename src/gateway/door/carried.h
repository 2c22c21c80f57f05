/* gateway/door/carried.h - a text that fills a string as base64, alone or in a data URL. */
#ifndef CUSTODY_GATEWAY_CARRIED_H
#define CUSTODY_GATEWAY_CARRIED_H

#include "base/bytes.h"

struct carried {
    struct slice payload; /* the base64, within the text */
    struct buf bytes;     /* what it holds */
    bool is_data_url;
};

/* `text` without space around it. False: it carries nothing; else free ret_carried->bytes. */
MUST_USE bool carried_open(struct slice text, struct carried *ret_carried);
/* Is it an image, an archive or another file that cannot be read as text? */
bool carried_is_opaque(struct slice bytes);
/*
 * Appends `bytes`, as many as were carried, as `payload` is written: its alphabet, padding and
 * line breaks. False: it cannot be written so.
 */
MUST_USE bool carried_write(struct slice payload, struct slice bytes, struct buf *out);

#endif
