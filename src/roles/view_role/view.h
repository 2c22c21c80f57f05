/*
 * roles/view_role/view.h - view: serves the repository to one agent, and records what it reads
 * and writes; without FUSE it writes the files out, and the guard records.
 *
 *   user       the user; as root: config->uid, keeping only CAP_SYS_PTRACE (for /proc/PID/exe)
 *   network    none            may read   snapshot, content, the cell's /proc
 *   may write  upper, the cell's .git (a child, before DISARMED)
 *   holds      the run's surrogate key and that of its receipts until READY, the pristine
 *              content
 *   talks to   core (control), ledger (one producer)
 *
 * core: spawn_role(view_role) ... READY -> MOUNTED (not without FUSE) -> [DISARM -> DISARMED]
 * -> ... -> COLLECT -> CHANGE* -> DONE
 */
#ifndef CUSTODY_ROLES_VIEW_H
#define CUSTODY_ROLES_VIEW_H

#include <sys/types.h>

#include "base/bytes.h"
#include "base/fault.h"
#include "view/changes.h"
#include "view/gitdir.h"

struct policy;

#define VIEW_KEY_BYTES 32
#define VIEW_TRANSPORT_BYTES 16

struct view_plant {
    const char *name;     /* in the root folder */
    struct slice content; /* raw: it goes through classifier and redaction like any file */
    bool deny;            /* must not be seen */
};

struct view_config {
    int snapshot_fd; /* folder of the snapshot */
    int content_fd;  /* the repository's content file, read-only */
    int upper_fd;    /* empty folder */
    int plain_fd;    /* -1: FUSE; else an empty folder, which becomes the agent's files */
    int identity_fd; /* with plain_fd: an empty file, for whoever judges opens */
    int git_fd;      /* empty folder: becomes the cell's .git */
    int ledger_fd;   /* producer socket; types file.read, file.written, file.refused,
                        file.redacted */
    int control_fd;  /* os/message.h */
    int lister_fd;   /* to the cell (cell/lister.h); -1: none */
    int served_fd;   /* for the door: which lines were shown (lineage/served.h); -1: no */
    int seen_fd;     /* the guard's: which programs were started (roles/guard/seen.h) */
    uid_t uid, gid;  /* reported owner of files; as root also who we become */
    bool drop_user;  /* root: become uid, gid */
    const struct policy *policy;
    const char *role; /* "coder": whose rules */
    const char *run, *agent,
        *on_behalf_of;           /* of the records; policy digest comes from `policy` */
    uint8_t key[VIEW_KEY_BYTES]; /* surrogate key of the run */
    uint8_t redaction_key[VIEW_KEY_BYTES]; /* commits to what is replaced */
    uint8_t lines_key[VIEW_KEY_BYTES];     /* of served_fd */
    struct gitdir_settings git;
    const char *const *mount_points; /* ".git" is added */
    size_t mount_point_count;
    const char *const *mount_links; /* where they lead, ".git" first; NULL: they are folders */
    const struct view_plant *plants;
    size_t plant_count;
    uint64_t upper_bytes_max;
    uint64_t records_max; /* of writes and refusals; who makes more floods the ledger: the view
                             ends */
};

/* For spawn_role; `config` is a struct view_config. Returns the exit code. */
int view_role(void *config);

/* ---- core's side ---- */

struct view_ready {
    uint64_t cpu_us;      /* what starting took of the processor */
    uint64_t plain_bytes; /* of the disk that the files take; 0 with FUSE */
    uint64_t classes;     /* CLASS_BIT of what is in files that it may read, redacted or not */
    uint64_t known;       /* values that the agent may read as they are ... */
    int known_fd;         /* ... for the door; -1: none; the caller's */
};

/* FAULT of the view where it could not start. */
MUST_USE bool view_await_ready(int control, int timeout_ms, struct view_ready *ret_ready,
                               struct fault *fault);
MUST_USE bool view_mounted(int control, int fuse_fd, int proc_fd, struct fault *fault);
/* What the view itself saw of the canaries, before anything else was there to ask for files.
 */
struct view_witness {
    uint64_t reads, reads_refused, writes_refused;
    char transport[VIEW_TRANSPORT_BYTES]; /* view_transport; "" without FUSE */
};
/* Takes the planted entries away and waits until they are gone, and the cell's .git is there. */
MUST_USE bool view_disarm_planted(int control, int timeout_ms,
                                  struct view_witness *ret_witness, struct fault *fault);

struct view_told {
    enum view_change_kind kind;
    uint32_t mode;
    enum view_change_content content;
    uint32_t source;
    uint64_t size;
    char path[SNAPSHOT_PATH_MAX + 1];
    char renamed_from[SNAPSHOT_PATH_MAX + 1]; /* "" where none */
    char base_oid[GITDIR_HEX_BYTES];          /* "" where none */
    struct slice bytes;                       /* link target; borrowed */
    int fd; /* content, the callee's to close by taking it (set to -1) */
};

struct view_collected {
    uint64_t changes, requests, reads_recorded, writes_recorded, refused;
    int crossed; /* view/crossed.h; the caller's */
};

/* After the cell is dead: all changes, one call each. */
MUST_USE bool
view_collect(int control, int timeout_ms,
             bool (*tell)(void *self, struct view_told *told, struct fault *fault), void *self,
             struct view_collected *ret_collected, struct fault *fault);

#endif
