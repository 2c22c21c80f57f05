/* change/git.h - how this part runs git. Private to src/change. */
#ifndef CUSTODY_CHANGE_GIT_H
#define CUSTODY_CHANGE_GIT_H

#include "change/gitdoor.h"
#include "os/spawn.h"

#define GIT_PROGRAM "/usr/bin/git"
#define GIT_ANSWER_BYTES_MAX (64UL * 1024 * 1024)

enum git_folder {
    GIT_DOOR,       /* objects, refs and index are theirs */
    GIT_QUARANTINE, /* objects and refs of our own, theirs behind them */
};

struct gitdoor {
    struct gitdoor_place place;
    char *scratch;
    char *folder[2]; /* by enum git_folder */
    bool made[2]; /* the quarantine is made when first needed: a run that changes nothing has
                     none */
    char *index;  /* their index */
    char head[GIT_REF_BYTES_MAX + 1]; /* branch of HEAD, "" when detached */
    bool shallow;
};

/* Makes it, unless that is done. */
MUST_USE bool git_folder_ready(struct gitdoor *door, enum git_folder which,
                               struct fault *fault);

struct git_call {
    enum git_folder folder;
    bool work_tree;           /* in their work tree and with their index */
    bool patient;             /* others that want the processor come first */
    const char *const *words; /* from the verb on; NULL-terminated */
};

/* Runs to the end; ret_status is git's exit code, and with one that is not 0 `fault` has its
 * words. */
MUST_USE bool git_run(struct gitdoor *door, const struct git_call *call, struct slice input,
                      struct buf *ret_output, int *ret_status, struct fault *fault);
/* The same; any exit code but 0 is a fault. */
MUST_USE bool git_must(struct gitdoor *door, const struct git_call *call, struct slice input,
                       struct buf *ret_output, struct fault *fault);
/*
 * Runs with `in` (-1: nothing) as standard input and hands standard output to `take` as it
 * comes. Any exit code but 0 is a fault.
 */
MUST_USE bool git_stream(struct gitdoor *door, const struct git_call *call, int in,
                         bool (*take)(void *self, struct slice bytes, struct fault *fault),
                         void *self, struct fault *fault);
/* Runs from file to file; `in` is read from its current position. */
MUST_USE bool git_files(struct gitdoor *door, const struct git_call *call, int in, int out,
                        struct fault *fault);
/* A nameless file in the scratch folder, for what may be too large for memory. */
MUST_USE bool git_scratch_file(const struct gitdoor *door, int *ret_fd, struct fault *fault);
/* `text`, 40 digits and maybe a newline behind it. */
MUST_USE bool git_oid_line(struct slice text, char ret_oid[GIT_OID_TEXT], struct fault *fault);

#endif
