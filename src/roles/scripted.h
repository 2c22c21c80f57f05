/*
 * roles/scripted.h - the scripted model served on loopback: an upstream for tests and the
 * demo.
 *
 *   user       who started it        network    listens on 127.0.0.1
 *   may read   nothing               may write  its log descriptor
 *   holds      nothing               talks to   whoever connects
 */
#ifndef CUSTODY_ROLES_SCRIPTED_H
#define CUSTODY_ROLES_SCRIPTED_H

#include "agent/script.h"

struct scripted {
    struct script *script;
    int listener; /* of scripted_listen */
    int log;      /* one JSON object a request is written here; -1: none */
};

/* Listens on 127.0.0.1:`port` (0: any). */
MUST_USE bool scripted_listen(uint16_t port, int *ret_listener, uint16_t *ret_port,
                              struct fault *fault);
/* Serves until SIGTERM or SIGINT. */
MUST_USE bool scripted_serve(const struct scripted *scripted, struct fault *fault);
/* The same as a child process, for spawn_role: `self` is a struct scripted; returns an exit
 * code. */
int scripted_role(void *self);

#endif
