/* roles/core/environment.h - what an agent finds in its environment, and its terminal. Private
 * to core. */
#ifndef CUSTODY_ROLES_CORE_ENVIRONMENT_H
#define CUSTODY_ROLES_CORE_ENVIRONMENT_H

#include "roles/core/parts.h"

struct core_environment {
    const char **at; /* NULL-terminated; texts owned */
    size_t count, room;
};

/* The whole of it: nothing of the caller's but what policy names. */
void core_environment_make(const struct run *run, struct core_environment *ret_environment);
void core_environment_free(struct core_environment *environment);

/* A terminal of its own for the agent, of our window's size. */
MUST_USE bool core_terminal_open(int *ret_master, int *ret_slave, struct fault *fault);
/* Ours passes every key on while the agent runs. */
void core_terminal_raw(bool raw);
/* Our window's size changed. */
void core_terminal_resize(int master);

#endif
