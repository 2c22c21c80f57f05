/* The records that core itself writes: a run's beginning, its enforcement, its change, its
 * end. */
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "base/scope.h"
#include "os/clock_real.h"
#include "roles/core/parts.h"

#define REFUSED_LINE_BYTES 500 /* of a record's text */

bool run_because(struct run *run, const char *reason)
{
    struct run_result *result = run->result;

    for (size_t i = 0; i < result->reason_count; i++)
        if (strcmp(result->reasons[i], reason) == 0)
            return false;
    if (result->reason_count < RUN_REASONS_MAX)
        (void)snprintf(result->reasons[result->reason_count++], RUN_REASON_BYTES, "%s",
                       reason);
    return false;
}

void core_record_begin(const struct run *run, struct record *record, enum record_type type)
{
    record_begin(record, type);
    record_word(record, RECORD_RUN, run->result->run);
    if (run->agent[0] != 0)
        record_word(record, RECORD_AGENT, run->agent);
    record_word(record, RECORD_ON_BEHALF_OF, run->responsible);
}

/* What the run may write is narrower than its policy says: the digest alone would not tell. */
static bool record_plan(struct run *run, struct fault *fault)
{
    bool ok = true;

    for (size_t i = 0; ok && i < run->policy->plan_write_count; i++) {
        struct record record;

        core_record_begin(run, &record, RECORD_CELL_ENFORCED);
        record_word(&record, RECORD_MECHANISM, "plan.write");
        record_word(&record, RECORD_RULE, run->policy->plan_write[i]);
        record_word(&record, RECORD_OUTCOME, "ok");
        ok = ledger_record(run->ledger, &record, NULL, fault);
    }
    return ok;
}

bool core_record_started(struct run *run, struct fault *fault)
{
    AUTO_BUF struct buf repository = buf_with_limit(3 * PATH_MAX);
    struct record_seal ticket = {0};
    struct record record;

    if (!record_printable(slice_of(collect_root(run->collect)), &repository, fault))
        return fault_in(fault, "write the repository's path") || run_because(run, "repository");
    if (!core_seal_ticket(run, &ticket, fault))
        return fault_in(fault, "seal the ticket") || run_because(run, "state-folder");
    core_record_begin(run, &record, RECORD_RUN_STARTED);
    record_sealed(&record, &ticket);
    record_word(&record, RECORD_PERSON, run->requester);
    record_word(&record, RECORD_REPOSITORY, buf_text(&repository));
    record_word(&record, RECORD_BASE, run->base.commit);
    record_word(&record, RECORD_TREE, run->base.tree);
    record_word(&record, RECORD_POLICY, run->policy->digest);
    record_word(&record, RECORD_ENGINE, run->engine == NULL ? NULL : run->engine->name);
    if (!ledger_record(run->ledger, &record, NULL, fault))
        return fault_in(fault, "record the start") || run_because(run, "ledger");
    core_record_begin(run, &record, RECORD_POLICY_LOADED);
    record_word(&record, RECORD_POLICY, run->policy->digest);
    return (ledger_record(run->ledger, &record, NULL, fault) && record_plan(run, fault)) ||
           fault_in(fault, "record the policy") || run_because(run, "ledger");
}

static bool record_canary(struct run *run, const struct cell_canary *canary,
                          struct fault *fault)
{
    static const char *const outcomes[] = {[CANARY_HELD] = "held",
                                           [CANARY_BROKEN] = "broken",
                                           [CANARY_NOT_TRIED] = "not-tried",
                                           [CANARY_MISSED] = "missed"};
    struct record record;

    core_record_begin(run, &record, RECORD_CANARY);
    record_word(&record, RECORD_RULE, canary->id);
    record_word(&record, RECORD_OUTCOME, outcomes[canary->outcome]);
    return ledger_record(run->ledger, &record, NULL, fault);
}

