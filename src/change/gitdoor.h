/*
 * change/gitdoor.h - the clean door to a repository that nobody vouches for.
 *
 * git runs as a program, always with a git folder of ours: our own config, no hooks, no
 * attributes, HEAD written by us; only objects, refs and the index are theirs. So no
 * configuration, hook, filter, include, fsmonitor, external diff or helper of theirs is ever
 * read. The environment is ours as a whole; nothing of the caller's reaches git.
 *
 * A second git folder, the quarantine, has objects of its own (theirs by alternates) and refs
 * of its own. What custody makes is made there first and imported when it is known to be
 * right.
 *
 * Refused with words: no repository, a path that cannot be printed, a .git that is a symbolic link, a .git file that does not
 * lead to a work tree or submodule of that place, SHA-256 objects, reftable, partial clones,
 * objects borrowed from outside the repository.
 */
#ifndef CUSTODY_CHANGE_GITDOOR_H
#define CUSTODY_CHANGE_GITDOOR_H

#include "base/bytes.h"
#include "base/fault.h"

#define GIT_OID_BYTES 20
#define GIT_OID_TEXT 41 /* hexadecimal and a NUL */
#define GIT_REF_BYTES_MAX 255
#define GIT_PATH_BYTES_MAX 4096
#define GIT_POLICY_FILE "custody.yaml"
#define GIT_POLICY_BYTES_MAX (256 * 1024)

struct gitdoor;

/* Where a repository is; found without running git. All absolute, links resolved. */
struct gitdoor_place {
    char *work_tree; /* NULL: bare */
    char *git;       /* HEAD and index */
    char *common;    /* objects and refs; the same as `git` except in a linked work tree */
};

/* FAULT_MISSING: no such folder, or no repository. FAULT_INVALID: one of the refusals above.
 */
MUST_USE bool gitdoor_find(const char *repository, struct gitdoor_place *ret_place,
                           struct fault *fault);
void gitdoor_place_free(struct gitdoor_place *place);
/* The repository that an existing folder lies in, below its root; NULL: in none. The caller
 * frees. */
char *gitdoor_above(const char *folder);

/*
 *   scratch  an existing private folder of ours; `door` and `quarantine` are made in it
 */
MUST_USE bool gitdoor_open(const struct gitdoor_place *place, const char *scratch,
                           struct gitdoor **ret_door, struct fault *fault);
void gitdoor_close(struct gitdoor *door); /* removes what it made; NULL is fine */

struct gitdoor_base {
    char commit[GIT_OID_TEXT];
    char tree[GIT_OID_TEXT];
    char branch[GIT_REF_BYTES_MAX + 1]; /* short name; "" when there is none */
    int64_t commit_time;                /* seconds since 1970 */
    bool has_policy;                    /* custody.yaml is in that tree */
    struct buf policy;                  /* its content; the caller frees */
};

/*
 * One git process: commit, tree, time and custody.yaml of `ref` (NULL: HEAD).
 * FAULT_MISSING: no commit yet, no such ref. FAULT_INVALID: not the name of a ref.
 */
MUST_USE bool gitdoor_resolve(struct gitdoor *door, const char *ref,
                              struct gitdoor_base *ret_base, struct fault *fault);
/*
 * Do tracked files or the index differ from HEAD? A bare repository never does. Submodules are
 * not looked into: git would run in them, with their configuration. ret_paths  up to `limit`
 * paths, each ended by a NUL; may be NULL
 */
MUST_USE bool gitdoor_dirty(struct gitdoor *door, size_t limit, bool *ret_dirty,
                            struct buf *ret_paths, struct fault *fault);

struct gitdoor_entry {
    unsigned mode; /* 0100644 0100755 0120000 0160000 */
    uint8_t oid[GIT_OID_BYTES];
    uint64_t size;     /* 0 for a submodule */
    struct slice path; /* borrowed; any bytes but NUL */
};

/* Every file of a tree, in git's order. `entry` returning false ends the listing with its
 * fault. */
MUST_USE bool gitdoor_list(struct gitdoor *door, const char *tree,
                           bool (*entry)(void *self, const struct gitdoor_entry *entry,
                                         struct fault *fault),
                           void *self, struct fault *fault);
/*
 * Streams blobs in the order given. `part` gets each in one or more pieces (an empty blob: one
 * empty piece); the last has offset + piece.len == size. Every blob is hashed on the way:
 * FAULT_INVALID where the repository's bytes are not those of the id. FAULT_MISSING: not
 * there.
 */
MUST_USE bool
gitdoor_read(struct gitdoor *door, const uint8_t (*oids)[GIT_OID_BYTES], size_t count,
             bool (*part)(void *self, size_t index, uint64_t size, uint64_t offset,
                          struct slice piece, struct fault *fault),
             void *self, struct fault *fault);
