/*
 * view/serve_shape.h - what a FUSE request has to look like before the library reads it: the
 * library takes every length and count in a request as it stands.
 */
#ifndef CUSTODY_VIEW_SERVE_SHAPE_H
#define CUSTODY_VIEW_SERVE_SHAPE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

#define SERVE_OPCODE_TMPFILE 51 /* since protocol 7.37 */

/* Behind the header (struct fuse_in_header): arguments, then names with a NUL each, then data. */
struct serve_shape {
    bool is_known;
    uint8_t fixed; /* bytes of arguments, the least that any kernel sends */
    uint8_t names;
    uint8_t entries;   /* so many of the names are names in a folder: without a slash */
    uint8_t data_each; /* bytes for each one that the count at `count_at` says; 0: no data */
    uint8_t count_at;  /* in the arguments: a 32-bit count */
};

/* NULL: no such request is known, and the library answers ENOSYS without looking into it. */
const struct serve_shape *serve_shape_of(uint32_t opcode);
/*
 * Is it all there, and sound: header, length, arguments, names, data? `request` is as it was read, aligned
 * as malloc does. What is behind may be anything.
 */
bool serve_shape_is_whole(struct slice request);

#endif
