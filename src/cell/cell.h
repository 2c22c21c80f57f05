/*
 * cell/cell.h - the sealed place where one agent process tree runs.
 *
 *   core                         pid 1 of the cell                  view
 *   cell_start ────────────────▶ namespaces, root, /proc, FUSE
 *              ◀─ CELL_MOUNTED ─ {fuse, /proc, door socket}
 *   hands the descriptors on ──────────────────────────────────────▶ serves
 *   cell_view_ready ───────────▶ scratch, .git; seals itself
 *              ◀─ CELL_LISTENER  {calls that wait for an answer}: handed on to guard
 *              ◀─ CELL_SEALED ── canaries tried in a child sealed like the agent
 *   records; then cell_go ─────▶ forks the agent
 *              ◀─ CELL_STARTED ─
 *              ◀─ CELL_EXITED ── status, usage; pid 1 ends, so the kernel kills all
 *   cell_end                     reaps, removes control groups
 *
 * Core's end, however it comes, kills the cell. Nothing here is used in a process with
 * threads.
 */
#ifndef CUSTODY_CELL_CELL_H
#define CUSTODY_CELL_CELL_H

#include <stdint.h>
#include <sys/types.h>

#include "base/bytes.h"
#include "base/fault.h"
#include "cell/place.h"

#define CELL_HOME "/home/agent"             /* HOME of the agent: a tmpfs */
#define CELL_OBJECTS "/run/custody/objects" /* the shared object cache, read-only */
#define CELL_ENGINE "/opt/engine"           /* the engine's folder, read-only */
#define CELL_CUSTODY "/opt/custody/custody" /* this program, for custody-agent */
#define CELL_UID 1000                       /* uid and gid of the agent, inside */

enum cell_mount_kind {
    CELL_BIND,    /* source, with all below it, at target */
    CELL_SYMLINK, /* a link with the text `source` at target */
    CELL_TEXT,    /* a file with the text `source` at target */
    CELL_FOLDER,  /* an empty read-only folder at target */
};

/* One thing in the cell's root, made in the order given. All is nosuid, nodev. */
struct cell_mount {
    enum cell_mount_kind kind;
    const char *source;
    const char *target; /* absolute, no "..", not below the repository */
    bool writable;
    bool optional; /* a source that is not there is skipped */
};

struct cell_mounts {
    struct cell_mount *at; /* texts owned */
    size_t count, room;
};

/* Copies `mount`. */
void cell_mounts_add(struct cell_mounts *mounts, const struct cell_mount *mount);
/*
 * The host's toolchain: /usr read-only, /bin /lib* /sbin as the host has them, the parts of
 * /etc that programs need and that say nothing about the host's people; own passwd, group,
 * hosts, nsswitch.conf, profile. No resolv.conf, no /sys, no /var but an empty /var/tmp.
 */
void cell_mounts_default(struct cell_mounts *mounts);
/*
 * The same of a root file system in a folder, and what it has below /opt. Links in it lead to
 * nothing outside of it.
 */
void cell_mounts_of_root(struct cell_mounts *mounts, const char *root);
void cell_mounts_free(struct cell_mounts *mounts);

/* A folder of the host, writable, over the empty folder `path` that the view shows. */
struct cell_scratch {
    const char *path; /* below the repository, no "..", may have slashes */
    int fd;           /* borrowed. As root it must belong to plan->uid */
};

struct cell_file {
    const char *path; /* below HOME; folders on the way are made */
    struct slice content;
    mode_t mode;
};

/* What must fail inside; NULL: that row is not tried. What is named here must be tried. Paths
 * are below the repository. */
struct cell_canary_plan {
    const char *card_path;      /* a file the view must show redacted */
    const char *card_number;    /* the real number in it, which must not be readable */
    const char *denied_path;    /* must be ENOENT */
    const char *forbidden_path; /* creating or writing it must be EACCES or EPERM */
};

/* What a control group may bound. */
enum cell_limit {
    CELL_LIMIT_MEMORY,
    CELL_LIMIT_PIDS,
    CELL_LIMIT_CPU,
    CELL_LIMIT_IO,
    CELL_LIMIT_COUNT,
};

