/* classify/containers.h - text that stands in a file as base64 or hexadecimal. Private to
 * classify/. */
#ifndef CUSTODY_CLASSIFY_CONTAINERS_H
#define CUSTODY_CLASSIFY_CONTAINERS_H

#include "classify/classify.h"

/*
 * Appends what the run says. False: the form is no container, or the run holds no text (or
 * does not come back the same): it is taken as the letters and digits that it is.
 */
bool container_open(struct slice run, enum finding_form form, struct buf *ret_text);
/* Writes the text, as long as the one that was read, over the run in its own alphabet, between
 * its line ends, and what stands between pairs of digits. */
MUST_USE bool container_close(struct slice text, enum finding_form form, uint8_t *run,
                              size_t len);

#endif
