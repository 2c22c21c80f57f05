/*
 * roles/core/core.h - one contained run, from a request to a change: the story that joins the
 * parts.
 */
#ifndef CUSTODY_ROLES_CORE_H
#define CUSTODY_ROLES_CORE_H

#include "cell/place.h"
#include "flow/flow.h"
#include "roles/session.h"
#include "roles/core/stream.h"
#include "wire/terminal.h"

#define RUN_REASONS_MAX 20
#define RUN_REASON_BYTES 40

struct run_request {
    const char *repository; /* as the person named it */
    const char *base;       /* a ref, or NULL: HEAD */
    const char *role;       /* "coder" */
    const char *requester;  /* id of a person, or NULL */
    const char *engine; /* name, or NULL: the role's of the policy, when there is a ticket */
    const char *ticket; /* path of a file, or NULL */
    const char *const *program; /* NULL-terminated, or NULL: an engine */
    const char *const
        *write; /* patterns: what this run may write, below policy; count 0: all */
    size_t write_count;
    const struct cell_mode *cell; /* that a person chose, or NULL: the strongest */
    bool ignore_dirty;
    bool terminal; /* -it: our terminal is the agent's */
    int agent_out; /* where the agent's standard output goes: 1, or 2 with --json */
    void (*say)(void *self, const char *line); /* what happens, for people */
    void (*progress)(void *self, const char *what, size_t done, size_t total); /* long work */
    void *self;
};

struct run_result {
    char run[STORE_ID_BYTES];
    char change[STORE_ID_BYTES]; /* "" when there is none */
    enum run_state state;
    const char *cell; /* where it ran: "namespaces/fuse"; NULL: it came to none */
    bool degraded;
    char reasons[RUN_REASONS_MAX][RUN_REASON_BYTES];
    size_t reason_count;
    int agent_exit; /* -1: it never started */
    int exit_code;  /* of `custody run`, DESIGN.md section 6 */
    size_t files;
    uint64_t added, removed;
    int64_t start_us;    /* from the request to the agent's start */
    int64_t canaries_us; /* of that: trying the canaries */
    int64_t ended_us;    /* clock_monotonic_us when the agent had ended; 0: it never started */
    bool cold;           /* the snapshot had to be made */
    struct terminal_dropped dropped; /* what the agent printed and no terminal was given */
    char terminal_undo[CORE_UNDO_BYTES]; /* see core_stream_told; "" where it took it */
};

/*
 * Runs to the end, whatever the end is; everything is torn down on return. ret_result is set
 * in every case. False: `fault` says what went wrong, for people; the exit code is in
 * ret_result.
 */
MUST_USE bool core_run(struct session *session, const struct run_request *request,
                       struct run_result *ret_result, struct fault *fault);

#endif
