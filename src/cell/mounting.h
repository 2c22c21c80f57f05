/* cell/mounting.h - the few mount operations that the cell needs, on descriptors. */
#ifndef CUSTODY_CELL_MOUNTING_H
#define CUSTODY_CELL_MOUNTING_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/fault.h"

enum mounting_flags {
    MOUNTING_WRITABLE = 1,
    MOUNTING_DEVICES = 2, /* device nodes below it work: the six of /dev */
};

/* A detached copy of the tree at `path`, with the flags set on all mounts in it. */
MUST_USE bool mounting_copy(const char *path, unsigned flags, int *ret_tree,
                            struct fault *fault);
/* The same of an open folder of core's; found by its path again and checked to be the same. */
MUST_USE bool mounting_copy_fd(int fd, unsigned flags, int *ret_tree, struct fault *fault);
/* Attaches a detached tree over what `target` (O_PATH) is. Closes neither. */
MUST_USE bool mounting_attach(int tree, int target, struct fault *fault);
/*
 * Opens (O_PATH) the folder at `path` below `root`, making what is missing; never follows a
 * link. With `file`, the last part is an empty file.
 */
MUST_USE bool mounting_place(int root, const char *path, bool file, int *ret_fd,
                             struct fault *fault);
/* The mount that `fd` is the root of becomes read-only, nosuid, nodev. */
MUST_USE bool mounting_seal(int fd, struct fault *fault);

#endif
