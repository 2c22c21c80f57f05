/*
 * view/tree.h - the files as the agent has them: the snapshot, and in memory what differs from
 * it.
 *
 * Node numbers are the snapshot's, then further ones; node 0 is the root. A node of the
 * snapshot that nobody changed takes no memory. Content that the agent writes is in memory, or
 * in `upper/N`, N the node, so names can change under open files. Functions that can fail
 * return 0 or an errno: what the kernel asks for.
 */
#ifndef CUSTODY_VIEW_TREE_H
#define CUSTODY_VIEW_TREE_H

#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/clock.h"
#include "view/redacted.h"
#include "view/snapshot.h"

/* that the agent may have at a time beyond the snapshot's */
#define TREE_NODES_MAX (2U << 20)
#define TREE_NONE SNAPSHOT_NONE
#define TREE_PATH_BYTES_MAX (64U << 10)

struct tree_settings {
    const struct snapshot *snapshot;
    const struct redacted *redacted;
    int content_fd, upper_fd; /* borrowed */
    uid_t uid;
    gid_t gid;
    uint64_t upper_bytes_max;
    const struct clock *clock;
};

struct tree;

MUST_USE bool tree_new(const struct tree_settings *settings, struct tree **ret_tree,
                       struct fault *fault);
void tree_free(struct tree *tree);

/* ---- looking ---- */

/* What a node is to the policy; it follows the node through renames and writes. */
struct tree_origin {
    uint32_t
        base; /* node of the snapshot that it came from, or TREE_NONE: made by the agent */
    const uint8_t *oid; /* blob of that, or NULL */
    struct slice rule;
    unsigned class_mask;
    enum verdict verdict;
    bool sensitive;
    bool planted;
    bool own_content; /* the agent has written it: not the base's bytes any more */
    bool mount_point;
};

bool tree_has(const struct tree *tree, uint32_t number); /* is there such a node? */
int tree_lookup(struct tree *tree, uint32_t folder, struct slice name, uint32_t *ret_number);
void tree_stat(const struct tree *tree, uint32_t number, struct stat *ret_stat);
struct tree_origin tree_origin(const struct tree *tree, uint32_t number);
/* Path below the root, NUL-terminated; of `name` in a folder where `name` is given. ESTALE: it
 * has none. */
int tree_path(const struct tree *tree, uint32_t number, struct buf *ret_path);
int tree_path_in(const struct tree *tree, uint32_t folder, struct slice name,
                 struct buf *ret_path);
/* The next name after `cookie` (0: from the start), or false. Cookies stay valid through
 * changes. */
bool tree_next(const struct tree *tree, uint32_t folder, uint64_t *cookie,
               struct slice *ret_name, uint32_t *ret_number);
uint32_t tree_parent(const struct tree *tree, uint32_t number);
/* How many names a folder has, hidden ones included; 0 of what is no folder. */
size_t tree_name_count(const struct tree *tree, uint32_t folder);
void tree_statvfs(const struct tree *tree, struct statvfs *ret_stat);
/*
 * Marks, in an array of tree_room numbers, what differs from the snapshot and the folders that
 * it is in, up to the root. A node of the snapshot without a mark is as it was, with all
 * below.
 */
uint32_t tree_room(const struct tree *tree);
void tree_mark_changed(const struct tree *tree, bool *marks);
/* The node as a folder of the snapshot in which nothing was added, renamed or removed. */
bool tree_is_snapshot_folder(const struct tree *tree, uint32_t folder);

/* ---- content ---- */

/* Up to `size` bytes at `at`: in `room`, or borrowed memory. Short only at the end. */
int tree_read(struct tree *tree, uint32_t number, uint64_t at, size_t size, uint8_t *room,
              struct slice *ret_bytes);
/* The same of a file of the snapshot, as the agent may see it, whatever has become of it
 * since. */
int tree_read_base(struct tree *tree, uint32_t base, uint64_t at, size_t size, uint8_t *room,
                   struct slice *ret_bytes);
/* `is_now`: the times become now; else somebody else keeps them. */
int tree_write(struct tree *tree, uint32_t number, uint64_t at, struct slice bytes,
               bool is_now);
int tree_truncate(struct tree *tree, uint32_t number, uint64_t size);
int tree_allocate(struct tree *tree, uint32_t number, int mode, uint64_t at, uint64_t len);
/* Target of a symbolic link, NUL-terminated. */
int tree_target(struct tree *tree, uint32_t number, struct buf *ret_target);
/* A file that holds what the agent wrote, read-only; the caller closes. ENOENT: it wrote none.
 */
