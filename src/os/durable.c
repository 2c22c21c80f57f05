#include "os/durable.h"

#include <unistd.h>

#include "os/file.h"

/* A fault of one write: what is on the disk is not known any more, whatever the errno was. */
static bool plain_begin(void *self, int fd, struct slice bytes, uint64_t offset,
                        struct fault *fault)
{
    (void)self;
    return file_write_at(fd, bytes, offset, fault) &&
           (fdatasync(fd) == 0 || fault_errno(fault, "sync"));
}

static bool plain_finish(void *self, bool wait, bool *ret_done, struct fault *fault)
{
    (void)self, (void)wait, (void)fault;
    *ret_done = true;
    return true;
}

static bool plain_begin_files(void *self, const int *fds, size_t count, struct fault *fault)
{
    (void)self;
    for (size_t i = 0; i < count; i++)
        if (fsync(fds[i]) < 0)
            return fault_errno(fault, "sync");
    return true;
}

const struct durable durable_plain = {.begin = plain_begin,
                                      .begin_files = plain_begin_files,
                                      .finish = plain_finish,
                                      .ready = -1};

void durable_free(struct durable *durable)
{
    if (durable->free != NULL)
        durable->free(durable->self);
    *durable = (struct durable){.ready = -1};
}
