/*
 * roles/guard/seen.h - which programs a cell has started: written by the guard when it is told
 * of one, read by the view when it records who reads. Memory that both have mapped; no
 * packets.
 *
 * A process is its number and the time at which it began, so that a number that was given to
 * another one does not fit. A reader also compares the path of the program that the kernel
 * names with the one that is written here: what was asked for is a claim.
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

/* A program's file, whatever its name is by now; inode 0: nobody can say. */
struct seen_file {
    uint64_t device, inode;
};

/* A process that is about to become a program. */
struct seen_start {
    pid_t pid, parent; /* as the cell sees them */
    uint64_t started;  /* os/proc.h */
    struct slice program, before; /* what it asks for, "" where nobody can say; what it runs */
    struct seen_file program_file, before_file;
    const uint8_t *command; /* SEEN_DIGEST_BYTES */
};

/* A file of memory for both; close-on-exec. */
MUST_USE bool seen_make(int *ret_fd, struct fault *fault);
/* Maps it; the descriptor may be closed afterwards. */
MUST_USE bool seen_open(int fd, bool writable, struct seen **ret_seen, struct fault *fault);
void seen_close(struct seen *seen); /* NULL is fine */

/* The guard: that program, by the path that the kernel names it by, has this digest. */
void seen_put_program(struct seen *seen, struct slice program,
                      const uint8_t digest[SEEN_DIGEST_BYTES]);
void seen_put_process(struct seen *seen, const struct seen_start *start);
/* It runs neither what it asked for last nor what it ran before that. */
bool seen_is_other(const struct seen *seen, pid_t pid, uint64_t started,
                   struct seen_file runs);
/*
 * False: it was not seen to start anything, so it is what its parent is. ret_process: its
 * program's digest in any case; parent and command where they are its own.
 */
bool seen_find(const struct seen *seen, pid_t pid, uint64_t started, struct slice program,
               struct seen_process *ret_process);

#endif