/* What the filter refuses without telling anybody, by name. */
static bool record_refused_calls(struct run *run, struct fault *fault)
{
    size_t count = 0;
    char **lines = cell_filter_refused(run->mode.place, REFUSED_LINE_BYTES, &count);
    bool ok = true;

    for (size_t i = 0; i < count; i++) {
        struct record record;

        core_record_begin(run, &record, RECORD_CELL_ENFORCED);
        record_word(&record, RECORD_MECHANISM, "seccomp");
        record_word(&record, RECORD_RULE, lines[i]);
        record_word(&record, RECORD_OUTCOME, "ok");
        ok = ok && ledger_record(run->ledger, &record, NULL, fault);
        free(lines[i]);
    }
    free(lines);
    return ok;
}

/* What a degraded cell does not keep: said in every such run's record. */
static bool record_not_kept(struct run *run, struct fault *fault)
{
    const struct {
        bool is_here;
        const char *mechanism, *rule;
    } rows[] = {
        {run_is_injected(run), "injected",
         "not recorded: chmod link mkdir mknod readlink rename rmdir symlink truncate unlink"},
        {run_is_shared(run), "shared-host",
         "not hidden: names sizes and times of files, process numbers, host name"},
    };
    bool ok = true;

    for (size_t i = 0; ok && i < COUNT(rows); i++) {
        struct record record;

        if (!rows[i].is_here)
            continue;
        core_record_begin(run, &record, RECORD_CELL_ENFORCED);
        record_word(&record, RECORD_MECHANISM, rows[i].mechanism);
        record_word(&record, RECORD_RULE, rows[i].rule);
        record_word(&record, RECORD_OUTCOME, "ok");
        ok = ledger_record(run->ledger, &record, NULL, fault);
    }
    return ok;
}

static bool record_toolchain(struct run *run, struct fault *fault)
{
    static const char *const mechanisms[] = {
        [TOOLCHAIN_ROOT] = "toolchain-root", [TOOLCHAIN_IMAGE] = "toolchain-image"};
    struct record record;

    if (run->toolchain.kind == TOOLCHAIN_HOST)
        return true;
    core_record_begin(run, &record, RECORD_CELL_ENFORCED);
    record_word(&record, RECORD_MECHANISM, mechanisms[run->toolchain.kind]);
    record_word(&record, RECORD_DIGEST, run->toolchain.digest);
    record_word(&record, RECORD_OUTCOME, "ok");
    return ledger_record(run->ledger, &record, NULL, fault);
}

/* What comes out of it counts as data of the classes that the agent could read. */
static bool record_build_cache(struct run *run, struct fault *fault)
{
    struct record record;

    core_record_begin(run, &record, RECORD_CELL_ENFORCED);
    record_word(&record, RECORD_MECHANISM, "build-cache");
    record_word(&record, RECORD_DIGEST, run->build_cache.key);
    record_word(&record, RECORD_CLASS,
                class_name(class_of_mask((unsigned)run->ready.classes)));
    record_number(&record, RECORD_COUNT, (int64_t)run->build_cache.bytes);
    record_word(&record, RECORD_OUTCOME, "ok");
    return run->build_cache.path == NULL || ledger_record(run->ledger, &record, NULL, fault);
}

/* Explicit, and on record: an agent is shown values that its model is not. */
static bool record_known(struct run *run, struct fault *fault)
{
    struct record record;

    core_record_begin(run, &record, RECORD_CELL_ENFORCED);
    record_word(&record, RECORD_MECHANISM, "door known-values");
    record_number(&record, RECORD_COUNT, (int64_t)run->ready.known);
    record_word(&record, RECORD_OUTCOME, "ok");
    return run->ready.known == 0 || ledger_record(run->ledger, &record, NULL, fault);
}

/* Limits that nothing keeps, or that are only watched. Without a group processes have an rlimit.
 */
