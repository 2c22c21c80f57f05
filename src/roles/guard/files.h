/*
 * roles/guard/files.h - where the agent's files are ordinary ones (view/plain.h): what policy
 * says of opening them, and the records of it. The same events as a view's.
 *
 * Functions that judge return 0 or the errno that the process is to see; what they allow is on
 * record when they return. Files outside the repository, and below its scratch folders, are
 * none of their business.
 */
#ifndef CUSTODY_ROLES_GUARD_FILES_H
#define CUSTODY_ROLES_GUARD_FILES_H

#include <sys/stat.h>

#include "roles/guard/caller.h"
#include "view/serve.h"

struct policy;

struct files_config {
    int snapshot; /* folder of the snapshot; borrowed */
    int identity; /* of plain_write; borrowed */
    int ledger;   /* producer socket of file.*; taken */
    int seen;     /* borrowed */
    const struct policy *policy;
    const char *role;
    const char *run, *agent, *on_behalf_of;
    const char *repository;          /* where its files lie, in the cell */
    const char *const *mount_points; /* below it; not judged */
    size_t mount_point_count;
    const struct view_planted *planted; /* names and verdicts */
    size_t planted_count;
    uint64_t records_max; /* of writes and refusals, as the view's */
};

struct files;

/* Borrows `config`. The view has written the files. */
MUST_USE bool files_new(const struct files_config *config, int cell_proc,
                        struct files **ret_files, struct fault *fault);
void files_free(struct files *files); /* NULL is fine */
/* The planted entries are gone. */
void files_disarm(struct files *files);

/* An object that is about to be handed to `caller`; `fd` may be O_PATH. */
int files_read(struct files *files, struct caller *caller, int fd, const struct statx *stat);
int files_modify(struct files *files, struct caller *caller, int fd, const struct statx *stat);
/* It could not be opened: was it a denied file that is shown? */
void files_refused(struct files *files, struct caller *caller, int fd,
                   const struct statx *stat);
/* A file that is not there yet. */
int files_create(struct files *files, struct caller *caller, int folder, const char *name);
/* Nothing is at `path` (absolute, plain): was it a denied name that was looked for? */
void files_missing(struct files *files, struct caller *caller, const char *path);

struct view_counts files_counts(const struct files *files);
/* False: a record could not be made, or there are too many; `fault` says which. */
MUST_USE bool files_are_told(const struct files *files, struct fault *fault);

#endif
