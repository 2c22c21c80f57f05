/*
 * view/serve_init.h - the descriptor of a mount as the FUSE library uses it, with what the
 * library does not know of yet.
 *
 * FUSE_HANDLE_KILLPRIV_V2, asked for in the answer to INIT, makes the kernel ask for the
 * attribute `security.capability` before the first write to a file: in the writer's name, and
 * waiting for the answer. With a write-back cache that is where a writer can be named at all.
 *
 * FUSE_OVER_IO_URING: from that answer on the kernel waits for a ring (view/serve_ring.h).
 *
 * TMPFILE (open with O_TMPFILE) is handed on as a CREATE, which has the same arguments, of the
 * name SERVE_NAMELESS, which no file has.
 */
#ifndef CUSTODY_VIEW_SERVE_INIT_H
#define CUSTODY_VIEW_SERVE_INIT_H

#include "base/bytes.h"
#include "base/fault.h"

#define SERVE_NAMELESS "/"

struct fuse_session;
struct view;

struct serve_init {
    uint64_t unique;   /* of the INIT that waits for its answer; 0: none does */
    bool offered;      /* the kernel has FUSE_HANDLE_KILLPRIV_V2 */
    bool ring_offered; /* and FUSE_OVER_IO_URING */
    bool failed;       /* the ring that it was promised could not be begun: the mount ends */
    struct fault fault;
};

/* A request as it was read, before the library sees it. False: it is none, the mount ends. */
bool serve_init_take(struct view *view, uint8_t *bytes, size_t len);
/* Begins to use `fuse_fd` (taken where it succeeds). */
bool serve_init_attach(struct fuse_session *session, int fuse_fd);

#endif
