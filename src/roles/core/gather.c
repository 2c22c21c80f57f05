/* The cell is dead: what was written in it becomes a change on a branch of its own. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/hex.h"
#include "base/scope.h"
#include "os/clock_real.h"
#include "os/file.h"
#include "roles/core/parts.h"

#define COLLECT_MS 600000

struct gathering {
    struct run *run;
    struct snapshot *snapshot;
};

/* Base bytes under another name or mode: they never were in the cell as they are. */
static bool base_bytes(const struct gathering *gathering, uint32_t source, int *ret_fd,
                       struct fault *fault)
{
    const struct snapshot_node *node = snapshot_node(gathering->snapshot, source);
    AUTO_CLOSE int fd = memfd_create("base", MFD_CLOEXEC);

    if (fd < 0)
        return fault_errno(fault, "hold a base file");
    if (!file_copy_range(gathering->run->content_fd, node->content_at, fd, node->size, fault))
        return false;
    if (lseek(fd, 0, SEEK_SET) < 0)
        return fault_errno(fault, "hold a base file");
    *ret_fd = take_fd(&fd);
    return true;
}

static bool tell(void *self, struct view_told *told, struct fault *fault)
{
    struct gathering *gathering = self;
    AUTO_CLOSE int fd = take_fd(&told->fd);
    char oid[GITDIR_HEX_BYTES];
    struct collect_change change = {.path = slice_of(told->path),
                                    .deleted = told->kind == VIEW_DELETED,
                                    .mode = told->mode,
                                    .content = -1};

    switch (told->content) {
    case VIEW_CONTENT_NONE:
        break;
    case VIEW_CONTENT_BYTES:
        change.link = told->bytes;
        break;
    case VIEW_CONTENT_SOURCE:
        if (told->source >= snapshot_node_count(gathering->snapshot))
            return fault_set(fault, FAULT_INVALID, "the view names a file that there is not");
        scope_close(&fd);
        if (!base_bytes(gathering, told->source, &fd, fault))
            return fault_in(fault, "collect %.100s", told->path);
        change.content = fd;
        break;
    case VIEW_CONTENT_FD:
        if (told->source != SNAPSHOT_NONE &&
            told->source < snapshot_node_count(gathering->snapshot)) {
            hex_encode(slice_of_bytes(snapshot_node(gathering->snapshot, told->source)->oid,
                                      snapshot_oid_bytes(gathering->snapshot)),
                       oid);
            change.source = oid;
        }
        change.content = fd;
        break;
    }
    return collect_commit_file(gathering->run->collect, &change, fault);
}

static const char *responsible_email(const struct run *run)
{
    for (size_t i = 0; i < run->policy->people_count; i++)
        if (strcmp(run->policy->people[i].id, run->responsible) == 0)
            return run->policy->people[i].email;
    return NULL;
}

static bool keep_row(void *self, const struct collect_file *file, struct fault *fault)
{
    struct run *run = self;

    (void)fault;
    if (file->reason != NULL && file->line > 0)
        run_say(run, "blocked: %.*s:%llu: %s", SLICE_ARGS(file->path),
                (unsigned long long)file->line, file->reason);
    else if (file->reason != NULL)
        run_say(run, "blocked: %.*s: %s", SLICE_ARGS(file->path), file->reason);
    return true;
}

static const char *agent_reason(const struct run *run)
{
    if (run->timed_out)
        return "time-limit";
    if (run->stop_signal != 0)
        return "stopped";
    return run->result->agent_exit != 0 ? "agent-failed" : NULL;
}

/* The agent failed or was stopped: what it left may be looked at, and not approved. */
static void add_agent_reasons(const struct run *run, struct collect_result *made)
{
    const char *reason = agent_reason(run);

    if (reason == NULL || made->reason_count >= COLLECT_REASONS_MAX)
        return;
    made->blocked = true;
    (void)snprintf(made->reasons[made->reason_count++], sizeof(made->reasons[0]), "%s",
                   reason);
}

static bool put_change(struct run *run, const struct collect_result *made, struct fault *fault)
{
    AUTO_BUF struct buf reasons = buf_with_limit(1024);
    const char *root = collect_root(run->collect);

    for (size_t i = 0; i < made->reason_count; i++)
        if (!buf_add_format(&reasons, fault, "%s%s", i == 0 ? "" : " ", made->reasons[i]))
            return false;
    return store_put_change(
        run->store,
        &(struct store_change){
            .id = run->result->change,
            .run = run->result->run,
            .repository = root,
            .branch = made->branch,
            .into = run->base.branch,
            .state = change_state_name(made->blocked ? CHANGE_BLOCKED : CHANGE_READY),
            .base = run->base.commit,
            .head = made->commit,
            .tree = made->tree,
            .files = (int64_t)made->files,
            .lines = (int64_t)(made->added + made->removed),
            .reasons = buf_text(&reasons),
            .requester = run->requester,
            .policy = run->policy->digest,
            .zones = made->zones,
            .diff = made->diff,
            .landed = "",
            .needed = (int64_t)made->approvals,
            .made_us = clock_now_us(&clock_real)},
        fault);
}

