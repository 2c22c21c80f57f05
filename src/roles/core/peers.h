/*
 * roles/core/peers.h - the roles beside core, each with the descriptors that it needs and no others. Private
 * to roles/core.
 */
#ifndef CUSTODY_ROLES_CORE_PEERS_H
#define CUSTODY_ROLES_CORE_PEERS_H

#include "roles/core/parts.h"

#define PEER_READY_MS 60000

/* What the canaries look for: planted in the view, gone before the agent starts. */
struct plants {
    char card[17]; /* a number that could be a card's, made up on the spot */
    char card_name[48];
    char denied_name[48];
    char card_text[96];
};

/* Whom the run's records name. */
struct gateway_identity core_identity(const struct run *run);
/* Each role that writes records gets a descriptor that can write only its own types. */
MUST_USE bool core_producer(struct run *run, const char *role, uint64_t types, int *ret_socket,
                            struct fault *fault);
/* The first of all: the run's keys are forgotten here, before others are forked. */
MUST_USE bool core_start_gateway(struct run *run, int *ret_to_gateway, struct fault *fault);
/* At the other end of `to_gateway`, which stays the caller's. */
MUST_USE bool core_start_door(struct run *run, int to_gateway, struct fault *fault);
MUST_USE bool core_start_view(struct run *run, const struct plants *plants,
                              struct fault *fault);
MUST_USE bool core_start_guard(struct run *run, const struct plants *plants,
                               struct fault *fault);
/* Beside the others: it needs what the cell has mounted only when that is there (core_observe). */
MUST_USE bool core_start_observer(struct run *run, struct fault *fault);
/* From the host's side of the cell: its mounts are made, and nothing of the agent's runs yet. */
MUST_USE bool core_observe(struct run *run, struct fault *fault);

#endif
