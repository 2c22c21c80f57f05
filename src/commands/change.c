/* change list, show, diff, approve, reject, land: people decide over what agents made. */
#include <fcntl.h>
#include <sys/mman.h>
#include <stdio.h>
#include <unistd.h>

#include "base/scope.h"
#include "change/approval.h"
#include "commands/table.h"
#include "flow/flow.h"
#include "os/clock_real.h"
#include "os/file.h"
#include "roles/collect.h"
#include "roles/session.h"

/* A change by its id, with everything that deciding over it needs. Texts are copies. */
struct deciding {
    struct session session;
    struct store *store;
    struct ledger_client *ledger;
    struct collect *collect;
    struct policy *policy;
    struct policy_settings *narrowing;
    struct gitdoor_landing landing;
    bool found;
    char *id, *run, *repository, *into, *state, *base, *head, *tree, *requester, *digest, *diff;
    int64_t needed;
};

static bool copy_change(void *self, const struct store_change *change, struct fault *fault)
{
    struct deciding *d = self;
    const struct {
        char **to;
        const char *from;
    } texts[] = {{&d->id, change->id},     {&d->run, change->run},     {&d->repository, change->repository},
                 {&d->into, change->into}, {&d->state, change->state}, {&d->base, change->base},
                 {&d->head, change->head}, {&d->tree, change->tree},   {&d->requester, change->requester},
                 {&d->digest, change->policy}, {&d->diff, change->diff}};

    (void)fault;
    for (size_t i = 0; i < COUNT(texts); i++)
        *texts[i].to = xstrdup(texts[i].from == NULL ? "" : texts[i].from);
    d->needed = change->needed;
    d->found = true;
    return true;
}

static bool open_change(const char *id, struct deciding *d, struct fault *fault)
{
    if (!session_open(&d->session, fault) || !session_store(&d->session, &d->store, fault) ||
        !store_changes(d->store, id, copy_change, d, NULL, fault))
        return false;
    return d->found ? true : fault_set(fault, FAULT_MISSING, "there is no change %s", id);
}

static bool open_repository(struct deciding *d, bool lands, struct fault *fault)
{
    const struct policy_settings *organisation;
    struct collect_base base = {0};
    bool ok = session_organisation(&d->session, &organisation, fault) &&
              collect_start(&(struct collect_config){.repository = d->repository, .organisation = organisation, .lands = lands},
                            &d->collect, fault) &&
              collect_resolve(d->collect, d->into[0] == 0 ? NULL : d->into, &base, fault);

    /* The rules are those of the branch that the change is for, not those that it brings. */
    ok = ok && (!base.has_policy || policy_settings_decode(buf_slice(&base.settings), &d->narrowing, fault)) &&
         policy_build(organisation, d->narrowing, &d->policy, fault);
    buf_free(&base.settings);
    return ok;
}

static void close_change(struct deciding *d)
{
    char **texts[] = {&d->id, &d->run, &d->repository, &d->into, &d->state, &d->base, &d->head, &d->tree,
                      &d->requester, &d->digest, &d->diff};

    collect_stop(d->collect);
    policy_free(d->policy);
    policy_settings_free(d->narrowing);
    session_close(&d->session);
    for (size_t i = 0; i < COUNT(texts); i++)
        free(*texts[i]);
}

static json_t *change_json(const struct store_change *change)
{
    struct slice rest = slice_of(change->reasons), word;
    json_t *reasons = json_array();

    while (slice_cut(&rest, ' ', &word))
        if (word.len > 0)
            (void)json_array_append_new(reasons, json_stringn((const char *)word.at, word.len));
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:o}", "id", change->id, "run", change->run, "state",
                     change->state, "base", change->base, "head", change->head, "tree", change->tree, "files",
                     (json_int_t)change->files, "lines", (json_int_t)change->lines, "reasons", reasons);
}

static bool list_change(void *self, const struct store_change *change, struct fault *fault)
{
    (void)fault;
    if (self != NULL)
        (void)json_array_append_new(self, change_json(change));
    else
        (void)printf("%-24s %-10s %3lld files %5lld lines  %s %s\n", change->id, change->state,
                     (long long)change->files, (long long)change->lines, change->repository, change->reasons);
    return true;
}

