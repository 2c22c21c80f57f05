/*
 * roles/collect/collect.h - the process that touches the person's repository.
 *
 *   user       the owner of the repository (as root), else the caller's
 *   network    none
 *   may read   the repository, git and its libraries, the cache of that repository
 *   may write  the same repository's git folder (import, refs), its work tree when landing,
 *              the cache, a scratch folder
 *   holds      the run's surrogate key while it makes a commit
 *   talks to   core, over one packet socket
 *
 * This is core's end: each function is one request; faults come back as they were there. The
 * organisation's policy is the parent's memory at the fork; the repository's is parsed here.
 */
#ifndef CUSTODY_ROLES_COLLECT_H
#define CUSTODY_ROLES_COLLECT_H

#include <sys/types.h>

#include "base/bytes.h"
#include "base/fault.h"
#include "base/vocabulary.h"
#include "change/gitdoor.h"
#include "policy/policy.h"

#define COLLECT_FILES_MAX 20000                        /* changed files of one run */
#define COLLECT_FILE_BYTES_MAX (64UL * 1024 * 1024)    /* of one changed file */
#define COLLECT_CHANGE_BYTES_MAX (256UL * 1024 * 1024) /* of all of them */
#define COLLECT_REASONS_MAX 16

struct collect;

struct collect_config {
    const char *repository; /* as the person named it */
    const char *scratch; /* folder to make a private one in; its owner must get there by name.
                          * NULL: /tmp */
    const char *cache;   /* cache/REPO/ of the state folder; NULL: no snapshots here */
    const struct policy_settings *organisation; /* NULL: no snapshots, commits and looks */
    bool lands;                                 /* may write the work tree */
    bool resolves;                              /* `base` at once, unasked: collect_resolved */
    const char *base;
};

/*
 * Forks the role, which seals itself and finds the repository (without git) while the caller
 * goes on. Nothing but collect_await, collect_kill and collect_stop may follow.
 */
MUST_USE bool collect_spawn(const struct collect_config *config, struct collect **ret_collect,
                            struct fault *fault);
/* Waits until that is done. */
MUST_USE bool collect_await(struct collect *collect, struct fault *fault);
/* Both. */
MUST_USE bool collect_start(const struct collect_config *config, struct collect **ret_collect,
                            struct fault *fault);
void collect_stop(struct collect *collect); /* NULL is fine */
/* Ends the role at once: the request under way fails. */
void collect_kill(struct collect *collect);
/* The work tree's root (a bare repository: its git folder), absolute, links resolved. */
const char *collect_root(const struct collect *collect);
/* Who owns it, for the cell's uid mapping and for messages. */
uid_t collect_owner(const struct collect *collect);
/*
 * cache/REPO: a name for this repository below the state folder's cache, from its real path.
 * [a-z0-9-], at most 96 bytes.
 */
MUST_USE bool collect_cache_name(const char *repository, char ret_name[97],
                                 struct fault *fault);

struct collect_base {
    char commit[GIT_OID_TEXT];
    char tree[GIT_OID_TEXT];
    char branch[GIT_REF_BYTES_MAX + 1];
    int64_t commit_time;
    bool has_policy;
    struct buf settings; /* policy_settings_encode of custody.yaml; the caller frees */
};

/* `ref` NULL: HEAD. A broken custody.yaml is a FAULT_INVALID "custody.yaml:3:1: ...". */
MUST_USE bool collect_resolve(struct collect *collect, const char *ref,
                              struct collect_base *ret_base, struct fault *fault);
/* The same, of what the configuration says: once, as the first that is asked for. */
MUST_USE bool collect_resolved(struct collect *collect, struct collect_base *ret_base,
                               struct fault *fault);
/*
 * In two halves, so that core can do other things while git looks at every file.
 * Between them no other request may be made. ret_paths: up to 20, each ended by a NUL.
 */
MUST_USE bool collect_dirty_begin(struct collect *collect, struct fault *fault);
/* Readable once the answer is there. */
int collect_socket(const struct collect *collect);
MUST_USE bool collect_dirty_end(struct collect *collect, bool *ret_dirty,
                                struct buf *ret_paths, struct fault *fault);

struct collect_snapshot {
    const char *commit;
    const char *role;
    const char
        *key; /* name of the snapshot below cache/REPO/snapshots, see collect_snapshot_key */
};

/* KEY of a snapshot: tree, policy digest, classify digest and role. */
void collect_snapshot_key(const char *tree, const char *policy_digest, const char *role,
                          char ret_key[65]);
/*
 * Makes the snapshot where it is missing: lists the tree, reads and scans blobs that are not
 * in the cache, combines the path's verdict with those of the classes in it. `progress` (may
 * be NULL) is called every 100 ms at most. FAULT_INVALID: a rule marked must_match matched
 * nothing. Without `cache` in the configuration: FAULT_INVALID. The policy is that of the last
 * resolve.
 */
