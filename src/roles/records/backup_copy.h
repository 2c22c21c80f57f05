/*
 * roles/records/backup_copy.h - files out of a state folder into a backup, each with a line in
 * its manifest; and out of a backup again, each compared with its line.
 */
#ifndef CUSTODY_ROLES_BACKUP_COPY_H
#define CUSTODY_ROLES_BACKUP_COPY_H

#include <sys/types.h>

#include "ledger/manifest.h"

struct backup_copy {
    int from, to;
    int lines_fd; /* manifest.new, while it is written */
    struct buf lines;
    uint64_t files, bytes;
};

/* Begins to write a backup into `to`. backup_copy_free frees either kind. */
MUST_USE bool backup_copy_begin(struct backup_copy *copy, int from, int to,
                                struct fault *fault);
/* All is on disk, and then the manifest gets its name: a backup without one was cut off. */
MUST_USE bool backup_copy_finish(struct backup_copy *copy, struct fault *fault);
void backup_copy_free(struct backup_copy *copy);

/* `path` below both folders; those above it are made, 0700. */
MUST_USE bool backup_copy_bytes(struct backup_copy *copy, const char *path, struct slice bytes,
                                mode_t mode, struct fault *fault);
/* What is not there is left out. */
MUST_USE bool backup_copy_file(struct backup_copy *copy, const char *path, mode_t mode,
                               struct fault *fault);
/* A file that was made in the backup's folder itself. */
MUST_USE bool backup_copy_made(struct backup_copy *copy, const char *path,
                               struct fault *fault);
/* Every plain file below, but `left_out` (paths, ends with NULL; may be NULL). */
MUST_USE bool backup_copy_folder(struct backup_copy *copy, const char *path, mode_t mode,
                                 const char *const *left_out, struct fault *fault);
/*
 * A ledger's tree as its checkpoint says, and what lies beside it for whoever verifies it. A
 * bundle that is not there is left out: it is in an archive, or the copy will not verify.
 */
MUST_USE bool backup_copy_shard(struct backup_copy *copy, const char *name,
                                struct fault *fault);

/*
 * The other way, one line of the manifest: FAULT_INVALID: the file has another digest. Of
 * files that are not plain, or behind a link, nothing is read.
 */
MUST_USE bool backup_copy_back(struct backup_copy *copy, const struct manifest_line *line,
                               mode_t mode, struct fault *fault);

#endif
