/* What the change verbs share. */
#include <fcntl.h>
#include <stdio.h>

#include "base/scope.h"
#include "change/sshsig.h"
#include "commands/change.h"
#include "os/file.h"

static bool copy_change(void *self, const struct store_change *change, struct fault *fault)
{
    struct deciding *d = self;
    const struct {
        char **to;
        const char *from;
    } texts[] = {
        {&d->id, change->id},         {&d->run, change->run},
        {&d->branch, change->branch}, {&d->repository, change->repository},
        {&d->into, change->into},     {&d->base, change->base},
        {&d->head, change->head},     {&d->tree, change->tree},
        {&d->diff, change->diff},     {&d->requester, change->requester},
        {&d->zones, change->zones},   {&d->policy_digest, change->policy},
        {&d->landed, change->landed}, {&d->reasons, change->reasons},
    };

    if (!change_state_parse(slice_of(change->state), &d->state))
        return fault_set(fault, FAULT_IO, "the store holds the unknown state %.40s",
                         change->state);
    for (size_t i = 0; i < COUNT(texts); i++)
        *texts[i].to = xstrdup(texts[i].from == NULL ? "" : texts[i].from);
    d->needed = change->needed;
    d->files = change->files;
    d->lines = change->lines;
    d->made_us = change->made_us;
    d->found = true;
    return true;
}

bool deciding_open(const char *id, struct deciding *d, struct fault *fault)
{
    *d = (struct deciding){.session.home.fd = -1};
    if (!session_open(&d->session, fault) || !session_store(&d->session, &d->store, fault) ||
        !store_changes(d->store, id, copy_change, d, NULL, fault))
        return false;
    return d->found ? true
                    : fault_set(fault, FAULT_MISSING,
                                "there is no change %s: see custody change list", id);
}

bool deciding_repository(struct deciding *d, const char *into, bool lands, struct fault *fault)
{
    const struct policy_settings *organisation;
    struct collect_config config = {.repository = d->repository, .lands = lands};
    struct collect_base base = {0};
    bool ok;

    if (into != NULL) {
        free(d->into);
        d->into = xstrdup(into);
    }
    if (!session_organisation(&d->session, &organisation, fault))
        return false;
    config.organisation = organisation;
    ok = collect_start(&config, &d->collect, fault) &&
         collect_resolve(d->collect, d->into[0] == 0 ? NULL : d->into, &base, fault) &&
         (!base.has_policy ||
          policy_settings_decode(buf_slice(&base.settings), &d->narrowing, fault)) &&
         policy_build(organisation, d->narrowing, &d->policy, fault);
    buf_free(&base.settings);
    return ok;
}

bool deciding_landing(struct deciding *d, struct fault *fault)
{
    char diff[65];

    if (d->into[0] == 0)
        return fault_set(fault, FAULT_INVALID,
                         "the run had no branch checked out: name one with --into BRANCH");
    if (!collect_landing(d->collect, d->into, d->head, &d->landing, fault) ||
        !collect_diff(d->collect, d->base, d->head, -1, diff, fault))
        return false;
    return strcmp(diff, d->diff) == 0
               ? true
               : fault_set(fault, FAULT_CONFLICT,
                           "the patch is not the one that the run made");
}

void deciding_close(struct deciding *d)
{
    char *texts[] = {
        d->id,   d->run,  d->repository, d->branch,        d->into,  d->base,    d->head,
        d->tree, d->diff, d->requester,  d->policy_digest, d->zones, d->reasons, d->landed};

    collect_stop(d->collect);
    policy_free(d->policy);
    policy_settings_free(d->narrowing);
    session_close(&d->session);
    for (size_t i = 0; i < COUNT(texts); i++)
        free(texts[i]);
}

bool deciding_step(struct deciding *d, enum change_event event, const char *landed,
                   struct fault *fault)
{
    enum change_state next = d->state;

    if (!change_step(&next, event, fault) ||
        !store_step_change(d->store, d->id, change_state_name(d->state),
                           change_state_name(next), landed, fault))
        return false;
    d->state = next;
    return true;
}

void deciding_record(const struct deciding *d, struct record *record, enum record_type type)
{
    record_begin(record, type);
    record_word(record, RECORD_RUN, d->run);
    record_word(record, RECORD_CHANGE, d->id);
    record_word(record, RECORD_BASE, d->base);
    record_word(record, RECORD_HEAD, d->head);
    record_word(record, RECORD_TREE, d->landing.tree[0] == 0 ? d->tree : d->landing.tree);
}

