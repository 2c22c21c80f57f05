/*
 * view/gitdir.h - the cell's .git: one commit of the redacted tree, nothing of the history.
 *
 * Clean blobs and the trees above only such are borrowed (alternates) from the snapshot's
 * objects folder; redacted blobs, the trees above them and the commit are one small pack.
 * Written without git.
 */
#ifndef CUSTODY_VIEW_GITDIR_H
#define CUSTODY_VIEW_GITDIR_H

#include "view/redacted.h"
#include "view/snapshot.h"

#define GITDIR_HEX_BYTES (2 * SNAPSHOT_OID_MAX + 1)

struct gitdir_settings {
    const char
        *branch; /* "main": of the base; a name that is not a plain branch name is refused */
    const char *user_name; /* the agent, for its own commits and for the one made here */
    const char *user_email;
    int64_t time_s;         /* of the commit */
    const char *message;    /* of the commit, with its newline */
    const char *alternates; /* where the cell sees the snapshot's objects folder; absolute */
    const char *const
        *exclude; /* paths below the root that git shall not call untracked (scratch) */
    size_t exclude_count;
    bool plain_files; /* not a view's: inode numbers and owners are the file system's own */
};

struct gitdir_result {
    char head[GITDIR_HEX_BYTES];
    char tree[GITDIR_HEX_BYTES];
};

/* Writes into `folder_fd`, which must be an empty folder. The same input gives the same
 * commit. */
MUST_USE bool gitdir_write(int folder_fd, const struct snapshot *snapshot,
                           const struct redacted *redacted,
                           const struct gitdir_settings *settings,
                           struct gitdir_result *ret_result, struct fault *fault);

#endif