static int run_list(const struct invocation *invocation)
{
    struct deciding d = {.session.home.fd = -1};
    json_t *rows = invocation->json ? json_array() : NULL;
    struct fault fault = {0};
    bool ok = session_open(&d.session, &fault) && session_store(&d.session, &d.store, &fault) &&
              store_changes(d.store, NULL, list_change, rows, NULL, &fault);

    close_change(&d);
    if (ok && rows != NULL)
        command_print_json(rows);
    else
        json_decref(rows);
    return ok ? EXIT_YES : command_fail(invocation, &fault);
}

const struct command command_change_list = {
    .name = "change list", .arguments = "", .prints_json = true, .summary = "Lists changes, newest first", .run = run_list};

/* What an agent wrote must not move the cursor of who reviews it. */
static void print_tamed(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        size_t control = text[i] == '\n' || text[i] == '\t' ? 0 : control_at(text + i, len - i);

        if (control == 0)
            (void)putchar(text[i]);
        else
            (void)printf("^%c", control == 1 ? text[i] ^ 0x40 : '?');
        i += control > 1 ? control - 1 : 0;
    }
}

static bool print_diff(struct deciding *d, struct fault *fault)
{
    AUTO_CLOSE int fd = -1;
    char digest[65];
    off_t len;
    char *text;

    if (!isatty(1))
        return collect_diff(d->collect, d->base, d->head, 1, digest, fault);
    fd = memfd_create("diff", MFD_CLOEXEC);
    if (fd < 0)
        return fault_errno(fault, "make room for the diff");
    if (!collect_diff(d->collect, d->base, d->head, fd, digest, fault))
        return false;
    len = lseek(fd, 0, SEEK_END);
    if (len == 0)
        return true;
    text = len < 0 ? MAP_FAILED : mmap(NULL, (size_t)len, PROT_READ, MAP_PRIVATE, fd, 0);
    if (text == MAP_FAILED)
        return fault_errno(fault, "read the diff");
    print_tamed(text, (size_t)len);
    (void)munmap(text, (size_t)len);
    return true;
}

static int run_diff(const struct invocation *invocation)
{
    struct deciding d = {.session.home.fd = -1};
    struct fault fault = {0};
    bool ok = open_change(invocation->arguments[0], &d, &fault) && open_repository(&d, false, &fault) &&
              print_diff(&d, &fault);

    close_change(&d);
    return ok ? EXIT_YES : command_fail(invocation, &fault);
}

const struct command command_change_diff = {
    .name = "change diff", .arguments = "ID", .arguments_min = 1, .arguments_max = 1,
    .summary = "Shows what a change does", .run = run_diff};

static void change_record(const struct deciding *d, struct record *record, enum record_type type)
{
    record_begin(record, type);
    record_word(record, RECORD_RUN, d->run);
    record_word(record, RECORD_CHANGE, d->id);
    record_word(record, RECORD_BASE, d->base);
    record_word(record, RECORD_HEAD, d->head);
    record_word(record, RECORD_TREE, d->landing.tree[0] == 0 ? d->tree : d->landing.tree);
}

/* The rules of approval, as change/ wants them; borrowed from the policy. */
static bool find_approver(const struct deciding *d, const char *who, struct approval_person *people,
                          const struct approval_person **ret_person, struct fault *fault)
{
    struct approval_rules rules = {.people = people, .people_count = d->policy->people_count,
                                   .from = d->policy->approvals_from, .from_count = d->policy->approvals_from_count,
                                   .needed = (size_t)d->needed};

    for (size_t i = 0; i < rules.people_count; i++)
        people[i] = (struct approval_person){.id = d->policy->people[i].id, .groups = d->policy->people[i].groups,
                                             .group_count = d->policy->people[i].group_count,
                                             .ssh = d->policy->people[i].ssh, .ssh_count = d->policy->people[i].ssh_count};
    return approval_may(&rules, who, d->requester, ret_person, fault);
}

struct counting {
    struct deciding *d;
    struct approval_person *people;
    const char *scratch;
    size_t valid;
};

