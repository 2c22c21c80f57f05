/* roles/core/plain.h - a run without FUSE. Private to core. */
#ifndef CUSTODY_ROLES_CORE_PLAIN_H
#define CUSTODY_ROLES_CORE_PLAIN_H

#include "roles/core/parts.h"
#include "roles/guard/files.h"

/*
 * The folder that becomes the agent's files, and the list of them: run->plain_fd, identity_fd.
 */
MUST_USE bool core_plain_open(struct run *run, struct fault *fault);
/* What is planted, as the guard has to know it. */
void core_plain_planted(const struct run *run, const char *card, const char *denied,
                        struct view_planted ret_planted[2]);
/* Room for one more than the policy's scratch folders. */
void core_plain_mount_points(const struct run *run, const char **ret_points);

#endif
