/*
 * view/changes.h - what the agent's work comes to, told when the cell is dead.
 */
#ifndef CUSTODY_VIEW_CHANGES_H
#define CUSTODY_VIEW_CHANGES_H

#include "view/serve.h"

enum view_change_kind {
    VIEW_ADDED,
    VIEW_MODIFIED, /* content or mode */
    VIEW_DELETED,
};

enum view_change_content {
    VIEW_CONTENT_NONE,   /* deleted */
    VIEW_CONTENT_SOURCE, /* exactly the bytes of base file `source`, originals and all */
    VIEW_CONTENT_FD,     /* regular file: read `fd` from offset 0 to its end */
    VIEW_CONTENT_BYTES,  /* target of a symbolic link */
};

struct view_change {
    enum view_change_kind kind;
    const char *path;
    uint32_t mode; /* 0100644, 0100755 or 0120000; 0 for deleted */
    enum view_change_content content;
    int fd;             /* borrowed, read-only; else -1 */
    struct slice bytes; /* borrowed */
    uint64_t size;
    const uint8_t *base_oid; /* blob at this path in the base, or NULL */
    /*
     * Base file whose surrogates may become originals again in this content, by node number:
     * the file that the node came from (through renames), else the base file of that path
     * (editors save by rename). SNAPSHOT_NONE: none may.
     */
    uint32_t source;
    const char *renamed_from; /* path of `source` where it is gone from there, else NULL */
};

/*
 * Calls `tell` for each changed path, in no special order, deletions included; stops where it
 * fails. What was only read, put back as it was, or lies below a mount point is not told; nor
 * are folders, sockets and pipes. Base files that are denied are never told of: they stay.
 */
MUST_USE bool view_changes(struct view *view,
                           bool (*tell)(void *self, const struct view_change *change,
                                        struct fault *fault),
                           void *self, struct fault *fault);

#endif
