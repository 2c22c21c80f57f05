/*
 * cell/seal.h - how pid 1 and the agent give up what they have. Two rungs:
 *
 *   seal_init    pid 1: user namespace (as root), capabilities, no_new_privs, filter
 *   seal_agent   the agent and the canaries, alike: session, streams, descriptors, limits,
 *                Landlock scopes
 */
#ifndef CUSTODY_CELL_SEAL_H
#define CUSTODY_CELL_SEAL_H

#include "cell/cell.h"

/* A child that is still root of the host maps our ids, once we have a namespace of our own. */
struct seal_mapper {
    pid_t pid; /* -1: there is none, and nobody needs one */
    int ask;
};

/* What can be done before: pid 1's child is there when it is needed. */
MUST_USE bool seal_begin(const struct cell_plan *plan, struct seal_mapper *ret_mapper,
                         struct fault *fault);
/* ret_listener: where the plan has a guard, else -1; the caller's, to hand out and close. */
MUST_USE bool seal_init(const struct cell_plan *plan, struct seal_mapper *mapper,
                        int *ret_listener, struct fault *fault);
/*
 *   null     /dev/null, for the streams that the plan leaves out
 *   keep_fd  one descriptor that stays open until exec (close-on-exec); everything else but
 *            0, 1, 2 is closed
 */
MUST_USE bool seal_agent(const struct cell_plan *plan, const struct cell_sealed *sealed,
                         int null, int keep_fd, struct fault *fault);
/* The agent's environment: the plan's, with HOME. Owned by the caller. */
char **seal_environment(const struct cell_plan *plan);
/* Writes the one-line uid and gid maps of process `pid`: CELL_UID inside is uid, gid outside.
 */
MUST_USE bool seal_write_maps(int proc, const char *pid, uid_t uid, gid_t gid,
                              struct fault *fault);

#endif
