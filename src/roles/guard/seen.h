/*
 * roles/guard/seen.h - which programs a cell has started: written by the guard when it is told of one,
 * read by the view when it records who reads. Memory that both have mapped; no packets.
 *
 * A reader compares the path of the program that the kernel names with the one that is
 * written here: a number that was given to another process in between does not fit.
 */
#ifndef CUSTODY_ROLES_GUARD_SEEN_H
#define CUSTODY_ROLES_GUARD_SEEN_H

#include <stdint.h>
#include <sys/types.h>

#include "base/bytes.h"
#include "base/fault.h"

#define SEEN_DIGEST_BYTES 32

struct seen;

/* What is known of a process; zeros where it is not. */
struct seen_process {
    pid_t parent;                       /* as the cell sees it */
    uint8_t command[SEEN_DIGEST_BYTES]; /* commitment to its arguments */
    uint8_t digest[SEEN_DIGEST_BYTES];  /* of its program's file */
    bool has_command, has_digest;
};

/* A file of memory for both; close-on-exec. */
MUST_USE bool seen_make(int *ret_fd, struct fault *fault);
/* Maps it; the descriptor may be closed afterwards. */
MUST_USE bool seen_open(int fd, bool writable, struct seen **ret_seen, struct fault *fault);
void seen_close(struct seen *seen); /* NULL is fine */

/* The guard: that program, by the path that the kernel names it by, has this digest. */
void seen_put_program(struct seen *seen, struct slice program,
                      const uint8_t digest[SEEN_DIGEST_BYTES]);
/* The guard: that process is about to become that program. */
void seen_put_process(struct seen *seen, pid_t pid, pid_t parent, struct slice program,
                      const uint8_t command[SEEN_DIGEST_BYTES]);
/* False: that process was not seen to start that program (it may be a child of one that was). */
bool seen_find(const struct seen *seen, pid_t pid, struct slice program,
               struct seen_process *ret_process);

#endif
