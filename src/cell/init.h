/*
 * cell/init.h - pid 1 of the cell.
 *
 *   user       root until sealed (as root), then CELL_UID     network  the cell's loopback
 *   may read   the cell                                       talks to core, by one socket
 *   holds      nothing that outlives the seal; not dumpable, hidden in /proc
 */
#ifndef CUSTODY_CELL_INIT_H
#define CUSTODY_CELL_INIT_H

#include <sys/socket.h>
#include <sys/un.h>

#include "cell/cell.h"
#include "cell/limits.h"

struct init {
    const struct cell_plan *plan;
    struct cell_plan with_terminal; /* what `plan` is, where the cell has made one */
    const struct limits *limits; /* entered first */
    int control;
    int repository; /* of what the view wants listed; -1: nothing */
    pid_t parent;   /* of the process that has this; see warden.h */
    int fuse;       /* mounted already, by the warden; else -1 */
    int null;       /* opened before the filter: later, opening may be the guard's to answer */
    struct sockaddr_un outside; /* for the canary: core listens there */
    socklen_t outside_len;
};

/* Closes every descriptor but 0, 1, 2, the control socket and the plan's. */
void init_keep_descriptors(const struct init *init);
/* Serves until the agent has ended or core is gone. Returns the exit code of pid 1. */
int init_serve(struct init *init);

#endif
