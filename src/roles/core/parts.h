/*
 * roles/core/parts.h - a run under way: what core's files share. Private to roles/core/.
 *
 * The files follow the story: prepare (base, policy, snapshot), enforce (roles, cell,
 * canaries), work (the agent runs), gather (its writes become a change), records.
 */
#ifndef CUSTODY_ROLES_CORE_PARTS_H
#define CUSTODY_ROLES_CORE_PARTS_H

#include <signal.h>

#include "agent/engine.h"
#include "cell/cell.h"
#include "lineage/served.h"
#include "os/disk.h"
#include "os/spawn.h"
#include "roles/collect/collect.h"
#include "roles/core/core.h"
#include "roles/core/output.h"
#include "roles/gateway.h"
#include "roles/guard/guard.h"
#include "roles/observer/observer.h"
#include "roles/keys/sealer.h"
#include "roles/mcp/servers.h"
#include "roles/toolchain/toolchain.h"
#include "roles/view_role/view.h"

#define DOOR_PORT 9187
#define CORE_MCP_FILE ".custody/mcp.json" /* below HOME */
#define SURROGATE_KEY_BYTES 32
#define SCRATCH_MAX 32

/* A role that runs beside core, and our end of its control socket. */
struct peer {
    struct process process;
    int control;
};

/* A file system that the agent may fill. */
struct disk_watch {
    bool begun;
    enum disk_level level; /* when the agent was started */
    bool files_low;        /* then */
    uint64_t free, now;    /* bytes: then, and at the last look */
};

/* The cell's memory, where no control group bounds it. */
struct memory_watch {
    bool watched;
    uint64_t shared; /* of the host, when the agent was started */
    uint64_t begun;  /* who is older in the cell, in ticks, is ours, not the agent's */
    uint64_t used;   /* bytes, at the last look */
    unsigned sent;   /* looks in a row that found descriptors on their way in sockets */
};

/* ~/.cache of the cell, which outlives the run: build_cache.h. */
struct build_cache {
    char key[65];
    char *path; /* of `data`; NULL: there is none */
    int folder_fd, data_fd, lock;
    uint64_t bytes; /* when the run began */
};

/* Of a cell that shares the host's namespaces: real paths, owned; NULL else. shared.h */
struct run_shared {
    char *folder, *view, *home, *tmp;
    int home_fd, tmp_fd;
    int door[2];   /* the door's end, the guard's */
    int opener[2]; /* the guard's end, the warden's */
};

#define CORE_AGENT_FOLDER "agent" /* of a run's folder */

struct run {
    struct session *session;
    const struct run_request *request;
    struct run_result *result;
    struct ledger_client *ledger;
    struct store *store;

    char *folder; /* runs/RUN, absolute */
    int folder_fd;
    int agent_fd; /* below it: what the agent itself writes, and nobody else on the host enters */
    int signals; /* signalfd */
    sigset_t signals_before;
    int lock;  /* held while the run lives: tells `stop` and `gc` */
    uid_t uid; /* as root: whose the cell is outside; else our own */
    int uid_lock;
    uint8_t key[SURROGATE_KEY_BYTES]; /* the run's surrogates */
    struct sealer sealer;             /* of tickets and diffs; see seal.c */
    uint64_t random;                  /* for names that the agent cannot guess */
    int64_t begun_us, begun_wall_us;

    struct fault early;    /* of core_prepare_early */
    struct cell_host host; /* looked at meanwhile */
    struct collect *collect;
    struct collect_base base;
    struct policy_settings *narrowing; /* the repository's settings, or NULL */
    struct policy *policy;
    struct book_account accounts[BOOK_ACCOUNTS_MAX - 1]; /* that its calls count for */
    char *role_there;                                    /* role@repository, one of them */
    char *requester;
    const char *responsible; /* id of the responsible human */
    char agent[256];         /* role@repository#run */
    char cache[97];          /* cache/REPO */
    int cache_fd, snapshot_fd, content_fd;

