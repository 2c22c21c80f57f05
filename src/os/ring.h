/*
 * os/ring.h - an io_uring by its system calls, no library (io_uring(7)).
 *
 * io_uring does what it is asked behind a filter of system calls: so a ring can do nothing but
 * what it was bound to when it was made (Linux 5.10). One thread makes and uses it.
 */
#ifndef CUSTODY_OS_RING_H
#define CUSTODY_OS_RING_H

#include <linux/io_uring.h>

#include "base/bytes.h"
#include "base/fault.h"

#define RING_OPERATIONS_MAX 4
/* For commands to a device, which is told of them when it looks. Linux 6.1. */
#define RING_OF_COMMANDS                                                                      \
    (IORING_SETUP_SQE128 | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |          \
     IORING_SETUP_SUBMIT_ALL)
#define RING_LARGE_BYTES 128 /* of an entry, with IORING_SETUP_SQE128; else 64 */

struct ring_settings {
    unsigned entries;  /* at least so many may be added before a ring_enter */
    uint32_t flags;    /* IORING_SETUP_...; R_DISABLED is added */
    uint32_t features; /* IORING_FEAT_... that it is no good without */
    uint8_t operations[RING_OPERATIONS_MAX]; /* IORING_OP_...: nothing else is done */
    size_t operation_count;
    uint8_t entry_flags; /* IOSQE_... that may be set */
};

struct ring;

/* FAULT_HOST: the kernel has no such io_uring, or does not let us. Close-on-exec. */
MUST_USE bool ring_new(const struct ring_settings *settings, struct ring **ret_ring,
                       struct fault *fault);
/* The kernel ends what is under way before it lets go of the memory it was given. NULL is fine. */
void ring_free(struct ring *ring);
int ring_fd(const struct ring *ring); /* readable when ring_take has something */

/* The next entry to fill, zeroed; it goes with the next ring_enter. NULL: there is no room. */
struct io_uring_sqe *ring_add(struct ring *ring);
/*
 * Hands in what was added. wait: and sleeps until there is a completion, or timeout_us are over
 * (-1: never).
 */
MUST_USE bool ring_enter(struct ring *ring, bool wait, int64_t timeout_us,
                         struct fault *fault);
/* The next completion, if there is one. */
bool ring_take(struct ring *ring, struct io_uring_cqe *ret_completion);

#endif