int tree_open_own(struct tree *tree, uint32_t number, int *ret_fd);

/* ---- extended attributes (names as the kernel has them) ---- */

/* Borrowed until the next change. ENODATA: there is none. */
int tree_attribute_get(const struct tree *tree, uint32_t number, struct slice name,
                       struct slice *ret_value);
/* Names, each with a NUL behind it. */
int tree_attribute_list(const struct tree *tree, uint32_t number, struct buf *ret_names);
/* `flags`: XATTR_CREATE, XATTR_REPLACE. ENOSPC: more than a node, or all of them, may have. */
int tree_attribute_set(struct tree *tree, uint32_t number, struct slice name,
                       struct slice value, int flags);
/* Would it be done? 0, or the errno. */
int tree_attribute_may_set(const struct tree *tree, uint32_t number, struct slice name,
                           size_t len, int flags);
int tree_attribute_remove(struct tree *tree, uint32_t number, struct slice name);

/* ---- changing ---- */

/* A file, folder, pipe or socket, or with `target` a symbolic link. */
int tree_make(struct tree *tree, uint32_t folder, struct slice name, mode_t mode,
              const char *target, uint32_t *ret_number);
/* A file that has no name yet and may get one by tree_link. */
int tree_make_nameless(struct tree *tree, uint32_t folder, mode_t mode, uint32_t *ret_number);
int tree_remove(struct tree *tree, uint32_t folder, struct slice name, bool is_folder);
/* Would it be done? 0 and the node, or the errno. */
int tree_may_remove(struct tree *tree, uint32_t folder, struct slice name, bool is_folder,
                    uint32_t *ret_number);

struct tree_rename {
    uint32_t folder, to_folder;
    struct slice name, to_name;
    unsigned flags; /* RENAME_NOREPLACE, RENAME_EXCHANGE */
};
struct tree_renamed {
    uint32_t number;
    uint32_t there; /* what is replaced or exchanged, or TREE_NONE */
};
int tree_may_rename(struct tree *tree, const struct tree_rename *rename,
                    struct tree_renamed *ret_found);
int tree_rename(struct tree *tree, const struct tree_rename *rename);
int tree_link(struct tree *tree, uint32_t number, uint32_t folder, struct slice name);
int tree_set_mode(struct tree *tree, uint32_t number, mode_t mode);
/* NULL: left as it is, or `ctime` now. */
int tree_set_times(struct tree *tree, uint32_t number, const struct timespec *atime,
                   const struct timespec *mtime, const struct timespec *ctime);
struct timespec tree_now(const struct tree *tree);

/* ---- what the kernel holds ---- */

void tree_looked_up(struct tree *tree, uint32_t number);
/* A node without a name goes when nobody holds it. */
void tree_forget(struct tree *tree, uint32_t number, uint64_t count);
/* Marks of the caller's own, per node; they go with the node. */
unsigned tree_marks(const struct tree *tree, uint32_t number);
void tree_set_marks(struct tree *tree, uint32_t number, unsigned marks);
/* Of what was told as read only this range was: the caller's, as the marks are. */
void tree_set_part(struct tree *tree, uint32_t number, uint64_t first, uint64_t end);
bool tree_part_covers(const struct tree *tree, uint32_t number, uint64_t at, uint64_t size);
/* Counts one more, or says that there were `most`. */
bool tree_count_sync(struct tree *tree, uint32_t number, unsigned most);
/* The blob that was told of what the node holds now, under its present name, or NULL. */
const uint8_t *tree_blob_told(const struct tree *tree, uint32_t number);
/* NULL: none was, as after a change of its content. */
void tree_set_blob_told(struct tree *tree, uint32_t number, const uint8_t *oid);
/* Who was last seen to write it, or 0. */
pid_t tree_writer(const struct tree *tree, uint32_t number);
void tree_set_writer(struct tree *tree, uint32_t number, pid_t pid);

/* ---- what is not the repository's ---- */

/* A read-only file in the root folder; verdict deny: it is there and not shown. `content` is
 * borrowed. */
int tree_plant(struct tree *tree, struct slice name, struct slice content, unsigned class_mask,
               enum verdict verdict);
void tree_unplant(struct tree *tree);
/*
 * An empty folder at `path`, made with those above it where they are missing.
 *   link  NULL, or where a symbolic link leads that stands there instead
 */
int tree_mount_point(struct tree *tree, struct slice path, const char *link);

#endif