struct cell_plan {
    const char *run;         /* [A-Za-z0-9._-], at most 64 */
    struct cell_mode mode;   /* {0}: namespaces, with a view */
    const char *repository;  /* absolute path at which the view appears */
    bool view;               /* false: `plain` is bound there instead (tests, checks) */
    bool guard;              /* programs that are started are told of: CELL_LISTENER comes */
    const char *plain;       /* a folder of the host, writable; as root it belongs to uid */
    const char *const *argv; /* NULL-terminated; argv[0] is looked up in environment's PATH */
    const char *const
        *environment;     /* NULL-terminated, the whole of it; HOME is set by the cell */
    const char *home;     /* HOME; NULL: CELL_HOME. In the place `landlock` a folder of the
                             host, empty and the agent's */
    const char *tmp;      /* landlock: another one, for temporary files */
    const char *outside;  /* a folder of the host that must be out of reach, for a canary */
    const char *folder;   /* absolute working directory, in the cell; NULL: the repository */
    const char *hostname; /* NULL: "cell" */
    uid_t uid; /* as root: the per-run uid and gid outside; else (uid_t)-1, the caller's */
    gid_t gid;
    struct cell_mounts mounts;
    const struct cell_scratch *scratch;
    size_t scratch_count;
    int git_fd;     /* bound writable at REPOSITORY/.git; -1: none. As root belongs to uid */
    int lister_fd;  /* packets of the view's (cell/lister.h); -1: none */
    int opener_fd;  /* landlock: the guard asks over it (cell/opener.h); else -1 */
    int objects_fd; /* bound read-only at CELL_OBJECTS; -1: none */
    int engine_fd;  /* bound read-only at CELL_ENGINE; -1: none */
    const struct cell_file *files;
    size_t file_count;
    uint64_t tmp_bytes, home_bytes, shm_bytes; /* of the tmpfs; 0: 1 GiB, 1 GiB, 64 MiB */
    uint64_t memory_bytes;                     /* 0: no limit */
    unsigned pids;                             /* 0: 512 */
    unsigned cpu_percent;                      /* 100 is one processor; 0: no limit */
    uint64_t
        io_bytes; /* read and written, each, a second, of the disk below disk_fd; 0: no limit */
    int disk_fd;  /* needed with io_bytes */
    unsigned files_open; /* RLIMIT_NOFILE; 0: 4096 */
    uint64_t file_bytes; /* RLIMIT_FSIZE; 0: no limit */
    uint16_t door_port;  /* 127.0.0.1:port listens; 0: no door */
    int in, out,
        err;       /* pipes, terminals or /dev/null; -1: /dev/null. Other files are refused */
    /*
     * The agent has a controlling terminal: `in`; or, where that is -1, one of the cell's own
     * that is also its output, and whose other end comes with CELL_MOUNTED.
     */
    bool terminal;
    struct cell_canary_plan canary;
};

#define CELL_CANARIES_MAX 40

enum canary_outcome {
    CANARY_HELD,
    CANARY_BROKEN,    /* it got through: no run */
    CANARY_NOT_TRIED, /* the plan names nothing to try, or the kernel has no such thing */
    CANARY_MISSED,    /* there was something to try, and it was not tried: no run */
};

struct cell_canary {
    char id[32];   /* [a-z0-9-], a closed set: see canary.c */
    char seen[48]; /* the errno's name or a word, never content */
    enum canary_outcome outcome;
};

/* What holds this cell, for the record. */
struct cell_sealed {
    int landlock_abi;
    bool scope_signals, scope_sockets;
    bool privileged;              /* mounts by root, a uid of its own */
    bool limit[CELL_LIMIT_COUNT]; /* by a control group; else not, processes by an rlimit */
    char filter_digest[65];       /* cell_filter_digest */
    int64_t canaries_us;          /* that trying them took */
};

struct cell_exit {
    int status;                 /* exit code, or 128 + signal */
    int signal;                 /* 0: it exited */
    int64_t user_us, system_us; /* of all processes that were waited for */
    int64_t memory_bytes_max;   /* of the largest process */
};

enum cell_packet_type {
    CELL_MOUNTED,
    CELL_LISTENER,
    CELL_SEALED,
    CELL_STARTED,
    CELL_EXITED,
    CELL_FAILED, /* `fault` says why; the cell is ending */
    CELL_GONE,   /* pid 1 ended without a word (killed) */
};

