/*
 * roles/guard/guard.h - guard: is told of the system calls that a cell's filter hands over,
 * and records them before they go on.
 *
 *   user       the user; as root: config->uid, keeping only CAP_SYS_PTRACE (for the memory of
 *              its callers)
 *   network    none       may read   what the cell's programs are, and their memory
 *   may write  the list of digests in the state folder's cache
 *   holds      the key of this run's commitments to arguments
 *   talks to   core (control), ledger (one producer), the view (memory: seen.h)
 *
 * When it dies, the calls answer ENOSYS and core ends the run.
 */
#ifndef CUSTODY_ROLES_GUARD_GUARD_H
#define CUSTODY_ROLES_GUARD_GUARD_H

#include "ledger/commitment.h"

struct files_config;
struct view_witness; /* roles/view_role/view.h */

struct guard_config {
    int control;  /* core's end speaks the packets below; taken */
    int ledger;   /* producer socket: exec, refused; taken */
    int seen;     /* seen_make; taken */
    int programs; /* the list of digests, or -1; taken */
    const char *run, *agent, *on_behalf_of, *policy;
    uint8_t command_key[COMMITMENT_KEY_BYTES];
    uint64_t records_max; /* of programs; who starts more floods the ledger: the guard ends */
    const struct files_config *files; /* NULL: a view serves them */
    /* Where the cell shares the host's namespaces; else -1, and no call of these comes. */
    int door;   /* message_pair with the door: a connection a packet; taken */
    int opener; /* cell/opener.h: opens callers' memory; taken */
    uint16_t door_port;
    const char *const *own; /* real paths of folders that are the agent's; NULL-terminated */
    bool drop_user;         /* root: become uid, gid */
    uid_t uid;
    gid_t gid;
};

/* For spawn_role; returns the exit code. */
int guard_role(void *config);

/*
 * Core's side: hands over the listener and the cell's /proc (duplicated), and returns when the
 * guard listens.
 */
MUST_USE bool guard_listen(int control, int listener, int proc, int timeout_ms,
                           struct fault *fault);
/* With files: the planted entries are gone; what the guard saw of them. */
MUST_USE bool guard_disarm_planted(int control, int timeout_ms,
                                   struct view_witness *ret_witness, struct fault *fault);

#endif
