/*
 * view/snapshot.h - the prepared image of one (base tree, policy, rules, role), mapped, never
 * parsed.
 *
 * A folder:
 *   nodes          header, node table, findings, redacted list, names (snapshot_format.h)
 *   index          git index, version 2, of all files that are there, with deterministic stat
 *                  fields
 *   objects/pack/  one git pack of the clean blobs and of the trees that hold nothing redacted
 *
 * Denied paths are not in it (hide_names), or are there as mode-0 files that git does not
 * know. Node 0 is the root; the children of a folder are a range, in git's tree order.
 */
#ifndef CUSTODY_VIEW_SNAPSHOT_H
#define CUSTODY_VIEW_SNAPSHOT_H

#include "base/bytes.h"
#include "base/fault.h"
#include "base/vocabulary.h"

#define SNAPSHOT_OID_MAX 32      /* SHA-1 uses 20 of them */
#define SNAPSHOT_NONE UINT32_MAX /* no such node */
#define SNAPSHOT_UID 1000        /* what the index says of owner and group: what a cell sees */
#define SNAPSHOT_PATH_MAX 4095
#define SNAPSHOT_NODES_MAX (16U << 20)
#define SNAPSHOT_ENTRY_FINDINGS_MAX (1U << 20)

/* Modes as git has them; a gitlink is shown as an empty folder. */
#define SNAPSHOT_MODE_FOLDER 0040000U
#define SNAPSHOT_MODE_FILE 0100644U
#define SNAPSHOT_MODE_PROGRAM 0100755U
#define SNAPSHOT_MODE_LINK 0120000U
#define SNAPSHOT_MODE_GITLINK 0160000U

enum snapshot_flag {
    SNAPSHOT_CHANGES_BELOW =
        2, /* a folder above something redacted: its tree differs per run */
    SNAPSHOT_OUTSIDE_GIT =
        4, /* denied but shown, or a folder of only such: not in index and trees */
};

struct snapshot_finding {
    uint32_t start, end; /* byte range in the original */
    uint16_t rule;       /* the classifier's number */
    uint8_t class;       /* enum data_class */
    uint8_t confidence;
    uint8_t form; /* how it is written; the classifier's number */
    uint8_t also; /* 1 << class of what else is in it */
    uint8_t unused[2];
};

/* As on disk, native byte order (the cache never leaves its machine). */
struct snapshot_node {
    uint64_t size;
    uint64_t content_at; /* offset in the repository's content file */
    uint32_t parent;
    uint32_t name_at;
    uint32_t child_at, child_count; /* folders */
    uint32_t finding_at, finding_count;
    uint32_t rule_at;
    uint32_t index_at; /* where `oid` stands in the index file (for a folder: in its TREE
                          part), or 0 */
    uint32_t mode;
    uint32_t class_mask;
    uint16_t name_len, rule_len;
    uint8_t verdict; /* enum verdict */
    uint8_t flags;   /* enum snapshot_flag */
    uint16_t unused;
    uint8_t oid[SNAPSHOT_OID_MAX]; /* blob, or tree (zero where SNAPSHOT_CHANGES_BELOW) */
};

struct snapshot;

/*
 * Maps and checks: every offset, range, name and the shape of the tree.
 * FAULT_MISSING: there is none; FAULT_INVALID: damaged, build it anew.
 */
MUST_USE bool snapshot_open(int folder_fd, struct snapshot **ret_snapshot,
                            struct fault *fault);
void snapshot_close(struct snapshot *snapshot); /* NULL is fine */

/* The same checks on bytes: what snapshot_open does after mapping. For tests and fuzzing. */
MUST_USE bool snapshot_check(struct slice nodes, size_t index_bytes, struct fault *fault);

/* How many nodes there are, for who needs no more: nothing but header and sizes is checked. */
MUST_USE bool snapshot_count_nodes(int folder_fd, uint32_t *ret_count, struct fault *fault);

uint32_t snapshot_node_count(const struct snapshot *snapshot);
const struct snapshot_node *snapshot_node(const struct snapshot *snapshot, uint32_t number);
struct slice snapshot_name(const struct snapshot *snapshot, uint32_t number);
struct slice snapshot_rule(const struct snapshot *snapshot,
                           uint32_t number); /* may be empty */
const struct snapshot_finding *snapshot_findings(const struct snapshot *snapshot,
                                                 uint32_t number);
