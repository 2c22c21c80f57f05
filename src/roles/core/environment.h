/* roles/core/environment.h - what an agent finds in its environment. Private to core. */
#ifndef CUSTODY_ROLES_CORE_ENVIRONMENT_H
#define CUSTODY_ROLES_CORE_ENVIRONMENT_H

#include "roles/core/parts.h"

struct core_environment {
    const char **at; /* NULL-terminated; texts owned */
    size_t count, room;
};

/* The whole of it: nothing of the caller's but what policy names. */
void core_environment_make(const struct run *run, struct core_environment *ret_environment);
/* A later value of the same name replaces an earlier one. Takes `pair`. */
void core_environment_put(struct core_environment *environment, char *pair);
void core_environment_free(struct core_environment *environment);

#endif