/* One blob, whole, up to the limit of `ret_content`. */
MUST_USE bool gitdoor_read_one(struct gitdoor *door, const uint8_t oid[GIT_OID_BYTES],
                               struct buf *ret_content, struct fault *fault);
struct gitdoor_person {
    const char *name;
    const char *email;
};

struct gitdoor_commit {
    const char *parent; /* commit */
    const char *merged; /* second parent, or NULL */
    const char *tree; /* the whole tree by its id; NULL: parent's tree and the draft's files */
    struct gitdoor_person author, committer;
    int64_t time; /* seconds since 1970 */
    struct slice message;
};

/*
 * A commit in the making, in the quarantine; the repository is not touched. Paths must have
 * passed change_path_problem. Content is taken over at once; its order does not matter.
 */
struct gitdoor_draft;

MUST_USE bool gitdoor_draft_new(struct gitdoor *door, struct gitdoor_draft **ret_draft,
                                struct fault *fault);
void gitdoor_draft_free(struct gitdoor_draft *draft); /* NULL is fine */
MUST_USE bool gitdoor_draft_write(struct gitdoor_draft *draft, struct slice path,
                                  unsigned mode, struct slice content, struct fault *fault);
/* A blob that the repository has. */
MUST_USE bool gitdoor_draft_keep(struct gitdoor_draft *draft, struct slice path, unsigned mode,
                                 const char *blob, struct fault *fault);
MUST_USE bool gitdoor_draft_delete(struct gitdoor_draft *draft, struct slice path,
                                   struct fault *fault);
/* Once, at the end. */
MUST_USE bool gitdoor_draft_commit(struct gitdoor_draft *draft,
                                   const struct gitdoor_commit *commit,
                                   char ret_commit[GIT_OID_TEXT], char ret_tree[GIT_OID_TEXT],
                                   struct fault *fault);
/* Brings the objects of `commit` that `base` does not have into the repository, checked. */
MUST_USE bool gitdoor_import(struct gitdoor *door, const char *commit, const char *base,
                             struct fault *fault);
/*
 * Compare-and-swap of refs/heads/BRANCH. `from` NULL: it must not exist yet.
 * FAULT_CONFLICT: it is not `from` any more.
 */
MUST_USE bool gitdoor_move_branch(struct gitdoor *door, const char *branch, const char *from,
                                  const char *to, struct fault *fault);

struct gitdoor_numbers {
    size_t files;
    uint64_t added, removed; /* lines; a binary file counts as none */
};

/* One row per file. status: A M D T; binary: lines are not counted. */
struct gitdoor_change {
    char status;
    bool binary;
    uint64_t added, removed;
    struct slice path;
};

MUST_USE bool gitdoor_numbers(struct gitdoor *door, const char *from, const char *to,
                              bool (*change)(void *self, const struct gitdoor_change *change,
                                             struct fault *fault),
                              void *self, struct gitdoor_numbers *ret_numbers,
                              struct fault *fault);
/*
 * The patch between two commits: full ids, binary included, no renames, no drivers; written to
 * `out` (-1: nowhere). ret_digest: SHA-256 of its bytes, hexadecimal.
 */
MUST_USE bool gitdoor_diff(struct gitdoor *door, const char *from, const char *to, int out,
                           char ret_digest[65], struct fault *fault);

enum landing_kind { LANDING_FORWARD, LANDING_MERGE, LANDING_NOTHING /* is already in */ };

struct gitdoor_landing {
    enum landing_kind kind;
    char into[GIT_OID_TEXT]; /* the branch now */
    char merge_base[GIT_OID_TEXT];
    char tree[GIT_OID_TEXT]; /* what the branch would hold */
    bool checked_out;        /* in this repository's own work tree */
};

/*
 * What landing `head` in `branch` would give; nothing is changed.
 * FAULT_CONFLICT: it does not merge, or the branch is checked out in another work tree.
 * FAULT_MISSING: no such branch.
 */
MUST_USE bool gitdoor_landing(struct gitdoor *door, const char *branch, const char *head,
                              struct gitdoor_landing *ret_landing, struct fault *fault);
/*
 * Moves `branch` from `from` to `to` and, where it is checked out here, the clean work tree
 * and the index with it. FAULT_CONFLICT: the branch moved, or files are in the way; then
 * nothing has changed.
 */
MUST_USE bool gitdoor_land(struct gitdoor *door, const char *branch, const char *from,
                           const char *to, struct fault *fault);

/* A name that git takes as a branch and that is no option and no trick. */
MUST_USE bool gitdoor_check_branch(struct slice name, struct fault *fault);
MUST_USE bool gitdoor_check_oid(struct slice text, struct fault *fault);

#endif