static bool begin_commit(struct run *run, struct fault *fault)
{
    return collect_commit_begin(
        run->collect,
        &(struct collect_commit){.run = run->result->run,
                                 .base = run->base.commit,
                                 .role = run->request->role,
                                 .agent = run->agent,
                                 .responsible = run->responsible,
                                 .responsible_email = responsible_email(run),
                                 .policy_digest = run->policy->digest,
                                 .key = run->key,
                                 .time = clock_now_us(&clock_real) / 1000000,
                                 .title = run->title,
                                 .settings = buf_slice(&run->base.settings)},
        fault);
}

/* An observer that saw not even the canaries has watched something else. */
bool core_accounts_agree(const struct observer_result *result)
{
    return result->events > 0 && result->unrecorded == 0 && result->unseen == 0;
}

/* Both accounts must say the same; a read that only one has is a record that is missing. */
static bool compare_reads(struct run *run, const struct snapshot *snapshot,
                          const struct view_collected *collected, struct fault *fault)
{
    struct observer_result result;

    if (!run->observed)
        return true;
    if (!observer_compare(run->observer.control, collected->crossed, COLLECT_MS, &result,
                          fault) ||
        !core_record_compared(run, &result, snapshot, fault))
        return false;
    if (core_accounts_agree(&result))
        return true;
    (void)run_because(run, "record-missing");
    return fault_set(fault, FAULT_CONFLICT,
                     "the kernel told of %llu acts; %u files were read without a record, %u "
                     "recorded as read and never opened: nothing is kept",
                     (unsigned long long)result.events, result.unrecorded, result.unseen);
}

static bool make_change(struct run *run, struct collect_result *ret_made, bool *ret_empty,
                        struct fault *fault)
{
    struct gathering gathering = {.run = run};
    struct view_collected collected = {.crossed = -1};
    struct fault unsaid = {0};
    bool ok;

    if (run->observed && !observer_settle(run->observer.control, COLLECT_MS, fault))
        return false;
    if (!snapshot_open(run->snapshot_fd, &gathering.snapshot, fault))
        return false;
    ok = begin_commit(run, fault) &&
         view_collect(run->view.control, COLLECT_MS, tell, &gathering, &collected, fault) &&
         compare_reads(run, gathering.snapshot, &collected, fault);
    scope_close(&collected.crossed);
    snapshot_close(gathering.snapshot);
    if (!ok)
        return false;
    *ret_empty = collected.changes == 0;
    if (*ret_empty)
        return true;
    /* The change leaves the cell: first it is on record that it will. */
    store_id('c', clock_now_us(&clock_real), (const uint8_t *)&run->random + 4,
             run->result->change);
    if (!core_record_change(run, run->result->change, NULL, "intended", fault))
        return run_because(run, "ledger");
    if (!collect_commit_end(run->collect, keep_row, run, ret_made, fault)) {
        *ret_empty = fault->kind == FAULT_MISSING;
        if (*ret_empty)
            return core_record_change(run, run->result->change, NULL, "empty", fault);
        if (!core_record_change(run, run->result->change, NULL, fault_outcome(fault->kind),
                                &unsaid))
            run_say(run, "warning: %s", unsaid.why);
        return false;
    }
    add_agent_reasons(run, ret_made);
    return true;
}

bool core_gather(struct run *run, struct fault *fault)
{
    struct collect_result made = {0};
    bool empty = false;

    if (!make_change(run, &made, &empty, fault))
        return fault_in(fault, "collect the change") || run_because(run, "collect");
    if (empty) {
        run->result->change[0] = 0;
        if (agent_reason(run) != NULL)
            (void)run_because(run, agent_reason(run));
        return run_step(&run->result->state, RUN_EVENT_NO_CHANGE, fault) &&
               (run_because(run, "no-change"), true);
    }
    run->result->files = made.files;
    run->result->added = made.added;
    run->result->removed = made.removed;
    for (size_t i = 0; i < made.reason_count; i++)
        (void)run_because(run, made.reasons[i]);
    if (!core_record_change(run, run->result->change, &made, made.blocked ? "blocked" : "ok",
                            fault))
        return run_because(run, "ledger");
    if (!put_change(run, &made, fault))
        return fault_in(fault, "keep the change") || run_because(run, "store");
    return run_step(&run->result->state,
                    made.blocked ? RUN_EVENT_CHANGE_BLOCKED : RUN_EVENT_CHANGE_READY, fault);
}
