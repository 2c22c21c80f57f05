/* change approve, reject, land: a person decides. Each is a record before it is done. */
#include <fcntl.h>
#include <stdio.h>

#include "base/scope.h"
#include "change/sshsig.h"
#include "commands/change.h"
#include "commands/table.h"
#include "os/clock_real.h"
#include "os/file.h"

static bool announce(struct deciding *d, const struct record *record, uint64_t *ret_seq,
                     struct fault *fault)
{
    return session_ledger(&d->session, &d->ledger, fault) &&
           ledger_record_durably(d->ledger, record, ret_seq, fault);
}

static bool to_ledger(struct deciding *d, const struct record *record, struct fault *fault)
{
    return announce(d, record, NULL, fault);
}

/* The statement, signed by the person's key and checked as anybody would check it. */
static bool sign(struct deciding *d, const struct approval_person *person, const char *key,
                 struct buf *statement, struct buf *signature, struct fault *fault)
{
    char time[CLOCK_TEXT_BYTES];
    const struct approval_statement says = {.change = d->id,
                                            .repository = d->repository,
                                            .base = d->base,
                                            .head = d->head,
                                            .into = d->into,
                                            .tree = d->landing.tree,
                                            .diff = d->diff,
                                            .approver = person->id,
                                            .requester = d->requester,
                                            .policy = d->policy->digest,
                                            .time = time};

    clock_text(clock_now_us(&clock_real), time);
    return approval_encode(&says, statement, fault) &&
           sshsig_sign_as(APPROVAL_NAMESPACE, person, key, buf_slice(statement), signature,
                          fault);
}

static bool keep_approval(struct deciding *d, const char *who, struct buf *statement,
                          struct buf *signature, struct fault *fault)
{
    char digest[65];
    struct record record;

    approval_digest(buf_slice(statement), digest);
    deciding_record(d, &record, RECORD_APPROVAL_GIVEN);
    record_word(&record, RECORD_PERSON, who);
    record_word(&record, RECORD_DIGEST, digest);
    return to_ledger(d, &record, fault) &&
           store_add_approval(d->store,
                              &(struct store_approval){.change = d->id,
                                                       .person = who,
                                                       .tree = d->landing.tree,
                                                       .base = d->base,
                                                       .digest = digest,
                                                       .statement = buf_text(statement),
                                                       .signature = buf_text(signature),
                                                       .time_us = clock_now_us(&clock_real)},
                              fault);
}

static bool approve(const struct invocation *invocation, struct deciding *d,
                    struct fault *fault)
{
    const char *who = invocation_option(invocation, "as");
    AUTO_FREE struct approval_person *people =
        xalloc_array(d->policy->people_count, sizeof(*people));
    AUTO_BUF struct buf statement = buf_with_limit(APPROVAL_STATEMENT_BYTES_MAX);
    AUTO_BUF struct buf signature = buf_with_limit(SSHSIG_BYTES_MAX);
    AUTO_FREE char *line = NULL;
    enum change_state next = d->state;
    const struct approval_person *person;
    size_t valid = 0;

    if (!change_step(&next, CHANGE_EVENT_APPROVED, fault) ||
        !deciding_approver(d, who, people, &person, fault) || !deciding_landing(d, fault) ||
        !sign(d, person, invocation_option(invocation, "key"), &statement, &signature,
              fault) ||
        !keep_approval(d, who, &statement, &signature, fault) ||
        !deciding_count(d, NULL, NULL, &valid, fault))
        return false;
    if (valid >= (size_t)d->needed && !deciding_step(d, CHANGE_EVENT_APPROVED, NULL, fault))
        return false;
    line = xformat("%zu of %lld approvals%s", valid, (long long)d->needed,
                   d->state == CHANGE_APPROVED ? ", approved" : "");
    deciding_print(invocation, d, line);
    return ledger_checkpoint(d->ledger, fault);
}