struct approval_person person_who_signs(const struct policy_person *person)
{
    return (struct approval_person){.id = person->id,
                                    .groups = person->groups,
                                    .group_count = person->group_count,
                                    .ssh = person->ssh,
                                    .ssh_count = person->ssh_count};
}

bool deciding_approver(const struct deciding *d, const char *who,
                       struct approval_person *people,
                       const struct approval_person **ret_person, struct fault *fault)
{
    struct approval_rules rules = {.people = people,
                                   .people_count = d->policy->people_count,
                                   .from = d->policy->approvals_from,
                                   .from_count = d->policy->approvals_from_count,
                                   .needed = (size_t)d->needed};

    for (size_t i = 0; i < rules.people_count; i++)
        people[i] = person_who_signs(&d->policy->people[i]);
    return approval_may(&rules, who, d->requester, ret_person, fault);
}

struct counting {
    struct deciding *d;
    struct approval_person *people;
    const char *scratch;
    void (*each)(void *self, const struct store_approval *row, const char *why);
    void *self;
    size_t valid;
};

static bool says_the_same(const struct deciding *d, const struct approval_statement *said,
                          const struct store_approval *row, struct fault *why)
{
    const struct {
        const char *what, *said, *is;
    } rows[] = {
        {"change", said->change, d->id},
        {"commit", said->head, d->head},
        {"tree", said->tree, d->landing.tree},
        {"branch", said->into, d->into},
        {"patch", said->diff, d->diff},
        {"person", said->approver, row->person},
        {"base", said->base, d->base},
        {"repository", said->repository, d->repository},
        {"requester", said->requester, d->requester},
    };

    for (size_t i = 0; i < COUNT(rows); i++)
        if (strcmp(rows[i].said, rows[i].is) != 0)
            return fault_set(why, FAULT_CONFLICT, "it is of another %s", rows[i].what);
    return true;
}

static bool is_valid(const struct counting *counting, const struct store_approval *row,
                     struct fault *why)
{
    AUTO_BUF struct buf arena = buf_with_limit(2UL * APPROVAL_STATEMENT_BYTES_MAX);
    const struct approval_person *person;
    struct approval_statement said;

    if (row->is_void)
        return fault_set(why, FAULT_CONFLICT, "it was made void");
    return approval_decode(slice_of(row->statement), &arena, &said, why) &&
           says_the_same(counting->d, &said, row, why) &&
           deciding_approver(counting->d, row->person, counting->people, &person, why) &&
           sshsig_verify(APPROVAL_NAMESPACE, person, slice_of(row->statement),
                         slice_of(row->signature), counting->scratch, why);
}

static bool count_one(void *self, const struct store_approval *row, struct fault *fault)
{
    struct counting *counting = self;
    struct fault why = {0};
    bool valid = is_valid(counting, row, &why);

    (void)fault;
    counting->valid += valid ? 1 : 0;
    if (counting->each != NULL)
        counting->each(counting->self, row, valid ? NULL : why.why);
    return true;
}

bool deciding_count(struct deciding *d,
                    void (*each)(void *self, const struct store_approval *row,
                                 const char *why),
                    void *self, size_t *ret_valid, struct fault *fault)
{
    char scratch[] = "/tmp/custody-approvals-XXXXXX";
    AUTO_FREE struct approval_person *people =
        xalloc_array(d->policy->people_count, sizeof(*people));
    struct counting counting = {
        .d = d, .people = people, .scratch = scratch, .each = each, .self = self};
    struct fault left = {0};
    bool ok;

    if (mkdtemp(scratch) == NULL)
        return fault_errno(fault, "make a folder in /tmp");
    ok = store_approvals(d->store, d->id, count_one, &counting, NULL, fault);
    if (!file_remove_tree(AT_FDCWD, scratch, &left))
        (void)fprintf(stderr, "custody: warning: %s\n", left.why);
    *ret_valid = counting.valid;
    return ok;
}

void deciding_print(const struct invocation *invocation, const struct deciding *d,
                    const char *line)
{
    if (invocation->json)
        command_print_json(json_pack("{s:s,s:s,s:s,s:s}", "id", d->id, "state",
                                     change_state_name(d->state), "into", d->into, "tree",
                                     d->landing.tree[0] == 0 ? d->tree : d->landing.tree));
    else
        (void)printf("%s: %s\n", d->id, line);
}
