/*
 * roles/observer/observer.h - observer: the kernel's own account of which files of the view
 * were opened and read, by fanotify; independent of the view's. It decides nothing and holds
 * nobody up: each file is told of once.
 *
 *   user       root until it has its mark, then config->uid     network   none
 *   may read   what the kernel hands it: descriptors of the view's files, which it asks for
 *              their numbers and no more
 *   holds      nothing                                           talks to  core (control)
 *
 * Needs CAP_SYS_ADMIN of the host: only where custody runs as root. When it dies, core ends
 * the run.
 */
#ifndef CUSTODY_ROLES_OBSERVER_OBSERVER_H
#define CUSTODY_ROLES_OBSERVER_OBSERVER_H

#include <stdint.h>
#include <sys/types.h>

#include "base/fault.h"

#define OBSERVER_DIFFERENCES_MAX 20

struct observer_config {
    int control;    /* core's end speaks below; taken */
    uint32_t nodes; /* of the snapshot: number N is inode N + 1 */
    uid_t uid;
    gid_t gid;
};

/* For spawn_role; returns the exit code. */
int observer_role(void *config);

/* ---- core's side ---- */

/*
 * Watches the file system that `folder` is in. ret_watching: false where this kernel or
 * container allows no such mark; the run may go on, and says so.
 */
MUST_USE bool observer_watch(int control, int folder, int timeout_ms, bool *ret_watching,
                             struct fault *fault);

/* When the cell is dead and the view still serves: takes what the kernel has still to tell. */
MUST_USE bool observer_settle(int control, int timeout_ms, struct fault *fault);

struct observer_result {
    uint64_t events;           /* in all; the canaries alone bring some: 0 is a blind observer */
    uint32_t opened, read;     /* files of the snapshot, as the kernel tells */
    uint32_t recorded;         /* as the view tells */
    uint32_t unrecorded;       /* read, and the view has no record of it */
    uint32_t unseen;           /* recorded, and the kernel has not seen it opened */
    uint32_t difference_count; /* of both, the first ones: numbers of nodes */
    uint32_t differences[OBSERVER_DIFFERENCES_MAX];
};

/* After that: compares with view_crossed's file (duplicated). */
MUST_USE bool observer_compare(int control, int crossed, int timeout_ms,
                               struct observer_result *ret_result, struct fault *fault);

#endif
