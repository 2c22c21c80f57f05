/*
 * roles/guard/fifo.h - named pipes, whose opening waits for the other side: the guard cannot
 * wait, so it keeps the call and answers it when somebody has come. All opens of a cell pass
 * through the guard, so it knows.
 */
#ifndef CUSTODY_ROLES_GUARD_FIFO_H
#define CUSTODY_ROLES_GUARD_FIFO_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#define FIFOS_MAX 128 /* that wait at a time; more answer EMFILE */

struct fifo {
    uint64_t call; /* 0: free */
    uint64_t inode, device;
    int fd;         /* opened already, for a reader; else -1 */
    int object;     /* O_PATH, of a writer */
    unsigned flags; /* as asked */
};

struct fifos {
    struct fifo at[FIFOS_MAX];
    unsigned count;
};

struct guard;

bool fifo_is(const struct statx *stat, int fd);
/*
 * Keeps the guard's present call. Takes `fd`: for a reader opened with O_NONBLOCK, for a
 * writer O_PATH. 0, or the errno of a call that cannot be kept.
 */
int fifo_wait(struct guard *guard, int fd, const struct statx *stat, unsigned flags);
/* A side was opened and handed over: whoever waited for it goes on. */
void fifo_came(struct guard *guard, const struct statx *stat, bool writer);
/* Adds what is to be waited for; fifo_look after each wait. */
unsigned fifo_poll(const struct fifos *fifos, struct pollfd *polls);
void fifo_look(struct guard *guard);
void fifo_end(struct fifos *fifos);

#endif