static bool record_unlimited(struct run *run, const struct cell_sealed *sealed,
                             struct fault *fault)
{
    const struct policy_resources *wanted = &run->policy->resources;
    const bool asked[CELL_LIMIT_COUNT] = {[CELL_LIMIT_MEMORY] = wanted->memory_bytes != 0,
                                          [CELL_LIMIT_CPU] = wanted->cpu_percent != 0,
                                          [CELL_LIMIT_IO] = wanted->io_bytes != 0};
    bool ok = true;

    for (unsigned i = 0; i < CELL_LIMIT_COUNT; i++) {
        AUTO_FREE char *rule =
            xformat("resources.%s: %s", cell_limit_name((enum cell_limit)i),
                    i == CELL_LIMIT_MEMORY ? "watched, no control group" : "not limited");
        struct record record;

        if (!asked[i] || sealed->limit[i])
            continue;
        core_record_begin(run, &record, RECORD_CELL_ENFORCED);
        record_word(&record, RECORD_MECHANISM, "limits");
        record_word(&record, RECORD_RULE, rule);
        record_word(&record, RECORD_OUTCOME, "ok");
        ok = ok && ledger_record(run->ledger, &record, NULL, fault);
    }
    if (asked[CELL_LIMIT_IO] && !sealed->limit[CELL_LIMIT_IO])
        run_say(run,
                "warning: resources.io is not kept: there is no control group for it here, "
                "or the state folder is on no disk of its own (custody doctor)");
    return ok;
}

bool core_record_enforced(struct run *run, const struct cell_packet *sealed, bool holds,
                          struct fault *fault)
{
    struct record record;
    char mechanism[200], landlock[24] = "";

    for (size_t i = 0; i < sealed->canary_count; i++)
        if (!record_canary(run, &sealed->canaries[i], fault))
            return false;
    if (!record_refused_calls(run, fault) || !record_not_kept(run, fault) ||
        !record_known(run, fault) || !record_build_cache(run, fault) ||
        !record_toolchain(run, fault) || !record_unlimited(run, &sealed->sealed, fault))
        return false;
    if (sealed->sealed.landlock_abi > 0)
        (void)snprintf(landlock, sizeof(landlock), " landlock-%d",
                       sealed->sealed.landlock_abi);
    (void)snprintf(mechanism, sizeof(mechanism), "%s%s%s seccomp guard%s%s%s%s",
                   cell_mode_name(run->mode), run->transport[0] == 0 ? "" : " ",
                   run->transport, landlock, run->observed ? " fanotify" : "",
                   sealed->sealed.privileged ? " own-uid" : "",
                   run->quota ? " quota-disk" : "");
    for (unsigned i = 0; i < CELL_LIMIT_COUNT; i++)
        if (sealed->sealed.limit[i]) {
            size_t len = strlen(mechanism);

            (void)snprintf(mechanism + len, sizeof(mechanism) - len, " cgroup-%s",
                           cell_limit_name((enum cell_limit)i));
        }
    core_record_begin(run, &record, RECORD_CELL_ENFORCED);
    record_word(&record, RECORD_MECHANISM, mechanism);
    record_word(&record, RECORD_DIGEST, sealed->sealed.filter_digest);
    record_number(&record, RECORD_COUNT, (int64_t)sealed->canary_count);
    if (run->result->degraded)
        record_word(&record, RECORD_REASON, "degraded");
    else if (run->request->cell != NULL)
        record_word(&record, RECORD_REASON, "chosen");
    record_word(&record, RECORD_OUTCOME, holds ? "ok" : "refused");
    return ledger_record_durably(run->ledger, &record, NULL, fault) ||
           fault_in(fault, "record the enforcement");
}

static bool record_difference(struct run *run, const struct snapshot *snapshot,
                              uint32_t number, struct fault *fault)
{
    AUTO_BUF struct buf path = buf_with_limit(SNAPSHOT_PATH_MAX + 1);
    AUTO_BUF struct buf text = buf_with_limit(4 * SNAPSHOT_PATH_MAX);
    struct record record;

    if (number >= snapshot_node_count(snapshot) ||
        !snapshot_path(snapshot, number, &path, fault) ||
        !record_printable(buf_slice(&path), &text, fault))
        return false;
    core_record_begin(run, &record, RECORD_READS_COMPARED);
    record_word(&record, RECORD_MECHANISM, "fanotify");
    record_text(&record, RECORD_PATH, buf_slice(&text));
    record_word(&record, RECORD_OUTCOME, "failed");
    return ledger_record(run->ledger, &record, NULL, fault);
}

