/*
 * cell/cgroup.h - control groups, v1 and v2: where this process may make any, and what is
 * written into one.
 */
#ifndef CUSTODY_CELL_CGROUP_H
#define CUSTODY_CELL_CGROUP_H

#include <stdint.h>
#include <sys/types.h>

#include "base/bytes.h"

/*
 * Below which folder groups with `controller` can be made: "memory" ->
 * "/sys/fs/cgroup/memory". NULL when nowhere; the caller frees. `ret_version` is 1 or 2.
 */
char *cgroup_place(const char *controller, int *ret_version);
bool cgroup_put(const char *folder, const char *name, const char *value);
bool cgroup_has(const char *folder, const char *name);
/* The number behind `key` in a file of lines "key number"; 0 where there is none. */
uint64_t cgroup_count(const char *folder, const char *name, const char *key);
/*
 * Has what is in the group die that cannot by itself: kills (v2), and takes out of a frozen
 * group whom SIGKILL cannot reach there (v1). Needs rights on that other group, as root has.
 */
void cgroup_release(const char *folder);

#endif
