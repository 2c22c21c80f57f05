/*
 * view/serve.h - the repository as one agent sees it, served over /dev/fuse.
 *
 * Opens are answered ENOSYS once and never asked again ("no-open"): what is warm never comes
 * here. The verdict is given at LOOKUP, the content at READ: bytes that are never sent can
 * never be read. One thread, one mount, one agent.
 */
#ifndef CUSTODY_VIEW_SERVE_H
#define CUSTODY_VIEW_SERVE_H

#include <sys/types.h>

#include "base/clock.h"
#include "view/redacted.h"
#include "view/snapshot.h"

enum view_operation {
    VIEW_READ, /* first read of a node in this version */
    VIEW_CREATE,
    VIEW_MODIFY, /* first modification of a path */
    VIEW_RENAME,
    VIEW_DELETE,
    VIEW_LINK,
    VIEW_SYMLINK,
    VIEW_MKDIR,
    VIEW_RMDIR,
    VIEW_CHMOD,
    VIEW_OPEN, /* for reading, or to run it */
    VIEW_OPEN_TO_WRITE,
    VIEW_SYNC,    /* what was written was synced */
    VIEW_COLLECT, /* what a path has come to, when the run ends */
    VIEW_OPERATION_COUNT,
};

const char *view_operation_name(enum view_operation operation);

struct view_event {
    enum view_operation operation;
    bool refused;        /* it was tried and did not happen */
    const char *path;    /* below the root; any bytes but NUL */
    const char *path_to; /* of a rename or link, else NULL */
    uint32_t base;       /* node of the snapshot that the node came from, or SNAPSHOT_NONE */
    const uint8_t
        *oid; /* original blob that the node came from (snapshot_oid_bytes), or NULL */
    const uint8_t *oid_after; /* blob that is there now, or NULL: not known yet */
    uint64_t size;
    uint64_t first, end; /* of a read: the bytes of it; 0, 0: all of them */
    unsigned class_mask; /* 0: not classified (made by the agent) */
    enum verdict verdict;
    struct slice rule;
    pid_t pid;              /* as the cell sees it; 0 where the kernel does not say */
    const char *executable; /* path in the cell, or NULL where it cannot be told */
};

/* What the view needs of others. All paths are below the root. */
struct view_calls {
    void *self;
    /*
     * Before it takes effect. `durable`: returns only when it is on disk. False: it does not
     * happen (EIO).
     */
    bool (*record)(void *self, const struct view_event *event, bool durable,
                   struct fault *fault);
    /* May the name be there? allow or deny; ret_rule may be set, and lives as long as `self`.
     */
    enum verdict (*read_verdict)(void *self, const char *path, const char **ret_rule);
    /* in_new_folder: nothing of the base is in the path's folder. */
    bool (*write_allowed)(void *self, const char *path, bool in_new_folder,
                          const char **ret_rule);
};

/* Canary: something that is there until view_disarm. */
struct view_planted {
    const char *name;     /* in the root folder */
    struct slice content; /* what the agent may see (redacted by the caller) */
    unsigned class_mask;
    enum verdict verdict; /* deny: it is there and must not be seen */
};

struct view_settings {
    const struct snapshot *snapshot;
    const struct redacted *redacted;
    int content_fd;
    int upper_fd; /* an empty folder: content that the agent writes, one file a node */
    uid_t uid;    /* reported owner, in the terms of the mount's user namespace */
    gid_t gid;
    uint64_t upper_bytes_max; /* disk that written content may take; ENOSPC over it */
    const char *const
        *mount_points; /* shown as empty folders, never collected: ".git", scratch */
    size_t mount_point_count;
    /* Where nothing can be mounted: shown as symbolic links to these paths. NULL: folders. */
    const char *const *mount_links;
    const struct view_planted *planted;
    size_t planted_count;
    /* A packet socket to whoever lists folders of the mount (cell/lister.h): paths below the root.
     * Never waited for. -1: nobody does. */
    int lister_fd;
    /* FUSE over io_uring, where the kernel offers it: made in view_new, before calls are given up. */
    bool may_ring;
    /* Every open is asked for and recorded. Else opens never come here. */
    bool opens;
    const struct clock *clock;
    struct view_calls calls;
};

struct view;

/* Borrows everything in `settings` but the struct itself, until view_free. */
MUST_USE bool view_new(const struct view_settings *settings, struct view **ret_view,
                       struct fault *fault);
void view_free(struct view *view); /* NULL is fine */

/*
 * Takes a /dev/fuse descriptor that is mounted already. proc_fd: the cell's /proc (taken), or
 * -1: then no executable is told.
 */
MUST_USE bool view_attach(struct view *view, int fuse_fd, int proc_fd, struct fault *fault);
bool view_is_attached(const struct view *view); /* and the mount is not gone */
/* What answers by: "io_uring" or "dev-fuse"; known once something was asked. */
const char *view_transport(const struct view *view);
/*
 * Sleeps until the mount asks, `other_fd` (-1: none) can be read or has ended, or timeout_ms is
 * over (-1: never); answers what was asked. Where the mount is gone the view
 * is not attached any more.
 *   ret_asked  something was asked, or the mount is gone
 *   ret_other  it is other_fd's turn
 * A failure ends what the mount can be used for: view_detach.
 */
MUST_USE bool view_wait(struct view *view, int other_fd, int timeout_ms, bool *ret_asked,
                        bool *ret_other, struct fault *fault);
/* Ends the mount: every later access in the cell gets ENOTCONN. */
void view_detach(struct view *view);
/* Takes the planted entries away. Call when nothing in the cell waits for an answer. */
MUST_USE bool view_disarm(struct view *view, struct fault *fault);

struct view_counts {
    uint64_t opens_recorded;
    uint64_t requests, reads_recorded, writes_recorded, refused;
    uint64_t reads_refused; /* of `refused` */
};
struct view_counts view_counts(const struct view *view);

#endif