struct cell_packet {
    enum cell_packet_type type;
    int fuse_fd, proc_fd, door_fd; /* CELL_MOUNTED: the caller's now; -1 where there is none */
    int terminal_fd;               /* the same: the terminal's other end; does not block */
    int listener_fd;               /* CELL_LISTENER: the caller's now, else -1 */
    struct cell_sealed sealed;     /* CELL_SEALED */
    struct cell_canary canaries[CELL_CANARIES_MAX];
    size_t canary_count;
    size_t canaries_broken; /* got through, or missed */
    struct cell_exit exit;  /* CELL_EXITED */
    struct fault fault;     /* CELL_FAILED */
};

struct cell;

/*
 * Starts the cell up to CELL_MOUNTED, which arrives as a packet. Everything that `plan` points
 * to is copied or used before pid 1 needs it (pid 1 is a fork): it may go after the return.
 * FAULT_INVALID: the plan is wrong. FAULT_HOST: namespaces or /dev/fuse are not to be had.
 */
MUST_USE bool cell_start(const struct cell_plan *plan, struct cell **ret_cell,
                         struct fault *fault);
/* Readable when a packet waits; for an epoll loop. Stays the cell's. */
int cell_socket(const struct cell *cell);
pid_t cell_pid(const struct cell *cell); /* of pid 1, as the host sees it; or the warden's */
/* Next packet; FAULT_LIMIT when none came within timeout_ms (-1: for ever). */
MUST_USE bool cell_receive(struct cell *cell, int timeout_ms, struct cell_packet *ret_packet,
                           struct fault *fault);
/* The view serves: pid 1 mounts over it, seals itself, tries the canaries, sends CELL_SEALED.
 */
MUST_USE bool cell_view_ready(struct cell *cell, struct fault *fault);
/* Refuses (FAULT_HOST) unless CELL_SEALED was received and every canary held that had to. */
MUST_USE bool cell_go(struct cell *cell, struct fault *fault);
/* How many of its processes the kernel has killed since resources.memory was used up. */
uint64_t cell_memory_kills(const struct cell *cell);
/* SIGKILL to pid 1: the kernel kills all; without namespaces the warden sees to it. Does not
 * wait. */
void cell_kill(struct cell *cell);
/*
 * Waits for the end of what was killed, as long as CELL_END_MS. Frozen processes are taken out
 * of what freezes them (v1, as root). False: something is left.
 */
#define CELL_END_MS 20000
bool cell_await_end(struct cell *cell);
/*
 * Kills what runs, waits, removes the control groups, frees. NULL is fine. FAULT_HOST: what
 * was killed does not end, see cell_await_end: a debugger of the host has it, or it is frozen
 * and out of our reach.
 */
MUST_USE bool cell_end(struct cell *cell, struct fault *fault);

/*
 * Of a run whose core is dead and whose keeper was killed, too: its control groups, and what
 * is frozen in them, go. False: some is still there. `run` as in the plan.
 */
bool cell_sweep(const char *run);

/* "memory", "pids", "cpu", "io" */
const char *cell_limit_name(enum cell_limit limit);
/* Where a control group with that limit can be made, for doctor; NULL: nowhere. The caller
 * frees. `ret_version` is 1 or 2. */
char *cell_limit_place(enum cell_limit limit, int *ret_version);

/* The uid and gid that the view must give every file (as FUSE on the host sees them). */
uid_t cell_view_uid(const struct cell_plan *plan);
gid_t cell_view_gid(const struct cell_plan *plan);
/* The mount of a run in the place `landlock` that was killed, with all that should have taken
 * it away. True also where there is none. */
MUST_USE bool cell_unmount(const char *repository, struct fault *fault);

/*
 * The names of the calls that the filter refuses with EPERM or ENOSYS by name, separated by
 * spaces, in lines of at most `line_max` bytes; what is in no table is refused as well. Caller
 * frees.
 */
char **cell_filter_refused(enum cell_place place, size_t line_max, size_t *ret_count);
/* SHA-256, hex, of the filter's table: which system calls are refused, and how. */
MUST_USE bool cell_filter_digest(enum cell_place place, char ret_hex[65], struct fault *fault);

#endif
