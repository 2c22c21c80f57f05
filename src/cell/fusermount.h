/*
 * cell/fusermount.h - mounting FUSE as an ordinary user, by the set-user-id program of fuse3.
 *
 * The caller must be able to gain rights by it: no_new_privs is not set.
 */
#ifndef CUSTODY_CELL_FUSERMOUNT_H
#define CUSTODY_CELL_FUSERMOUNT_H

#include "base/fault.h"

/*
 * Mounts at `folder`, which is the caller's and empty. Only processes of the caller's own user
 * and group reach the mount.
 *   ret_fuse  the connection; close-on-exec
 * FAULT_HOST says what the program said.
 */
MUST_USE bool fusermount_mount(const char *folder, int *ret_fuse, struct fault *fault);
/* Takes a mount of custody's away, whoever still looks into it. True also where there is none.
 */
MUST_USE bool fusermount_unmount(const char *folder, struct fault *fault);

#endif
