/*
 * os/durable.h - writing and syncing that goes on while the process does something else.
 *
 * Two ways behind one struct of functions: io_uring (a write and its fdatasync as one linked
 * pair, many fsyncs at once), and plain system calls, which have done everything when they
 * return. No threads of ours in either.
 */
#ifndef CUSTODY_OS_DURABLE_H
#define CUSTODY_OS_DURABLE_H

#include "base/bytes.h"

#define DURABLE_FILES_MAX 64

struct durable {
    /*
     * Begins to write `bytes` (borrowed until finish) at `offset` of `fd` and to sync them.
     * One at a time. A failure here or in finish says that nothing is known about the disk.
     */
    bool (*begin)(void *self, int fd, struct slice bytes, uint64_t offset,
                  struct fault *fault);
    /* Begins the fsync of up to DURABLE_FILES_MAX files, which stay open until finish. */
    bool (*begin_files)(void *self, const int *fds, size_t count, struct fault *fault);
    /* How it went. wait false: *ret_done false where it goes on; true: not before it is done.
     */
    bool (*finish)(void *self, bool wait, bool *ret_done, struct fault *fault);
    void (*free)(void *self);
    void *self;
    int ready;          /* readable when finish has something to tell; -1: it has at once */
    bool is_overlapped; /* the caller gets something done between begin and finish */
};

extern const struct durable durable_plain; /* always there; nothing to free */
/* FAULT_HOST: the kernel has no io_uring, or does not let us. */
MUST_USE bool durable_ring(struct durable *ret_durable, struct fault *fault);
void durable_free(struct durable *durable);

#endif
