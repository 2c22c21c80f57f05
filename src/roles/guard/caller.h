/*
 * roles/guard/caller.h - what a waiting process of the cell says of itself: its memory, its
 * folders, its place among processes. All of it is hostile, and can change at any time: what
 * is read here is a claim.
 */
#ifndef CUSTODY_ROLES_GUARD_CALLER_H
#define CUSTODY_ROLES_GUARD_CALLER_H

#include <stdint.h>
#include <sys/types.h>

#include "base/bytes.h"
#include "base/fault.h"

#define CALLER_PATH_BYTES_MAX 4096
#define CALLER_ARGUMENTS_MAX 65536
#define CALLER_ARGUMENT_BYTES_MAX                                                             \
    (128 * 1024) /* of all of them; the rest is counted, not read */

struct caller {
    pid_t thread; /* as the host sees it */
    int proc;     /* /proc/THREAD of the host, O_PATH */
    int memory;   /* its memory, for reading */
    int cell_proc;
    /* As the cell sees them, after caller_place; else 0. */
    pid_t process; /* of the thread */
    pid_t thread_inside;
    pid_t parent;
    uint64_t started; /* when the process began, os/proc.h */
};

/*
 * opener: who opens the memory (cell/opener.h), or -1: the guard may.
 * host_proc, cell_proc: descriptors of the host's and of the cell's /proc; borrowed.
 * FAULT_MISSING: it is gone. caller_close in any case.
 */
MUST_USE bool caller_open(int host_proc, int cell_proc, int opener, pid_t thread,
                          struct caller *ret_caller, struct fault *fault);
void caller_close(struct caller *caller);
/* Finds its place among processes, once. False: it is gone. */
MUST_USE bool caller_place(struct caller *caller);
/*
 * What its new files must not allow; everything but its own rights, where that cannot be told.
 */
mode_t caller_umask(const struct caller *caller);

/* Bytes of its memory, whole. False: they are not there. */
MUST_USE bool caller_bytes(const struct caller *caller, uint64_t address, void *ret_bytes,
                           size_t len);
/*
 * A text that ends with NUL, without it. FAULT_INVALID: no such memory; FAULT_LIMIT: too long.
 */
MUST_USE bool caller_text(const struct caller *caller, uint64_t address, struct buf *ret_text,
                          struct fault *fault);
/*
 * An argument vector as `first NUL second NUL ...`; what is beyond the limits is left out, and
 * ret_count still counts up to CALLER_ARGUMENTS_MAX.
 */
MUST_USE bool caller_arguments(const struct caller *caller, uint64_t address,
                               struct buf *ret_text, size_t *ret_count, struct fault *fault);
/* The descriptor `number` of the caller, O_PATH. */
MUST_USE bool caller_open_number(const struct caller *caller, int number, int *ret_fd,
                                 struct fault *fault);

#endif
