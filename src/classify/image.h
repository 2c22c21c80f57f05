/* classify/image.h - how a rule set that was checked is laid out. Private to classify/. */
#ifndef CUSTODY_CLASSIFY_IMAGE_H
#define CUSTODY_CLASSIFY_IMAGE_H

#include "classify/rule.h"

/* Numbers are those of the machine that made it. The digest is its rules_key. */
MUST_USE bool image_write(struct slice packed, const char *digest, struct buf *ret_image,
                          struct fault *fault);

/* FAULT_INVALID: it is no image, damaged, or of another digest. The slice points into it. */
MUST_USE bool image_read(struct slice bytes, const char *digest, struct slice *ret_packed,
                         struct fault *fault);

#endif
