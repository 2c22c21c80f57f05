/*
 * roles/records/build_caches.h - the build caches of all repositories, in the state folder:
 *
 *   build/REPO/KEY/   lock   held by the run that has it; its time: when one last began
 *                     data/  what the agents keep: theirs, and nothing else here is
 *                     name   repository and role, a line each; for people
 *
 * REPO as in cache/. Not below cache/REPO, which is the repository owner's to change: here
 * root changes owners below `data`.
 */
#ifndef CUSTODY_ROLES_BUILD_CACHES_H
#define CUSTODY_ROLES_BUILD_CACHES_H

#include <stdio.h>

#include "base/fault.h"

#define BUILD_CACHES_FOLDER "build"
#define BUILD_CACHE_DATA "data"
#define BUILD_CACHE_UNUSED_DAYS 30

struct build_cache_name {
    const char *repository, *key; /* names of folders */
    const char *role, *root;      /* what people know them by */
};

/*
 * Opens one, making what is missing, and locks it.
 *   ret_folder, ret_lock  the caller's; -1 where it is taken
 */
MUST_USE bool build_cache_take(int home_fd, const struct build_cache_name *name,
                               int *ret_folder, int *ret_lock, bool *ret_is_taken,
                               struct fault *fault);

struct build_cache_seen {
    const char *repository, *role; /* as in `name` */
    int64_t used_us;
    bool is_held, is_removed;
};

/*
 * Removes those that no run has had for BUILD_CACHE_UNUSED_DAYS, or all that no run holds, and
 * tells each.
 */
MUST_USE bool build_caches_sweep(int home_fd, bool all, int64_t now_us,
                                 void (*tell)(void *self, const struct build_cache_seen *seen),
                                 void *self, struct fault *fault);

#endif
