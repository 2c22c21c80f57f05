/*
 * roles/gateway.h - gateway: adds the provider keys, writes intents and outcomes.
 *
 *   user       the user; as root: config->uid     network    the providers and tool
 *                                                            servers of the policy
 *   may read   /etc, /usr (certificates)          may write  payloads of its run
 *   holds      the provider keys, the run's       talks to   door, ledger (one producer), core
 *              scope key                                     (control), resolver
 */
#ifndef CUSTODY_ROLES_GATEWAY_H
#define CUSTODY_ROLES_GATEWAY_H

#include <sys/types.h>

#include "gateway/gateway.h"
#include "roles/keys/sealer.h"

struct gateway_role_config {
    int control; /* core's end speaks the packets below; taken */
    int door;    /* message_pair with the door role; taken */
    int ledger;  /* producer socket: model.*, mcp.*, refused; taken */
    const struct gateway_model *models;
    size_t model_count;
    size_t model; /* the run's */
    const struct gateway_server *servers;
    size_t server_count;
    struct gateway_identity identity;
    const size_t *fallback; /* as of struct gateway_config */
    size_t fallback_count;
    struct gateway_limits limits;
    int book; /* of book_file_open, held by nobody else; taken; -1: none is shared */
    const struct book_account *accounts;
    size_t account_count;
    struct sealer sealer; /* its ledger is the role's own; its folder is taken */
    int home;       /* the state folder, with a scope: what core has written for it is made
                       durable here, beside core's own work; taken */
    bool drop_user; /* as root: become uid, gid */
    uid_t uid;
    gid_t gid;
};

/*
 * Packets on `control`:
 *   gateway -> core  GATEWAY_READY when keys are read; GATEWAY_FAILED and the fault's text,
 *                    also after that, where TLS cannot be had
 *   core -> gateway  GATEWAY_BEGIN: the agent has started, serve it
 *   core -> gateway  GATEWAY_TOTALS; answered by GATEWAY_TOTALS and a struct gateway_totals
 * The closing of core's end ends the gateway; calls under way get their outcome first.
 */
#define GATEWAY_READY 'R'
#define GATEWAY_FAILED 'F'
#define GATEWAY_BEGIN 'B'
#define GATEWAY_TOTALS 'T'

/* For spawn_role; keep control, door, ledger, book, and with a scope home and the sealer's folder.
 */
int gateway_role(void *config);

/* core's side. */
MUST_USE bool gateway_role_wait_ready(int control, int timeout_ms, struct fault *fault);
/* Not before the agent has started: what it loads would take the processor from that. */
MUST_USE bool gateway_role_begin(int control, struct fault *fault);
MUST_USE bool gateway_role_totals(int control, int timeout_ms,
                                  struct gateway_totals *ret_totals, struct fault *fault);

#endif
