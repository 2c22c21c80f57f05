/*
 * cell/limits.h - the cell's control groups, v1 or v2, where this process may make any.
 *
 * A keeper process removes them also when core was killed: nothing of a run stays behind.
 */
#ifndef CUSTODY_CELL_LIMITS_H
#define CUSTODY_CELL_LIMITS_H

#include <sys/types.h>

#include "base/fault.h"
#include "cell/cell.h"

#define LIMITS_FOLDERS_MAX 3

struct limits {
    char *folders[LIMITS_FOLDERS_MAX]; /* made by us, owned */
    int tasks[LIMITS_FOLDERS_MAX];     /* v1: by which a process moves itself; v2: -1 */
    size_t count;
    bool memory, pids, cpu; /* what holds */
    pid_t keeper;
    int keeper_socket; /* its closing tells the keeper to clean up */
};

/*
 * Makes groups below (or, v2, beside) our own, with the plan's limits. What cannot be had is
 * left out, and said in `memory`, `pids`, `cpu`.
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
/* Removes the groups; what is in them must be dead or dying. */
void limits_close(struct limits *limits);

/* Where a controller's groups can be made, for doctor: "memory" -> "/sys/fs/cgroup/...".
 * NULL when there is no such place; the caller frees. `ret_version` is 1 or 2. */
char *limits_place(const char *controller, int *ret_version);

#endif
