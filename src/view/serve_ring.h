/*
 * view/serve_ring.h - requests and answers through memory that view and kernel share, by an
 * io_uring that can do nothing else (and wait).
 *
 * A queue for each processor, all served by one thread. What is told (FORGET), interrupted or
 * told by us still goes through the descriptor of /dev/fuse, as does what was asked before.
 */
#ifndef CUSTODY_VIEW_SERVE_RING_H
#define CUSTODY_VIEW_SERVE_RING_H

#include <sys/types.h>
#include <sys/uio.h>

#include "base/bytes.h"
#include "base/fault.h"

struct serve_ring;

/*
 * Before system calls are given up. FAULT_HOST, with the reason: the kernel does not do this,
 * or nobody has switched it on (fuse.enable_uring).
 */
MUST_USE bool serve_ring_new(struct serve_ring **ret_ring, struct fault *fault);
void serve_ring_free(struct serve_ring *ring); /* NULL is fine */

/*
 * Gives the kernel its room, as soon as it has INIT's answer that asks for this; from then on it
 * puts requests there. Where this fails, the mount must end: the kernel waits for it.
 *   max_payload_bytes  of a request or an answer, without header and arguments
 */
MUST_USE bool serve_ring_begin(struct serve_ring *ring, int fuse_fd, size_t max_payload_bytes,
                               struct fault *fault);
bool serve_ring_is_begun(const struct serve_ring *ring); /* NULL: it is not */

struct serve_ring_calls {
    void *self;
    /* A request, as /dev/fuse would have it; to be changed as one likes. It is answered before
     * this returns. False: the mount ends. */
    bool (*request)(void *self, uint8_t *bytes, size_t len, struct fault *fault);
    /* There may be something in /dev/fuse. */
    bool (*device)(void *self, struct fault *fault);
};

/*
 * Hands in what was answered, sleeps until there is something (timeout_ms; -1: for ever), and has
 * it answered.
 *   ret_asked  a request came, or the mount is gone
 *   ret_other  other_fd can be read, or has ended; then nothing waits to be handed in. -1: none
 */
MUST_USE bool serve_ring_wait(struct serve_ring *ring, int other_fd, int timeout_ms,
                              const struct serve_ring_calls *calls, bool *ret_asked,
                              bool *ret_other, struct fault *fault);
/* The answer to the request that is being handled, if `parts` (its header first) is that. */
bool serve_ring_is_answer(const struct serve_ring *ring, uint64_t unique);
/* Bytes taken, or -1 and errno. */
ssize_t serve_ring_answer(struct serve_ring *ring, const struct iovec *parts, int count);
/* Whoever has its answer can go on: what was answered is handed in. */
MUST_USE bool serve_ring_flush(struct serve_ring *ring, struct fault *fault);

#endif