static const struct option_rule approve_options[] = {
    {"as", "PERSON", "who approves: an id of the policy's people"},
    {"key", "FILE", "the person's private SSH key"},
    {"into", "BRANCH", "for landing in another branch than the one the run started from"},
    {NULL, NULL, NULL},
};

static int run_approve(const struct invocation *invocation)
{
    struct deciding d = {.session.home.fd = -1};
    struct fault fault = {0};
    bool ok = deciding_open(invocation->arguments[0], &d, &fault) &&
              deciding_repository(&d, invocation_option(invocation, "into"), false, &fault) &&
              approve(invocation, &d, &fault);
    deciding_close(&d);
    return ok ? EXIT_YES : command_fail(invocation, &fault);
}

const struct command command_change_approve = {
    .name = "change approve",
    .arguments = "ID",
    .arguments_min = 1,
    .arguments_max = 1,
    .prints_json = true,
    .summary = "Approves a change: a signature over the tree that would land",
    .text = "The person signs a statement that names the change, the patch, the branch and "
            "the tree that it would\n"
            "have (SSHSIG, namespace custody-approval). Whoever asked for the change cannot "
            "approve it.",
    .options = approve_options,
    .needs = "as key",
    .run = run_approve,
};

static bool reject(const struct invocation *invocation, struct deciding *d,
                   struct fault *fault)
{
    const char *who = invocation_option(invocation, "as");
    enum change_state next = d->state;
    char *person = NULL;
    struct record record;

    if (!change_step(&next, CHANGE_EVENT_REJECTED, fault) ||
        !session_requester(d->policy, who, &person, fault))
        return false;
    deciding_record(d, &record, RECORD_CHANGE_REJECTED);
    record_word(&record, RECORD_PERSON, person);
    if (!to_ledger(d, &record, fault) ||
        !deciding_step(d, CHANGE_EVENT_REJECTED, NULL, fault)) {
        free(person);
        return false;
    }
    free(person);
    deciding_print(invocation, d,
                   "rejected; its branch stays until `git branch -D` takes it away");
    return ledger_checkpoint(d->ledger, fault);
}

static const struct option_rule reject_options[] = {
    {"as", "PERSON",
     "who rejects: an id of the policy's people (default: the one with your login name)"},
    {NULL, NULL, NULL},
};

static int run_reject(const struct invocation *invocation)
{
    struct deciding d;
    struct fault fault = {0};
    bool ok = deciding_open(invocation->arguments[0], &d, &fault) &&
              deciding_repository(&d, NULL, false, &fault) && reject(invocation, &d, &fault);

    deciding_close(&d);
    return ok ? EXIT_YES : command_fail(invocation, &fault);
}

const struct command command_change_reject = {
    .name = "change reject",
    .arguments = "ID",
    .arguments_min = 1,
    .arguments_max = 1,
    .prints_json = true,
    .summary = "Rejects a change: it can be neither approved nor landed any more",
    .options = reject_options,
    .run = run_reject,
};

/* What would land is not what was approved: every approval is void, and that is a record. */
static bool make_void(struct deciding *d, struct fault *fault)
{
    struct record record;
    size_t voided = 0;

    deciding_record(d, &record, RECORD_APPROVAL_VOID);
    if (!to_ledger(d, &record, fault) ||
        !store_void_approvals(d->store, d->id, &voided, fault) ||
        !deciding_step(d, CHANGE_EVENT_TREE_MOVED, NULL, fault) ||
        !ledger_checkpoint(d->ledger, fault))
        return false;
    return fault_set(
        fault, FAULT_CONFLICT,
        "what would land is not what was approved: the approvals are void, run again");
}

static bool move_branch(struct deciding *d, char ret_commit[GIT_OID_TEXT], struct fault *fault)
{
    AUTO_FREE char *message = xformat("Merge %s (custody)", d->id);
    const struct collect_land land = {.branch = d->into,
                                      .head = d->head,
                                      .tree = d->landing.tree,
                                      .into = d->landing.into,
                                      .message = message,
                                      .time = clock_now_us(&clock_real) / 1000000};

    return collect_land(d->collect, &land, ret_commit, fault);
}

