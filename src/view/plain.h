/*
 * view/plain.h - the files as the agent may see them, as ordinary files in a folder: for hosts
 * without FUSE. What is denied is not in it and what is sensitive is redacted, so nothing that
 * the agent does in it leads to an original.
 *
 * Every file's identity (inode, birth, change time) is kept: that is how a file is known
 * later, under whatever name, and whether anybody touched it.
 */
#ifndef CUSTODY_VIEW_PLAIN_H
#define CUSTODY_VIEW_PLAIN_H

#include <sys/stat.h>

#include "view/serve.h"

/*
 * Writes all that `view` shows into `folder_fd`, which is empty and nobody else's yet: scratch
 * folders, ".git" and canaries too. Owned by the caller's user, modes as the umask lets them
 * be.
 *
 *   identity_fd  an empty file; for plain_open
 *   ret_bytes    what it takes of the disk, about
 */
MUST_USE bool plain_write(struct view *view, int folder_fd, int identity_fd,
                          uint64_t *ret_bytes, struct fault *fault);
/* Takes the planted entries away again. */
MUST_USE bool plain_disarm(struct view *view, int folder_fd, struct fault *fault);
/*
 * The cell is dead: the view becomes what is in the folder now, for view_changes. Files that
 * were written are moved out of the folder.
 * FAULT_LIMIT: more files, or longer paths, than a view has.
 */
MUST_USE bool plain_read(struct view *view, int folder_fd, int identity_fd,
                         struct fault *fault);

/* ---- who is who ---- */

struct plain;

/* FAULT_INVALID: not the identities of this snapshot's files. */
MUST_USE bool plain_open(int identity_fd, const struct snapshot *snapshot,
                         struct plain **ret_plain, struct fault *fault);
void plain_close(struct plain *plain); /* NULL is fine */

#define PLAIN_STATX (STATX_BASIC_STATS | STATX_BTIME)

/*
 * The snapshot's node that a file was written from, or SNAPSHOT_NONE.
 *   stat      with PLAIN_STATX, of a file on any file system
 *   ret_same  nothing has changed it since: neither content, mode nor name
 */
uint32_t plain_find(const struct plain *plain, const struct statx *stat, bool *ret_same);

#endif
