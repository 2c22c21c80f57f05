/*
 * cell/probe.h - what this host can enforce, found by trying it, and what that means for each
 * of custody's promises. For `custody doctor`.
 */
#ifndef CUSTODY_CELL_PROBE_H
#define CUSTODY_CELL_PROBE_H

#include <stdint.h>

#include "base/clock.h"
#include "base/fault.h"
#include "cell/cell.h"
#include "os/disk.h"

#define PROBE_TEXT_MAX 200
#define PROMISE_COUNT 12

/* Things tried, and how many of them came out as they must. Nothing tried proves nothing. */
struct probe_trial {
    size_t tried, held;
};

struct probe_host {
    char kernel[66], machine[66];
    bool root;
    int user_namespaces;     /* 0: an ordinary process here gets one; else the errno */
    int fuse_open;           /* 0, or the errno of opening /dev/fuse */
    int fuse_mount;          /* 0, or the errno of mounting it in a namespace of ours */
    int fuse_mode;           /* permissions of /dev/fuse; -1: it is not there */
    struct cell_host offers; /* the parts of a cell's places */
    char fusermount_why[PROBE_TEXT_MAX]; /* why fusermount3 has not mounted; "": it has, or was
                                            not tried */
    bool degraded_taken;   /* the organisation's policy says so; filled by doctor */
    uint64_t fuse_offered; /* flags of FUSE_INIT */
    bool fuse_passthrough; /* of them */
    bool fuse_io_uring;    /* so too, and a ring can be made: what the view goes by */
    int landlock_abi;
    bool seccomp_filter, seccomp_notification;
    int fanotify_permission; /* 0, or the errno */
    int overlayfs;           /* 0, or the errno of mounting one in a user namespace */
    bool pidfd, mount_setattr;
    int cgroup_version;                  /* of where memory is limited; 0: nowhere */
    bool limit[CELL_LIMIT_COUNT];        /* by a control group */
    int limit_version[CELL_LIMIT_COUNT]; /* of the kind of groups it would be; 0: none */
    int tiocsti;                         /* dev.tty.legacy_tiocsti, -1: no such setting */
    int yama;                            /* kernel.yama.ptrace_scope, -1: no such setting */
    int apparmor_userns; /* kernel.apparmor_restrict_unprivileged_userns, -1: not there */
    int userns_clone;    /* kernel.unprivileged_userns_clone, -1: no such setting */
    int64_t userns_max;  /* user.max_user_namespaces, -1: no such setting */
    char git[32];        /* version; "": none */
    char state[PROBE_TEXT_MAX]; /* the state folder, or the folder it would be made in */
    bool state_writable;
    enum disk_kind state_kind;
    const char *state_filesystem; /* its name */
    enum disk_level state_level;
    uint64_t state_free_bytes;
    bool cell;                     /* a cell was started, sealed and tried */
    char cell_why[PROBE_TEXT_MAX]; /* why not */
    size_t canaries_held, canaries_broken, canaries_not_tried;
    int64_t cell_us;          /* from start to sealed */
    int state_sync;           /* 0, or the errno of writing there and waiting for the disk */
    struct probe_trial roles; /* of ours without a network, asked for an internet socket */
    struct probe_trial policy, records, approval; /* filled by doctor, which has those parts */
    char approval_why[PROBE_TEXT_MAX];
};

/* `state`: the path of the state folder, which need not exist. */
void probe_host(const char *state, const struct clock *clock, struct probe_host *ret_host);

enum promise_status {
    PROMISE_ENFORCED,
    PROMISE_DEGRADED,
    PROMISE_MISSING,
};

struct promise {
    int id; /* DESIGN.md section 2: 1 to 12 */
    const char *name;
    enum promise_status status;
    char mechanism[PROBE_TEXT_MAX];
    char unprobed[PROBE_TEXT_MAX]; /* what the verdict takes on trust: not tried just now */
    char fix[PROBE_TEXT_MAX];      /* an exact command; "" where nothing is to be done */
};

/* Pure. */
void probe_promises(const struct probe_host *host, struct promise ret_promises[PROMISE_COUNT]);
const char *promise_status_name(enum promise_status status);

struct probe_place {
    struct cell_mode mode;
    bool works, degraded;
    char why[CELL_WHY_BYTES]; /* why not, with the remedy; "" where it works */
};
/* Pure; the strongest first. */
void probe_places(const struct probe_host *host,
                  struct probe_place ret_places[CELL_MODE_COUNT]);
/* Name of the place that a run would take, as policy has it; NULL: none. */
const char *probe_place_taken(const struct probe_host *host);
/* Name of the strongest place, where that is a degraded one; else NULL. */
const char *probe_place_degraded(const struct probe_host *host);
/* There is a place that policy takes: exit 0 or 4 of doctor. */
bool probe_enforceable(const struct probe_host *host);

#endif
