/*
 * roles/door.h - door: the agent's HTTP and JSON end here.
 *
 *   user       the user; as root: config->uid     network    sockets accepted on the cell's
 *                                                            loopback
 *   may read   nothing                            may write  nothing
 *   holds      the run's surrogate key, a key     talks to   gateway, ledger (one producer),
 *              for commitments; values that its              core (control)
 *              agent may read, or has sent, too
 */
#ifndef CUSTODY_ROLES_DOOR_H
#define CUSTODY_ROLES_DOOR_H

#include <sys/types.h>

#include "gateway/gateway.h"

#define DOOR_LINES_KEY_BYTES 32

struct door_role_config {
    int control; /* core's end speaks the packets below; taken */
    int gateway; /* message_pair with the gateway role; taken */
    int ledger;  /* producer socket that may write `refused`; taken */
    int egress;  /* message_pair with the egress role; place_count 0: there is none */
    const struct door_place *places; /* what policy's `egress` lists */
    size_t place_count;
    const struct gateway_model *models;
    size_t model_count;
    size_t model; /* the run's */
    bool takes_other_names; /* policy: routing.other_names */
    const struct gateway_server *servers;
    size_t server_count;
    struct gateway_identity identity;
    unsigned cut_answers; /* classes: an answer that holds one ends there */
    const uint8_t *surrogate_key; /* of this run, so that its surrogates pass; may be NULL */
    size_t surrogate_key_len;
    uint8_t commitment_key[DOOR_COMMITMENT_BYTES]; /* commits to values that are replaced */
    int served; /* what the view has shown (lineage/served.h), or -1 */
    uint8_t lines_key[DOOR_LINES_KEY_BYTES];
    bool drop_user; /* as root: become uid, gid */
    uid_t uid;
    gid_t gid;
};

/*
 * Packets on `control`, one byte each:
 *   core -> door  DOOR_LISTEN with one listening TCP descriptor, or a message_pair over which
 *                 the guard hands connections, one a packet; where there are any, a second
 *                 one holds the values that the agent may read and no model may see (known.h)
 *   door -> core  DOOR_READY when it accepts; DOOR_FAILED and the fault's text when it cannot
 * The closing of core's end ends the door.
 */
#define DOOR_LISTEN 'L'
#define DOOR_READY 'R'
#define DOOR_FAILED 'F'

/* For spawn_role; keep control, gateway, ledger, and with places egress. */
int door_role(void *config);

/*
 * core's side: hands the listening socket over and waits until the door accepts.
 *   known  a file at its beginning, or -1
 */
MUST_USE bool door_role_listen(int control, int listener, int known, int timeout_ms,
                               struct fault *fault);

#endif