bool core_record_compared(struct run *run, const struct observer_result *result,
                          const struct snapshot *snapshot, struct fault *fault)
{
    struct record record;

    for (uint32_t i = 0; i < result->difference_count; i++)
        if (!record_difference(run, snapshot, result->differences[i], fault))
            return false;
    core_record_begin(run, &record, RECORD_READS_COMPARED);
    record_word(&record, RECORD_MECHANISM, "fanotify");
    record_number(&record, RECORD_COUNT, result->opened);
    record_number(&record, RECORD_FILES, result->recorded);
    record_word(&record, RECORD_OUTCOME, core_accounts_agree(result) ? "ok" : "failed");
    record_word(&record, RECORD_REASON, result->events == 0 ? "nothing-seen" : NULL);
    return ledger_record_durably(run->ledger, &record, NULL, fault) ||
           fault_in(fault, "record what the kernel saw");
}

bool core_record_change(struct run *run, const char *change, const struct collect_result *made,
                        const char *outcome, struct fault *fault)
{
    struct record_seal diff = {0};
    struct record record;
    uint64_t seq;

    if (made != NULL && !core_seal_diff(run, made->commit, &diff, fault))
        return fault_in(fault, "seal the diff");
    core_record_begin(run, &record, RECORD_CHANGE_MADE);
    record_sealed(&record, &diff);
    record_word(&record, RECORD_CHANGE, change);
    record_word(&record, RECORD_BASE, run->base.commit);
    record_word(&record, RECORD_POLICY, run->policy->digest);
    record_word(&record, RECORD_OUTCOME, outcome);
    if (made != NULL) {
        record_word(&record, RECORD_HEAD, made->commit);
        record_word(&record, RECORD_TREE, made->tree);
        record_word(&record, RECORD_BRANCH, made->branch);
        record_word(&record, RECORD_DIGEST, made->diff);
        record_number(&record, RECORD_FILES, (int64_t)made->files);
        record_number(&record, RECORD_LINES, (int64_t)(made->added + made->removed));
        record_word(&record, RECORD_REASON, made->reason_count > 0 ? made->reasons[0] : NULL);
    }
    if (run->change_announced)
        record_number(&record, RECORD_INTENT, (int64_t)run->change_intent);
    if (!ledger_record_durably(run->ledger, &record, &seq, fault))
        return fault_in(fault, "record the change");
    if (!run->change_announced)
        run->change_intent = seq;
    run->change_announced = true;
    return true;
}

bool core_record_ended(struct run *run, const struct gateway_totals *totals,
                       struct fault *fault)
{
    const struct run_result *result = run->result;
    struct record record;

    core_record_begin(run, &record, RECORD_RUN_ENDED);
    record_word(&record, RECORD_OUTCOME, run_state_name(result->state));
    record_word(&record, RECORD_REASON, result->reason_count > 0 ? result->reasons[0] : NULL);
    record_word(&record, RECORD_CHANGE, result->change[0] == 0 ? NULL : result->change);
    record_number(&record, RECORD_DURATION_US,
                  clock_monotonic_us(&clock_real) - run->begun_us);
    if (run->started)
        record_number(&record, RECORD_STATUS, result->agent_exit);
    if (totals != NULL) {
        record_number(&record, RECORD_TOKENS_IN, totals->tokens_in);
        record_number(&record, RECORD_TOKENS_OUT, totals->tokens_out);
        record_number(&record, RECORD_COST_MICRO_USD, totals->cost_micro_usd);
    }
    return ledger_record_durably(run->ledger, &record, NULL, fault) &&
           ledger_checkpoint(run->ledger, fault);
}
