#include "roles/guard/fifo.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/scope.h"
#include "roles/guard/parts.h"

static uint64_t device_of(const struct statx *stat)
{
    return (uint64_t)stat->stx_dev_major << 32 | stat->stx_dev_minor;
}

/* Pipes without a name never wait. */
bool fifo_is(const struct statx *stat, int fd)
{
    AUTO_BUF struct buf name = buf_with_limit(CALLER_PATH_BYTES_MAX);

    return S_ISFIFO(stat->stx_mode) && reach_name(fd, &name) == 0;
}

static void drop(struct fifos *fifos, struct fifo *fifo)
{
    scope_close(&fifo->fd);
    scope_close(&fifo->object);
    fifo->call = 0;
    fifos->count--;
}

/* Its answer: opened, or still waiting for a reader. */
static bool answer(struct guard *guard, struct fifo *fifo)
{
    unsigned flags = fifo->flags;
    int error = 0;

    if (fifo->fd < 0)
        error = reach_again(fifo->object, (flags & GUARD_OPEN_FLAGS) | O_NONBLOCK, &fifo->fd);
    if (error == ENXIO)
        return false;
    if (error == 0 && fcntl(fifo->fd, F_SETFL, (int)(flags & (O_APPEND | O_DIRECT))) < 0)
        error = errno;
    guard_give(guard, fifo->call, error, take_fd(&fifo->fd), flags);
    drop(&guard->fifos, fifo);
    return true;
}

static unsigned wake(struct guard *guard, const struct statx *stat, bool readers)
{
    struct fifos *fifos = &guard->fifos;
    unsigned woken = 0;

    for (size_t i = 0; fifos->count > 0 && i < FIFOS_MAX; i++) {
        struct fifo *fifo = &fifos->at[i];

        if (fifo->call != 0 && (fifo->object < 0) == readers && fifo->inode == stat->stx_ino &&
            fifo->device == device_of(stat))
            woken += answer(guard, fifo);
    }
    return woken;
}

void fifo_came(struct guard *guard, const struct statx *stat, bool writer)
{
    /* A reader lets writers in, and they let in who reads. */
    if (!writer && wake(guard, stat, false) == 0)
        return;
    (void)wake(guard, stat, true);
}

int fifo_wait(struct guard *guard, int fd, const struct statx *stat, unsigned flags)
{
    struct fifos *fifos = &guard->fifos;
    bool reads = (flags & O_ACCMODE) == O_RDONLY;

    for (size_t i = 0; i < FIFOS_MAX; i++) {
        if (fifos->at[i].call != 0)
            continue;
        fifos->at[i] = (struct fifo){.call = guard->call->id,
                                     .inode = stat->stx_ino,
                                     .device = device_of(stat),
                                     .fd = reads ? fd : -1,
                                     .object = reads ? -1 : fd,
                                     .flags = flags};
        fifos->count++;
        if (reads)
            fifo_came(guard, stat, false);
        return 0;
    }
    (void)close(fd);
    return EMFILE;
}

unsigned fifo_poll(const struct fifos *fifos, struct pollfd *polls)
{
    unsigned count = 0;

    for (size_t i = 0; fifos->count > 0 && i < FIFOS_MAX; i++)
        if (fifos->at[i].call != 0 && fifos->at[i].fd >= 0)
            polls[count++] = (struct pollfd){.fd = fifos->at[i].fd, .events = POLLIN};
    return count;
}

/*
 * Readers whose data has come by a writer that was there before, and callers that were killed.
 */
void fifo_look(struct guard *guard)
{
    struct fifos *fifos = &guard->fifos;

    for (size_t i = 0; fifos->count > 0 && i < FIFOS_MAX; i++) {
        struct fifo *fifo = &fifos->at[i];
        struct pollfd ready = {.fd = fifo->fd, .events = POLLIN};

        if (fifo->call == 0)
            continue;
        if (seccomp_notify_id_valid(guard->listener, fifo->call) != 0)
            drop(fifos, fifo);
        else if (fifo->object >= 0 || poll(&ready, 1, 0) > 0)
            (void)answer(guard, fifo);
    }
}

void fifo_end(struct fifos *fifos)
{
    for (size_t i = 0; i < FIFOS_MAX; i++)
        if (fifos->at[i].call != 0)
            drop(fifos, &fifos->at[i]);
}
