/* base/scope.h - every resource has a scope; take_* moves it out. */
#ifndef CUSTODY_BASE_SCOPE_H
#define CUSTODY_BASE_SCOPE_H

#include <stdlib.h>
#include <unistd.h>

#include "base/bytes.h"

static inline void scope_close(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

static inline void scope_free(void *at)
{
    free(*(void **)at);
}

static inline int take_fd(int *fd)
{
    int taken = *fd;

    *fd = -1;
    return taken;
}

static inline void *take_pointer(void *at)
{
    void *taken = *(void **)at;

    *(void **)at = NULL;
    return taken;
}

static inline struct buf take_buf(struct buf *buf)
{
    struct buf taken = *buf;

    *buf = (struct buf){.limit = taken.limit};
    return taken;
}

#define AUTO_CLOSE __attribute__((cleanup(scope_close)))
#define AUTO_FREE __attribute__((cleanup(scope_free)))
#define AUTO_BUF __attribute__((cleanup(buf_free)))
#define AUTO_BUF_SECRET __attribute__((cleanup(buf_free_secret)))

#endif
