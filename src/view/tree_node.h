/* view/tree_node.h - what tree.c, tree_change.c and tree_content.c share. */
#ifndef CUSTODY_VIEW_TREE_NODE_H
#define CUSTODY_VIEW_TREE_NODE_H

#include "view/folder.h"
#include "view/tree.h"

#define TREE_OPEN_FILES 128 /* descriptors of upper/N kept open */
#define TREE_DENIED_MODE 0100000U

enum node_content {
    CONTENT_BASE,   /* the snapshot's */
    CONTENT_UPPER,  /* upper/N */
    CONTENT_SMALL,  /* `small`, to be written */
    CONTENT_MEMORY, /* `memory`, read-only */
    CONTENT_NONE,   /* folders, pipes, sockets, links made by the agent */
};

struct node_name {
    uint32_t folder;
    char *name;
};

/* A node that differs from the snapshot's, or is not in it. */
struct node {
    uint32_t base; /* TREE_NONE: not from the snapshot */
    mode_t mode;
    uint32_t nlink; /* of files: names; 0: only the kernel holds it. Folders: 1, or 0 when
                       removed */
    struct node_name *names; /* [0] is the one it is told by; empty for the root */
    size_t name_count, name_room;
    uint64_t size, blocks; /* blocks of 512 bytes on disk */
    struct timespec atime, mtime, ctime;
    enum node_content content;
    struct slice memory;
    uint8_t *small;
    size_t small_room;
    char *target;
    struct folder *folder;             /* NULL: the snapshot's children, unchanged */
    struct node_attribute *attributes; /* of tree_attribute.c */
    size_t attribute_count, attribute_room;
    unsigned class_mask;
    enum verdict verdict;
    uint8_t *blob_told;
    unsigned sync_count;
    bool planted, mount_point;
    bool is_nameless; /* its last name was taken away; the kernel may still hold it */
    bool is_unnamed;  /* nameless, since it never had one */
};

struct slot {
    struct node *node; /* NULL: as in the snapshot */
    uint32_t lookups;
    uint32_t marks;
    pid_t writer;
    uint32_t part_first, part_end; /* in blocks of 4 KiB: told as read */
    bool had_own_content;          /* a file of the snapshot that was written, and is gone */
};

struct tree {
    struct tree_settings settings;
    uint32_t base_count; /* nodes of the snapshot */
    struct slot *slots;
    size_t slot_room;
    uint32_t used;  /* numbers given out, the snapshot's included */
    uint32_t *free; /* numbers to give out again */
    size_t free_count, free_room;
    uint64_t live;            /* nodes beyond the snapshot's */
    uint64_t blocks;          /* of all that the agent wrote */
    uint64_t small_bytes;     /* memory of small files */
    uint64_t attribute_bytes; /* of all nodes' extended attributes */
    uint64_t nameless_blocks; /* those of them that are removed and not forgotten yet */
    struct {
        uint32_t number;
        int fd;
    } open[TREE_OPEN_FILES];
};

struct node *tree_touched(const struct tree *tree,
                          uint32_t number); /* NULL: as in the snapshot */
struct node *tree_touch(struct tree *tree, uint32_t number);
/* Number of a fresh, nameless node. */
int tree_add_node(struct tree *tree, mode_t mode, uint32_t *ret_number);
void tree_add_name(struct tree *tree, uint32_t number, uint32_t folder, struct slice name);
void tree_drop_name(struct tree *tree, uint32_t number, uint32_t folder, struct slice name);
/* Frees a node that has neither a name nor a holder. */
void tree_release(struct tree *tree, uint32_t number);
/* The folder's own list of names, made from the snapshot's when it is first needed. */
struct folder *tree_expand(struct tree *tree, uint32_t folder);
bool tree_is_folder(const struct tree *tree, uint32_t number);
void tree_free_attributes(struct tree *tree, struct node *node);
void tree_close_upper(struct tree *tree, uint32_t number);
/* Did the agent write its content? */
static inline bool node_is_own(const struct node *node)
{
    return node->content == CONTENT_UPPER || node->content == CONTENT_SMALL;
}

/* Links of the agent's own count, too: their targets are in memory. */
static inline bool node_is_counted(const struct node *node)
{
    return node_is_own(node) || node->target != NULL;
}

/* May `bytes` more be written? */
bool tree_has_room(const struct tree *tree, uint64_t bytes);
/* Counts what a file that the agent wrote takes, in blocks of 512 bytes. */
void tree_set_blocks(struct tree *tree, struct node *node, uint64_t blocks);
bool tree_small_fits(const struct tree *tree, const struct node *node, uint64_t size);
void tree_small_resize(struct tree *tree, struct node *node, size_t size);
void tree_small_free(struct tree *tree, struct node *node);

#endif