/* The branch holds it, and that is on record: last the store learns of it. */
static bool finish_landing(const struct invocation *invocation, struct deciding *d,
                           struct record *record, const char *commit, struct fault *fault)
{
    AUTO_FREE char *line = xformat("landed in %s as %s", d->into, commit);

    record_word(record, RECORD_OUTCOME, "ok");
    record_word(record, RECORD_HEAD, commit);
    if (!to_ledger(d, record, fault) || !deciding_step(d, CHANGE_EVENT_LANDED, commit, fault))
        return false;
    deciding_print(invocation, d, line);
    return ledger_checkpoint(d->ledger, fault);
}

/*
 * The branch holds it already: a landing was cut off before its end was on record, or somebody
 * went around it. What it holds must be what was approved.
 */
static bool find_landed(const struct invocation *invocation, struct deciding *d, bool approved,
                        struct fault *fault)
{
    struct record record;

    if (!approved)
        return fault_set(fault, FAULT_CONFLICT,
                         "the change is in %s already, and what that holds is not what was "
                         "approved: look at git log %s",
                         d->into, d->into);
    deciding_record(d, &record, RECORD_CHANGE_LANDED);
    record_word(&record, RECORD_REASON, "found");
    return finish_landing(invocation, d, &record, d->landing.into, fault);
}

static bool land(const struct invocation *invocation, struct deciding *d, struct fault *fault)
{
    char commit[GIT_OID_TEXT];
    struct record record;
    struct fault unsaid = {0};
    uint64_t intent;
    size_t valid = 0;
    bool moved;

    if (d->state != CHANGE_APPROVED)
        return fault_set(fault, FAULT_DENIED, "change %s is %s, not approved", d->id,
                         change_state_name(d->state));
    if (!deciding_landing(d, fault) || !deciding_count(d, NULL, NULL, &valid, fault))
        return false;
    if (d->landing.kind == LANDING_NOTHING)
        return find_landed(invocation, d, valid >= (size_t)d->needed, fault);
    if (valid < (size_t)d->needed)
        return make_void(d, fault);
    deciding_record(d, &record, RECORD_CHANGE_LANDED);
    record_word(&record, RECORD_OUTCOME, "intended");
    if (!announce(d, &record, &intent, fault))
        return false;
    moved = move_branch(d, commit, fault);
    record_number(&record, RECORD_INTENT, (int64_t)intent);
    if (moved)
        return finish_landing(invocation, d, &record, commit, fault);
    record_word(&record, RECORD_OUTCOME, fault_outcome(fault->kind));
    if (!to_ledger(d, &record, &unsaid))
        (void)fprintf(stderr, "custody: warning: %s\n", unsaid.why);
    return false;
}

static const struct option_rule land_options[] = {
    {"into", "BRANCH",
     "another branch than the one the run started from; the approvals must name it"},
    {NULL, NULL, NULL},
};

static int run_land(const struct invocation *invocation)
{
    struct deciding d;
    struct fault fault = {0};
    bool ok = deciding_open(invocation->arguments[0], &d, &fault) &&
              deciding_repository(&d, invocation_option(invocation, "into"), true, &fault) &&
              land(invocation, &d, &fault);

    deciding_close(&d);
    return ok ? EXIT_YES : command_fail(invocation, &fault);
}

const struct command command_change_land = {
    .name = "change land",
    .arguments = "ID",
    .arguments_min = 1,
    .arguments_max = 1,
    .prints_json = true,
    .summary = "Lands an approved change in the branch that it is for",
    .text = "Every approval is counted anew: it must be of exactly the tree that would land. "
            "Where the branch has\n"
            "moved so that another tree would, the approvals are void. A landing that was cut "
            "off is brought to its end.",
    .options = land_options,
    .run = run_land,
};