/* Counted anew each time: the signature, the person, and that it is of the tree that would land. */
static bool count_approval(void *self, const struct store_approval *row, struct fault *fault)
{
    struct counting *counting = self;
    struct deciding *d = counting->d;
    AUTO_BUF struct buf arena = buf_with_limit(2 * APPROVAL_STATEMENT_BYTES_MAX);
    struct approval_statement said;
    const struct approval_person *person;
    struct fault why = {0};

    (void)fault;
    if (!row->is_void && approval_decode(slice_of(row->statement), &arena, &said, &why) &&
        strcmp(said.change, d->id) == 0 && strcmp(said.head, d->head) == 0 && strcmp(said.tree, d->landing.tree) == 0 &&
        strcmp(said.into, d->into) == 0 && strcmp(said.approver, row->person) == 0 &&
        find_approver(d, row->person, counting->people, &person, &why) &&
        approval_verify(person, slice_of(row->statement), slice_of(row->signature), counting->scratch, &why))
        counting->valid++;
    return true;
}

static bool count_approvals(struct deciding *d, const char *scratch, size_t *ret_valid, struct fault *fault)
{
    AUTO_FREE struct approval_person *people = xalloc_array(d->policy->people_count, sizeof(*people));
    struct counting counting = {.d = d, .people = people, .scratch = scratch};

    if (!store_approvals(d->store, d->id, count_approval, &counting, NULL, fault))
        return false;
    *ret_valid = counting.valid;
    return true;
}

static bool approve(struct deciding *d, const char *who, const char *key, const char *scratch, struct fault *fault)
{
    AUTO_FREE struct approval_person *people = xalloc_array(d->policy->people_count, sizeof(*people));
    AUTO_BUF struct buf statement = buf_with_limit(APPROVAL_STATEMENT_BYTES_MAX);
    AUTO_BUF struct buf signature = buf_with_limit(APPROVAL_SIGNATURE_BYTES_MAX);
    const struct approval_person *person;
    enum change_state state, next;
    char time[CLOCK_TEXT_BYTES], diff[65], digest[65];
    struct record record;
    size_t valid = 0;

    if (!change_state_parse(slice_of(d->state), &state))
        return fault_set(fault, FAULT_IO, "the store holds no state");
    next = state;
    if (!change_step(&next, CHANGE_EVENT_APPROVED, fault) || !find_approver(d, who, people, &person, fault) ||
        !collect_landing(d->collect, d->into, d->head, &d->landing, fault) ||
        !collect_diff(d->collect, d->base, d->head, -1, diff, fault))
        return false;
    if (strcmp(diff, d->diff) != 0)
        return fault_set(fault, FAULT_CONFLICT, "the patch is not the one that the run made");
    clock_text(clock_now_us(&clock_real), time);
    if (!approval_encode(&(struct approval_statement){.change = d->id, .repository = d->repository, .base = d->base,
                             .head = d->head, .into = d->into, .tree = d->landing.tree, .diff = diff, .approver = who,
                             .requester = d->requester, .policy = d->policy->digest, .time = time}, &statement, fault) ||
        !approval_sign(key, buf_slice(&statement), &signature, fault) ||
        !approval_verify(person, buf_slice(&statement), buf_slice(&signature), scratch, fault))
        return false;
    approval_digest(buf_slice(&statement), digest);
    change_record(d, &record, RECORD_APPROVAL_GIVEN);
    record_word(&record, RECORD_PERSON, who);
    record_word(&record, RECORD_DIGEST, digest);
    if (!session_ledger(&d->session, &d->ledger, fault) || !ledger_record_durably(d->ledger, &record, NULL, fault) ||
        !store_add_approval(d->store, &(struct store_approval){.change = d->id, .person = who, .tree = d->landing.tree,
                                .base = d->base, .digest = digest, .statement = buf_text(&statement),
                                .signature = buf_text(&signature), .time_us = clock_now_us(&clock_real)}, fault) ||
        !count_approvals(d, scratch, &valid, fault))
        return false;
    if (valid >= (size_t)d->needed &&
        !store_step_change(d->store, d->id, d->state, change_state_name(next), NULL, fault))
        return false;
    (void)printf("%s: %zu of %lld approvals%s\n", d->id, valid, (long long)d->needed,
                 valid >= (size_t)d->needed ? ", approved" : "");
    return ledger_checkpoint(d->ledger, fault);
}