MUST_USE bool collect_snapshot(struct collect *collect, const struct collect_snapshot *request,
                               void (*progress)(void *self, size_t done, size_t total),
                               void *self, struct fault *fault);

struct collect_change {
    struct slice path;
    bool deleted;
    unsigned mode;     /* 0100644 0100755 0120000 */
    int content;       /* descriptor to read from 0, or -1 with `link` or deleted */
    struct slice link; /* target of a symbolic link */
    const char
        *source; /* blob id (hex) of the base file whose surrogates it may hold, or NULL */
};

struct collect_commit {
    const char *run;
    const char *base; /* commit */
    const char *role;
    const char *agent;       /* role@repository#run */
    const char *responsible; /* id; trailer On-behalf-of */
    const char *responsible_email;
    const char *policy_digest;
    const uint8_t *key;    /* 32 bytes: the run's surrogates */
    int64_t time;          /* seconds */
    const char *title;     /* first line of the message; NULL: "Change by AGENT" */
    struct slice settings; /* the repository's, encoded, as resolve gave them; may be empty */
};

/*
 * Words of reasons[]: those of change_path_problem and "write-denied" "read-denied"
 * "link-leaves-tree" "file-too-large" "surrogate-moved" "surrogate-unsure" "too-many-files"
 * "too-many-lines". A file whose name or link could hurt is left out of the commit; the other
 * reasons leave it in, to be looked at.
 */

/* One row of the change's file list. */
struct collect_file {
    struct slice path;
    char status; /* A M D T; '-': left out */
    bool binary;
    uint64_t added, removed;
    const char *reason; /* why it blocks, or NULL */
    uint64_t line;      /* where, from 1; 0: all of it */
};

struct collect_result {
    char commit[GIT_OID_TEXT];
    char tree[GIT_OID_TEXT];
    char branch[64]; /* custody/RUN */
    char diff[65];   /* SHA-256 of the patch */
    size_t files;
    uint64_t added, removed;
    size_t restored; /* surrogates that became their originals again */
    bool blocked;
    char reasons[COLLECT_REASONS_MAX][32]; /* words, sorted, each once */
    size_t reason_count;
    char zones[256];  /* words: the policy zones of changed paths */
    size_t approvals; /* how many the policy asks for, with those zones */
};

/*
 * begin, file..., end. Content is read at `file`; nothing is kept open. The snapshot that the
 * run used must be in the cache. end makes the commit, imports it as branch custody/RUN (which
 * must not exist) and gives the rows to `file`. FAULT_MISSING at the end: nothing differs from
 * the base (an empty change).
 */
MUST_USE bool collect_commit_begin(struct collect *collect,
                                   const struct collect_commit *commit, struct fault *fault);
MUST_USE bool collect_commit_file(struct collect *collect, const struct collect_change *change,
                                  struct fault *fault);
MUST_USE bool collect_commit_end(struct collect *collect,
                                 bool (*file)(void *self, const struct collect_file *file,
                                              struct fault *fault),
                                 void *self, struct collect_result *ret_result,
                                 struct fault *fault);

/* The patch to `out` (-1: only its digest). */
MUST_USE bool collect_diff(struct collect *collect, const char *from, const char *to, int out,
                           char ret_digest[65], struct fault *fault);
/* The rows of a change, as they were at the end of the commit. */
MUST_USE bool collect_files(struct collect *collect, const char *from, const char *to,
                            bool (*file)(void *self, const struct collect_file *file,
                                         struct fault *fault),
                            void *self, struct fault *fault);

/* What landing would give; nothing changes. See gitdoor_landing. */
MUST_USE bool collect_landing(struct collect *collect, const char *branch, const char *head,
                              struct gitdoor_landing *ret_landing, struct fault *fault);

struct collect_land {
    const char *branch;
    const char *head;
    const char *tree;    /* the approved one: what would land must be exactly this */
    const char *into;    /* where the branch stood when `tree` was computed */
    const char *message; /* of a merge commit */
    int64_t time;
};

/* FAULT_CONFLICT: the branch moved, or another tree would land; nothing has changed. */
MUST_USE bool collect_land(struct collect *collect, const struct collect_land *land,
                           char ret_commit[GIT_OID_TEXT], struct fault *fault);

/* What a model would see of one file of `commit`: through policy and redaction. */
struct collect_look {
    enum verdict verdict;
    unsigned class_mask;
    size_t findings;
    char rule[128];
    struct buf content; /* redacted where it must be; the caller frees */
};

MUST_USE bool collect_look(struct collect *collect, const char *commit, const char *role,
                           const char *path, const uint8_t key[32],
                           struct collect_look *ret_look, struct fault *fault);

#endif
