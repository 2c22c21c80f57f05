/*
 * cell/limits.h - the cell's control groups, v1 or v2, where this process may make any.
 *
 * A keeper process (keeper.h) removes them also when core was killed: nothing of a run stays
 * behind. Where that was killed, too, limits_sweep does.
 */
#ifndef CUSTODY_CELL_LIMITS_H
#define CUSTODY_CELL_LIMITS_H

#include <sys/types.h>

#include "base/fault.h"
#include "cell/cell.h"

struct limits {
    char *folders[CELL_LIMIT_COUNT]; /* made by us, owned */
    int tasks[CELL_LIMIT_COUNT];     /* v1: by which a process moves itself; v2: -1 */
    size_t count;
    bool holds[CELL_LIMIT_COUNT];
    size_t folder_of[CELL_LIMIT_COUNT]; /* of what holds */
    pid_t keeper;
    int keeper_socket; /* its closing tells the keeper to clean up */
};

/*
 * Makes groups below (or, v2, beside) our own, with the plan's limits. What cannot be had is
 * left out, and said in `holds`.
 */
void limits_open(const struct cell_plan *plan, struct limits *ret_limits);
/*
 * Moves the calling process, which has one thread, into the v1 groups. Moving oneself takes
 * none of the kernel's waits: moving another holds up every fork of the host for up to 20 ms.
 */
void limits_enter(const struct limits *limits);
/* Has the keeper put a process into the v2 groups. Does not wait: meanwhile the cell is built.
 */
void limits_attach(struct limits *limits, pid_t pid);
/* Waits for that, and looks whether `pid` entered. A group that it is not in is given up, and
 * its limits with it. */
void limits_settle(struct limits *limits, pid_t pid);
/* How many processes the kernel killed since the limit of memory was reached. */
uint64_t limits_memory_kills(const struct limits *limits);
/* Has what is in the groups die that was killed and cannot: frozen processes. */
void limits_release(const struct limits *limits);
/* Removes the groups; what is in them must be dead or dying. What still dies after two seconds
 * is left to the keeper. */
void limits_close(struct limits *limits);

#endif