    struct gateway_model *models;
    size_t model;     /* the run's */
    size_t *fallback; /* indices of models, policy's routing.fallback */
    size_t fallback_count;
    struct servers servers; /* policy's mcp */
    struct engine *engine;
    struct engine_installed installed;
    struct engine_launch launch;
    char *prompt, *title;
    struct buf ticket; /* its text, until run.started names it */
    char *own_program; /* where we lie ourselves; NULL: the engine does not need it */

    struct cell_mode mode; /* of the cell */
    struct run_shared shared;
    struct peer view, door, gateway, guard, observer, egress, dialer;
    int to_egress;      /* the door's end; -1: policy lists nothing */
    struct buf trusted; /* certificates for the cell, PEM, where it lists something */
    char transport[VIEW_TRANSPORT_BYTES]; /* of the view */
    bool observed; /* the kernel tells the observer of each file that is opened */
    int seen;      /* guard and view share it */
    int served;    /* view and door share it */
    uint8_t lines_key[LINES_KEY_BYTES];          /* of it */
    int lister[2];                               /* view to cell: what to list */
    int cell_proc;                               /* the cell's /proc */
    uint8_t command_key[COMMITMENT_KEY_BYTES];   /* of the run's commitments to arguments */
    uint8_t redaction_key[COMMITMENT_KEY_BYTES]; /* ... and to values that were replaced */
    uint8_t door_key[COMMITMENT_KEY_BYTES];      /* ... in requests */
    struct cell *cell;
    int upper_fd, git_fd, objects_fd, engine_fd;
    int plain_fd, identity_fd; /* without FUSE: the agent's files, and the list of them */
    int scratch_fds[SCRATCH_MAX];
    struct build_cache build_cache;
    struct toolchain toolchain;
    int agent_in, agent_out, agent_err; /* our ends of the pipes, or the terminal's master */
    struct view_ready ready;
    struct cell_exit exit;
    struct core_output output; /* what the agent printed */
    bool dirty_pending; /* collect has not said yet whether there are uncommitted changes */
    bool dirty_late;    /* it is asked when the agent has started: looking takes longer than a
                           start */
    bool started;       /* the agent was started */
    bool change_announced;  /* change.made, before it leaves the cell ... */
    uint64_t change_intent; /* ... and that record's number */
    bool timed_out;
    struct memory_watch memory;
    bool quota;            /* the kernel has one of the run's user */
    int64_t disk_count_us; /* when the folders are counted in any case; monotonic */
    struct disk_watch disk_of_run, disk_of_ledger; /* may be two file systems */
    int stop_signal;                               /* a person or a signal ended it */
};

/* No FUSE: the agent's files are in plain_fd, and the guard opens them. */
static inline bool run_is_injected(const struct run *run)
{
    return run->mode.files == CELL_INJECTED;
}
/* No namespaces: there are no mounts, so the agent's folders are where they are. */
static inline bool run_is_shared(const struct run *run)
{
    return run->mode.place == CELL_LANDLOCK;
}
/* Remembers the closed-set word that says why, for records and --json. Returns false. */
bool run_because(struct run *run, const char *reason);
/* The next signal that waits, or 0. */
int run_signal(struct run *run);
bool run_signal_ends(int number);    /* or is about the terminal */
uint64_t core_disk_used(int folder); /* bytes below it; UINT64_MAX: that cannot be said */
/*
 * The word for why the agent has filled too much of the host's disk, with what people are
 * told; or NULL. Called now and then.
 */
const char *core_disk_exceeded(struct run *run, struct fault *ret_why);
/* The same for memory; decides whether it has to be watched before the agent starts. */
void core_memory_begin(struct run *run, const struct cell_sealed *sealed);
const char *core_memory_exceeded(struct run *run, struct fault *ret_why);
/* Above half of it a look twice a second is too seldom. */
bool core_memory_is_near(const struct run *run);
/*
 * Bytes of files on `device` that have no name any more and that the cell's processes hold
 * open; UINT64_MAX where there are too many descriptors to say. `hidden_bytes`: what a process
 * of the agent's that cannot be looked into may hold at most. ret_sent (may be NULL): are some on their way in
 * a socket, where nobody can look at them?
 */
