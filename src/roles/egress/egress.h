/*
 * roles/egress/egress.h - egress: what a cell may reach besides its models; only where policy
 * lists any. Two processes, one that reads and one that connects.
 *
 * egress
 *   user       the user; as root: config->uid     network    sockets that it is handed
 *   may read   nothing                            may write  nothing
 *   holds      the key of the run's CA; values    talks to   door, dialer, ledger (one producer),
 *              that its agent may read, too                  core (control)
 *
 * dialer
 *   user       the same                           network    places of policy's `egress`
 *   may read   nothing                            may write  nothing
 *   holds      nothing                            talks to   egress, a resolver of its own
 */
#ifndef CUSTODY_ROLES_EGRESS_H
#define CUSTODY_ROLES_EGRESS_H

#include <sys/types.h>

#include "gateway/egress/egress.h"

struct egress_role_config {
    int control; /* core's end speaks the packets below; taken */
    int door;    /* message_pair with the door role; taken */
    int dialer;  /* message_pair with the dialer role; taken */
    int ledger;  /* producer socket that may write `egress` and `refused`; taken */
    const struct egress_entry *entries;
    size_t entry_count;
    struct gateway_identity identity;
    const uint8_t
        *surrogate_key; /* of this run, by which its stand-ins are known; may be NULL */
    size_t surrogate_key_len;
    bool drop_user; /* as root: become uid, gid */
    uid_t uid;
    gid_t gid;
};

struct dialer_role_config {
    int socket; /* message_pair with the egress role; its closing ends the dialer; taken */
    const struct egress_entry *entries;
    size_t entry_count;
    bool drop_user;
    uid_t uid;
    gid_t gid;
};

/*
 * Packets on `control`:
 *   egress -> core  EGRESS_READY and the run's CA, PEM; EGRESS_FAILED and the fault's text
 *   core -> egress  EGRESS_KNOWN, with a file of the values that the agent may read and no
 *                   model may see (known.h), where there are any; EGRESS_READY answers
 * The closing of core's end ends egress, and that the dialer.
 */
#define EGRESS_READY 'R'
#define EGRESS_FAILED 'F'
#define EGRESS_KNOWN 'K'

/* For spawn_role; keep control, door, dialer and ledger. */
int egress_role(void *config);
/* For spawn_role; keep the socket. */
int dialer_role(void *config);

/* core's side. ret_certificate is appended to. */
MUST_USE bool egress_role_wait_ready(int control, int timeout_ms, struct buf *ret_certificate,
                                     struct fault *fault);
/* known: a file at its beginning, or -1. Before the agent starts. */
MUST_USE bool egress_role_know(int control, int known, int timeout_ms, struct fault *fault);

#endif