/* Child of a folder by name, or SNAPSHOT_NONE. */
uint32_t snapshot_child(const struct snapshot *snapshot, uint32_t folder, struct slice name);
/* By path below the root ("" is the root), or SNAPSHOT_NONE. */
uint32_t snapshot_find(const struct snapshot *snapshot, struct slice path);
/* Appends the path below the root. */
MUST_USE bool snapshot_path(const struct snapshot *snapshot, uint32_t number,
                            struct buf *ret_path, struct fault *fault);
/* Appends a file's content, as it is, from the repository's content file. */
MUST_USE bool snapshot_content(int content_fd, const struct snapshot_node *node,
                               struct buf *ret_content, struct fault *fault);
/* Numbers of the files with verdict redact, ascending. */
const uint32_t *snapshot_redacted(const struct snapshot *snapshot, size_t *ret_count);
struct slice snapshot_index(const struct snapshot *snapshot); /* the template */
size_t snapshot_oid_bytes(const struct snapshot *snapshot);
int64_t snapshot_base_time(const struct snapshot *snapshot); /* seconds; mtime of every file */
bool snapshot_hides_names(const struct snapshot *snapshot);

static inline bool snapshot_is_folder(const struct snapshot_node *node)
{
    return node->mode == SNAPSHOT_MODE_FOLDER || node->mode == SNAPSHOT_MODE_GITLINK;
}

/* Has it an id of its own in each run? A redacted file, and the folders above it. */
static inline bool snapshot_is_fresh(const struct snapshot_node *node)
{
    return node->verdict == VERDICT_REDACT || (node->flags & SNAPSHOT_CHANGES_BELOW) != 0;
}

/* Is its content one that a read must be on disk for before the first byte is sent? */
static inline bool view_is_sensitive(unsigned class_mask, enum verdict verdict)
{
    return verdict != VERDICT_ALLOW ||
           (class_mask & (CLASS_BIT(CLASS_PHI) | CLASS_BIT(CLASS_PAN) |
                          CLASS_BIT(CLASS_SECRET) | CLASS_BIT(CLASS_PII))) != 0;
}

/* ---- building ---- */

struct snapshot_settings {
    size_t oid_bytes;    /* 20 or 32 */
    int64_t base_time_s; /* time of the base commit; clamped to what a git index can hold */
    bool hide_names;     /* denied paths are left out; else they show as mode-0 files */
};

struct snapshot_entry {
    struct slice path;
    uint32_t mode;      /* as `git ls-tree` has it */
    const uint8_t *oid; /* of the original blob (or of the gitlink's commit) */
    uint64_t size;
    uint64_t content_at; /* from content_find or content_add; unused for denied files and
                            gitlinks */
    unsigned class_mask;
    enum verdict verdict; /* path verdict and class verdicts, the stricter */
    struct slice rule;    /* why; may be empty */
    const struct snapshot_finding *findings; /* sorted, not overlapping */
    size_t finding_count;
};

struct snapshot_progress {
    void (*show)(void *self, uint64_t done, uint64_t total); /* files packed */
    void *self;
};

struct snapshot_builder;

MUST_USE bool snapshot_builder_new(const struct snapshot_settings *settings,
                                   struct snapshot_builder **ret_builder, struct fault *fault);
void snapshot_builder_free(struct snapshot_builder *builder); /* NULL is fine */
/*
 * Adds one file, link or gitlink. Everything is copied. The order is that of `git ls-tree -r`
 * (bytewise by path). FAULT_INVALID: out of order, a name that cannot be (empty, ".", "..",
 * ".git"), a mode that git does not have, findings outside of the file.
 */
MUST_USE bool snapshot_builder_add(struct snapshot_builder *builder,
                                   const struct snapshot_entry *entry, struct fault *fault);
/*
 * Writes the folder `key` below `parent_fd`: in a temporary folder, synced, then renamed.
 * Where another process has made the same key meanwhile, theirs stands and that is success.
 * Needs no git.
 *
 *   content_fd  the content file; clean blobs are read from it into the pack, their ids are
 *               checked
 *   progress    may be NULL
 *
 * FAULT_INVALID: a blob's bytes do not hash to its id.
 */
MUST_USE bool snapshot_builder_finish(struct snapshot_builder *builder, int parent_fd,
                                      const char *key, int content_fd,
                                      const struct snapshot_progress *progress,
                                      struct fault *fault);

#endif