uint64_t core_held_bytes(const struct run *run, dev_t device, uint64_t hidden_bytes,
                         bool *ret_sent);
/* The kernel's quota for the run's own user, where there is one. */
void core_disk_begin(struct run *run);
void core_disk_end(struct run *run);
/* Did a signal ask for the end? */
bool run_is_stopped(struct run *run);
void run_say(const struct run *run, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* What needs no ledger: takes an id and a folder, and starts collect. Its fault is
 * core_prepare's to tell. */
void core_prepare_early(struct run *run);
MUST_USE bool core_prepare(struct run *run, struct fault *fault);
/* Which cell: what run->host gives, policy takes and the person asked for. */
MUST_USE bool core_choose_cell(struct run *run, struct fault *fault);
MUST_USE bool core_enforce(struct run *run, struct fault *fault);
MUST_USE bool core_work(struct run *run, struct fault *fault);
MUST_USE bool core_gather(struct run *run, struct fault *fault);

/* The run's row in the store, before its end. */
void core_put_begun(struct run *run);
/* Asks collect whether there are uncommitted changes; the answer is core_dirty_checked's. */
MUST_USE bool core_dirty_begin(struct run *run, struct fault *fault);
/* Waits for the answer where collect was asked. FAULT_DENIED names what is dirty. */
MUST_USE bool core_dirty_checked(struct run *run, struct fault *fault);
/* Sets run->accounts. FAULT_DENIED: a day's budget is spent. */
MUST_USE bool core_budget(struct run *run, struct fault *fault);
/* From the policy's models and tool servers to the gateway's; the door and the gateway share the
 * tables. */
MUST_USE bool core_models(struct run *run, struct fault *fault);
/*
 * Makes the run's erasure scope and seals the ticket. Not durable yet: the gateway sees to
 * that while it starts, and the agent is not started before.
 */
MUST_USE bool core_seal_ticket(struct run *run, struct record_seal *seal, struct fault *fault);
/* Core's copy of the scope's key goes, before roles and cells that parse hostile bytes are
 * forked from it. */
void core_seal_forget(struct run *run);
/* Derives the key of the run's commitments to programs' arguments. */
MUST_USE bool core_seal_commands(struct run *run, struct fault *fault);
/* Seals and records what the agent printed, if anything, and forgets it. */
MUST_USE bool core_seal_output(struct run *run, struct fault *fault);
/* Seals the patch between the base and `head`. */
MUST_USE bool core_seal_diff(struct run *run, const char *head, struct record_seal *seal,
                             struct fault *fault);
/* Engine, prompt and what they need in the cell; chooses a model that the engine can speak to.
 */
MUST_USE bool core_agent(struct run *run, struct fault *fault);

/* A record about this run: run, agent and on_behalf_of are set. */
void core_record_begin(const struct run *run, struct record *record, enum record_type type);
MUST_USE bool core_record_started(struct run *run, struct fault *fault);
/* Do both accounts say the same, and has the observer seen anything at all? */
bool core_accounts_agree(const struct observer_result *result);
/* How the kernel's account of reads and the view's agree; FILES of the view's. */
MUST_USE bool core_record_compared(struct run *run, const struct observer_result *result,
                                   const struct snapshot *snapshot, struct fault *fault);
/* policy.loaded, cell.enforced and the canaries; durable when it returns. */
MUST_USE bool core_record_enforced(struct run *run, const struct cell_packet *sealed,
                                   bool holds, struct fault *fault);
/* The first one announces the change; every later one says how that ended. */
MUST_USE bool core_record_change(struct run *run, const char *change,
                                 const struct collect_result *made, const char *outcome,
                                 struct fault *fault);
MUST_USE bool core_record_ended(struct run *run, const struct gateway_totals *totals,
                                struct fault *fault);

#endif