static const struct option_rule approve_options[] = {
    {"as", "PERSON", "who approves: an id of the policy's people"},
    {"key", "FILE", "the person's private SSH key"},
    {NULL, NULL, NULL}};

static int run_approve(const struct invocation *invocation)
{
    const char *who = invocation_option(invocation, "as"), *key = invocation_option(invocation, "key");
    char scratch[] = "/tmp/custody-approve-XXXXXX";
    struct deciding d = {.session.home.fd = -1};
    struct fault fault = {0};
    bool ok = who != NULL && key != NULL && mkdtemp(scratch) != NULL;

    if (!ok)
        (void)fault_set(&fault, FAULT_INVALID, "--as PERSON and --key FILE are needed");
    ok = ok && open_change(invocation->arguments[0], &d, &fault) && open_repository(&d, false, &fault) &&
         approve(&d, who, key, scratch, &fault);
    close_change(&d);
    (void)!file_remove_tree(AT_FDCWD, scratch, &(struct fault){0});
    return ok ? EXIT_YES : command_fail(invocation, &fault);
}

const struct command command_change_approve = {
    .name = "change approve", .arguments = "ID", .arguments_min = 1, .arguments_max = 1,
    .summary = "Approves a change: a signature over the tree that would land", .options = approve_options, .run = run_approve};

static bool land(struct deciding *d, const char *scratch, struct fault *fault)
{
    AUTO_FREE char *message = xformat("Merge %s (custody)", d->id);
    char commit[GIT_OID_TEXT];
    struct record record;
    size_t valid = 0;

    if (strcmp(d->state, change_state_name(CHANGE_APPROVED)) != 0)
        return fault_set(fault, FAULT_CONFLICT, "change %s is %s, not approved", d->id, d->state);
    if (!collect_landing(d->collect, d->into, d->head, &d->landing, fault) || !count_approvals(d, scratch, &valid, fault) ||
        !session_ledger(&d->session, &d->ledger, fault))
        return false;
    if (valid < (size_t)d->needed) {
        size_t voided = 0;

        change_record(d, &record, RECORD_APPROVAL_VOID);
        if (!ledger_record_durably(d->ledger, &record, NULL, fault) ||
            !store_void_approvals(d->store, d->id, &voided, fault) ||
            !store_step_change(d->store, d->id, d->state, change_state_name(CHANGE_VOID), NULL, fault))
            return false;
        return fault_set(fault, FAULT_CONFLICT, "what would land is not what was approved: the approvals are void, run again");
    }
    change_record(d, &record, RECORD_CHANGE_LANDED);
    record_word(&record, RECORD_OUTCOME, "intent");
    if (!ledger_record_durably(d->ledger, &record, NULL, fault) ||
        !collect_land(d->collect, &(struct collect_land){.branch = d->into, .head = d->head, .tree = d->landing.tree,
                          .into = d->landing.into, .message = message, .time = clock_now_us(&clock_real) / 1000000}, commit, fault))
        return false;
    record_word(&record, RECORD_OUTCOME, "ok");
    record_word(&record, RECORD_HEAD, commit);
    if (!ledger_record_durably(d->ledger, &record, NULL, fault) ||
        !store_step_change(d->store, d->id, d->state, change_state_name(CHANGE_LANDED), commit, fault))
        return false;
    (void)printf("%s: landed in %s as %s\n", d->id, d->into, commit);
    return ledger_checkpoint(d->ledger, fault);
}

static int run_land(const struct invocation *invocation)
{
    char scratch[] = "/tmp/custody-land-XXXXXX";
    struct deciding d = {.session.home.fd = -1};
    struct fault fault = {0};
    bool ok = mkdtemp(scratch) != NULL && open_change(invocation->arguments[0], &d, &fault) &&
              open_repository(&d, true, &fault) && land(&d, scratch, &fault);

    close_change(&d);
    (void)!file_remove_tree(AT_FDCWD, scratch, &(struct fault){0});
    return ok ? EXIT_YES : command_fail(invocation, &fault);
}

const struct command command_change_land = {
    .name = "change land", .arguments = "ID", .arguments_min = 1, .arguments_max = 1,
    .summary = "Lands an approved change in the branch that it is for", .run = run_land};
