/* roles/core/shared.h - the folders of a cell that shares the host's namespaces. */
#ifndef CUSTODY_ROLES_CORE_SHARED_H
#define CUSTODY_ROLES_CORE_SHARED_H

#include "roles/core/parts.h"

#define SHARED_OWN_MAX 7

/* Makes view, home and tmp below the run's folder, and the way from guard to door. */
MUST_USE bool core_shared_open(struct run *run, struct fault *fault);
void core_shared_close(struct run *run);
/* The path that the kernel tells of an open folder of ours. The caller frees. */
MUST_USE bool core_real_path(int fd, char **ret_path, struct fault *fault);
/* Where scratch folder `number` lies. The caller frees. */
char *core_shared_scratch(const struct run *run, size_t number);
/* Real paths of what the agent may change; NULL-terminated; the caller frees each. */
void core_shared_own(const struct run *run, char *ret_own[SHARED_OWN_MAX]);
/* What stands in the view instead of mounts: .git, then each scratch folder. Freed likewise. */
void core_shared_links(const struct run *run, char *ret_links[SCRATCH_MAX + 1]);

#endif
