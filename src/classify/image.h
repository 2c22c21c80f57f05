/* classify/image.h - how a compiled rule set is laid out. Private to classify/. */
#ifndef CUSTODY_CLASSIFY_IMAGE_H
#define CUSTODY_CLASSIFY_IMAGE_H

#include "classify/rule.h"

/* Numbers are those of the machine that made it: its key names one processor and library. */
MUST_USE bool image_write(struct slice packed, struct slice database, const char *digest,
                          const char *key, struct buf *ret_image, struct fault *fault);

struct image {
    struct slice packed, database;
    char digest[RULES_KEY_LEN + 1];
};

/* FAULT_INVALID: it is no image, damaged, or another one. Slices point into it. */
MUST_USE bool image_read(struct slice bytes, const char *key, struct image *ret_image,
                         struct fault *fault);

#endif
