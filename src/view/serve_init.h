/*
 * view/serve_init.h - the descriptor of a mount as the FUSE library uses it, with what the
 * library does not know of yet.
 *
 * FUSE_HANDLE_KILLPRIV_V2, asked for in the answer to INIT, makes the kernel ask for the
 * attribute `security.capability` before the first write to a file: in the writer's name, and
 * waiting for the answer. With a write-back cache that is where a writer can be named at all.
 *
 * TMPFILE (open with O_TMPFILE) is handed on as a CREATE, which has the same arguments, of the
 * name SERVE_NAMELESS, which no file has.
 */
#ifndef CUSTODY_VIEW_SERVE_INIT_H
#define CUSTODY_VIEW_SERVE_INIT_H

#include <stdbool.h>
#include <stdint.h>

#define SERVE_NAMELESS "/"

struct fuse_session;

struct serve_init {
    uint64_t unique; /* of the INIT that waits for its answer; 0: none does */
    bool offered;    /* the kernel has it */
};

/* Begins to use `fuse_fd` (taken where it succeeds). */
bool serve_init_attach(struct fuse_session *session, int fuse_fd);

#endif
