/* The effective policy: the organisation's settings, narrowed by the repository's. */
#include <stdio.h>
#include <stdlib.h>

#include <openssl/evp.h>

#include "base/hex.h"
#include "base/scope.h"
#include "policy/glob.h"
#include "policy/schema.h"

#define S POLICY_SEP
#define LIST_MAX 4096

/* Everything that the policy's pointers point to, freed together. */
struct owned {
    void **at;
    size_t count, room;
};

struct builder {
    const struct policy_settings *organisation, *repository;
    struct policy *policy;
    struct owned owned;
    struct fault *fault;
};

static void *own(struct builder *builder, void *memory)
{
    struct owned *owned = &builder->owned;

    owned->at = xgrow(owned->at, &owned->room, owned->count + 1, sizeof(*owned->at));
    owned->at[owned->count++] = memory;
    return memory;
}

static const char *text_at(struct builder *builder, const struct policy_settings *settings,
                           const char *path)
{
    const struct setting *setting = settings_find(settings, "%s", path);

    return setting == NULL ? NULL : own(builder, xstrdup(setting->value));
}

static const char *text_of(struct builder *builder, const struct policy_settings *settings,
                           const char *list, size_t index, const char *key)
{
    AUTO_FREE char *path = xformat("%s" S "#%zu" S "%s", list, index, key);

    return text_at(builder, settings, path);
}

/* How many items the list at `path` has. */
static size_t list_length(const struct policy_settings *settings, const char *path)
{
    size_t count = 0;

    for (; count < LIST_MAX; count++) {
        AUTO_FREE char *item = xformat("%s" S "#%zu", path, count);

        if (settings_below(settings, item) == NULL)
            break;
    }
    return count;
}

static const char **texts_of(struct builder *builder, const struct policy_settings *settings,
                             const char *path, size_t *ret_count)
{
    size_t count = list_length(settings, path);
    const char **texts = own(builder, xalloc_array(count + 1, sizeof(*texts)));

    for (size_t i = 0; i < count; i++) {
        AUTO_FREE char *item = xformat("%s" S "#%zu", path, i);

        texts[i] = text_at(builder, settings, item);
    }
    *ret_count = count;
    return texts;
}

/* A number that both may set: the repository's must not widen. 0 of a budget is "no limit". */
static bool number_of(struct builder *builder, const char *path, int64_t *ret_number)
{
    const struct schema_row *row = schema_find(path);
    const struct setting *outer = settings_find(builder->organisation, "%s", path);
    const struct setting *inner = settings_find(builder->repository, "%s", path);
    int64_t number = row->standard == NULL ? 0 : schema_number(row, row->standard);
    bool zero_is_endless = row->narrowing == NARROW_MINIMUM && row->min == 0;
    int64_t asked;
    char shown[200];

    if (outer != NULL)
        number = schema_number(row, outer->value);
    *ret_number = number;
    if (inner == NULL)
        return true;
    asked = schema_number(row, inner->value);
    *ret_number = asked;
    if ((row->narrowing == NARROW_MINIMUM &&
         ((asked > number && !(zero_is_endless && number == 0)) || (zero_is_endless && asked == 0 && number != 0))) ||
        (row->narrowing == NARROW_MAXIMUM && asked < number)) {
        settings_show_path(path, shown, sizeof(shown));
        return settings_fault(builder->repository, inner, builder->fault,
                              "%s: `%s` is wider than the organisation's", shown, inner->value);
    }
    return true;
}

/* The word's place in the row's list; later is stricter (or, for phase, further: refused). */
static bool word_of(struct builder *builder, const char *path, const char *standard,
                    const char **ret_word)
{
    const struct schema_row *row = schema_find(path);
    const struct setting *outer = settings_find(builder->organisation, "%s", path);
    const struct setting *inner = settings_find(builder->repository, "%s", path);
    const char *least = outer == NULL ? standard : outer->value;
    char shown[200];
    int difference;

    *ret_word = least; /* what is not said is the default, and that is the organisation's word, too */
    if (inner == NULL)
        return true;
    *ret_word = inner->value;
    difference = schema_word_index(row, inner->value) - schema_word_index(row, least);
    if ((row->narrowing == NARROW_STRICTER && difference < 0) ||
        (row->narrowing == NARROW_LOOSER_NOT && difference > 0)) {
        settings_show_path(path, shown, sizeof(shown));
        return settings_fault(builder->repository, inner, builder->fault,
                              "%s: `%s` is wider than the organisation's `%s`", shown, inner->value, least);
    }
    return true;
}

static bool build_people(struct builder *builder)
{
    struct policy *policy = builder->policy;

    policy->people_count = list_length(builder->organisation, "people");
    policy->people = own(builder, xalloc_array(policy->people_count, sizeof(*policy->people)));
    for (size_t i = 0; i < policy->people_count; i++) {
        struct policy_person *person = &policy->people[i];
        AUTO_FREE char *groups = xformat("people" S "#%zu" S "groups", i);
        AUTO_FREE char *ssh = xformat("people" S "#%zu" S "ssh", i);

        person->id = text_of(builder, builder->organisation, "people", i, "id");
        person->email = text_of(builder, builder->organisation, "people", i, "email");
        person->groups = texts_of(builder, builder->organisation, groups, &person->group_count);
        person->ssh = texts_of(builder, builder->organisation, ssh, &person->ssh_count);
        if (person->id == NULL)
            return fault_set(builder->fault, FAULT_INVALID, "policy.yaml: people[%zu] has no id", i);
        for (size_t j = 0; j < i; j++)
            if (strcmp(policy->people[j].id, person->id) == 0)
                return fault_set(builder->fault, FAULT_INVALID, "policy.yaml: person %s is there twice", person->id);
    }
    return true;
}

static int64_t number_in(const struct policy_settings *settings, const char *path)
{
    const struct setting *setting = settings_find(settings, "%s", path);

    return setting == NULL ? 0 : schema_number(schema_find(path), setting->value);
}

static void build_allow(const struct policy_settings *settings, size_t index, struct policy_model *model)
{
    for (size_t i = 0;; i++) {
        const struct setting *setting = settings_find(settings, "models" S "#%zu" S "allow" S "#%zu", index, i);
        struct slice word;
        enum data_class class;

        if (setting == NULL)
            return;
        word = slice_of(setting->value);
        if (slice_ends_with(word, SLICE("-redacted"))) {
            word.len -= strlen("-redacted");
            if (class_parse(word, &class))
                model->allow_redacted |= CLASS_BIT(class);
        } else if (class_parse(word, &class)) {
            model->allow |= CLASS_BIT(class);
        }
    }
}

static bool build_models(struct builder *builder)
{
    struct policy *policy = builder->policy;
    const struct policy_settings *settings = builder->organisation;

    policy->model_count = list_length(settings, "models");
    policy->models = own(builder, xalloc_array(policy->model_count, sizeof(*policy->models)));
    for (size_t i = 0; i < policy->model_count; i++) {
        struct policy_model *model = &policy->models[i];
        AUTO_FREE char *key_file = xformat("models" S "#%zu" S "key" S "file", i);
        AUTO_FREE char *key_environment = xformat("models" S "#%zu" S "key" S "env", i);
        AUTO_FREE char *expires = xformat("models" S "#%zu" S "expires", i);
        AUTO_FREE char *input = xformat("models" S "#%zu" S "prices" S "input", i);
        AUTO_FREE char *output = xformat("models" S "#%zu" S "prices" S "output", i);

        model->name = text_of(builder, settings, "models", i, "name");
        model->url = text_of(builder, settings, "models", i, "url");
        model->dialect = text_of(builder, settings, "models", i, "dialect");
        model->residency = text_of(builder, settings, "models", i, "residency");
        model->contract = text_of(builder, settings, "models", i, "contract");
        model->ca = text_of(builder, settings, "models", i, "ca");
        model->key_file = text_at(builder, settings, key_file);
        model->key_environment = text_at(builder, settings, key_environment);
        model->expires_us = number_in(settings, expires);
        model->price_input = number_in(settings, input);
        model->price_output = number_in(settings, output);
        build_allow(settings, i, model);
        if (model->name == NULL || model->url == NULL || model->dialect == NULL)
            return fault_set(builder->fault, FAULT_INVALID,
                             "policy.yaml: models[%zu] needs a name, a url and a dialect", i);
        for (size_t j = 0; j < i; j++)
            if (strcmp(policy->models[j].name, model->name) == 0)
                return fault_set(builder->fault, FAULT_INVALID, "policy.yaml: model %s is there twice", model->name);
        if (model->key_file != NULL && model->key_environment != NULL)
            return fault_set(builder->fault, FAULT_INVALID, "policy.yaml: model %s names two keys", model->name);
        if ((model->allow & model->allow_redacted) != 0)
            return fault_set(builder->fault, FAULT_INVALID,
                             "policy.yaml: model %s allows a class both as it is and only redacted", model->name);
    }
    return true;
}

static bool build_budget(struct builder *builder, const char *name, struct policy_budget *budget)
{
    AUTO_FREE char *tokens = xformat("budgets" S "%s" S "tokens", name);
    AUTO_FREE char *usd = xformat("budgets" S "%s" S "usd", name);
    AUTO_FREE char *minutes = xformat("budgets" S "%s" S "minutes", name);

    return number_of(builder, tokens, &budget->tokens) && number_of(builder, usd, &budget->micro_usd) &&
           (schema_find(minutes) == NULL || number_of(builder, minutes, &budget->minutes));
}

/* What a class is worth where nobody says anything. */
static const enum verdict data_defaults[CLASS_COUNT][POLICY_WHERE_COUNT] = {
    [CLASS_PHI] = {VERDICT_REDACT, VERDICT_DENY, VERDICT_REDACT},
    [CLASS_PAN] = {VERDICT_REDACT, VERDICT_DENY, VERDICT_REDACT},
    [CLASS_SECRET] = {VERDICT_REDACT, VERDICT_DENY, VERDICT_ALLOW},
    [CLASS_PII] = {VERDICT_REDACT, VERDICT_DENY, VERDICT_REDACT},
    [CLASS_OPAQUE] = {VERDICT_ALLOW, VERDICT_DENY, VERDICT_ALLOW},
    [CLASS_CODE] = {VERDICT_ALLOW, VERDICT_ALLOW, VERDICT_ALLOW},
};

static const char *const where_names[POLICY_WHERE_COUNT] = {
    [POLICY_VIEW] = "view", [POLICY_MODEL] = "model", [POLICY_CHECKS] = "checks"};

/* A class that is named says both: what a process may, and what a model may. */
static bool check_class_whole(struct builder *builder, const struct policy_settings *settings,
                              enum data_class class)
{
    AUTO_FREE char *path = xformat("data" S "%s", class_name(class));
    const struct setting *any = settings_below(settings, path);

    for (unsigned where = POLICY_VIEW; any != NULL && where <= POLICY_MODEL; where++)
        if (settings_find(settings, "%s" S "%s", path, where_names[where]) == NULL)
            return settings_fault(settings, any, builder->fault, "data.%s has no verdict for `%s`",
                                  class_name(class), where_names[where]);
    return true;
}

static bool build_data(struct builder *builder)
{
    for (unsigned class = 0; class < CLASS_COUNT; class++) {
        enum verdict *verdicts = builder->policy->data[class];

        if (!check_class_whole(builder, builder->organisation, (enum data_class)class) ||
            (builder->repository != NULL &&
             !check_class_whole(builder, builder->repository, (enum data_class)class)))
            return false;
        for (unsigned where = 0; where < POLICY_WHERE_COUNT; where++) {
            AUTO_FREE char *path = xformat("data" S "%s" S "%s", class_name((enum data_class)class),
                                           where_names[where]);
            const char *word;

            if (!word_of(builder, path, verdict_name(data_defaults[class][where]), &word) ||
                !verdict_parse(slice_of(word), &verdicts[where]))
                return false;
        }
        if ((class == CLASS_OPAQUE || class == CLASS_CODE) && verdicts[POLICY_VIEW] == VERDICT_REDACT)
            return fault_set(builder->fault, FAULT_INVALID,
                             "data.%s.view: redact has nothing to replace: say allow or deny",
                             class_name((enum data_class)class));
    }
    return true;
}

static void add_rule(struct builder *builder, struct policy_rules *rules,
                     const struct policy_settings *settings, const struct setting *setting,
                     const char *path, bool must_match)
{
    struct policy_rule *rule;

    rules->at = xgrow(rules->at, &rules->room, rules->count + 1, sizeof(*rules->at));
    rule = &rules->at[rules->count++];
    *rule = (struct policy_rule){.glob = own(builder, xstrdup(setting->value)),
                                 .must_match = must_match,
                                 .file = own(builder, xstrdup(settings->file)),
                                 .line = setting->line,
                                 .own = settings == builder->repository};
    settings_show_path(path, rule->text, sizeof(rule->text));
}

static bool build_rules(struct builder *builder, const struct policy_settings *settings,
                        const char *path, struct policy_rules *rules)
{
    size_t count = list_length(settings, path);

    for (size_t i = 0; i < count; i++) {
        AUTO_FREE char *item = xformat("%s" S "#%zu", path, i);
        const struct setting *plain = settings_find(settings, "%s", item);
        const struct setting *glob = settings_find(settings, "%s" S "path", item);
        const struct setting *must = settings_find(settings, "%s" S "must_match", item);

        if (plain == NULL && glob == NULL)
            return settings_fault(settings, must, builder->fault, "a rule without a path");
        add_rule(builder, rules, settings, plain != NULL ? plain : glob, item,
                 must != NULL && strcmp(must->value, "true") == 0);
    }
    return true;
}

/* An allow that a deny of the same text, or "**", covers whole can never match. */
static bool check_shadowed(struct builder *builder)
{
    const struct policy *policy = builder->policy;

    for (size_t i = 0; i < policy->write_allow.count; i++)
        for (size_t j = 0; j < policy->write_deny.count; j++) {
            const struct policy_rule *allow = &policy->write_allow.at[i];
            const struct policy_rule *deny = &policy->write_deny.at[j];

            if (strcmp(deny->glob, "**") == 0 || strcmp(deny->glob, allow->glob) == 0)
                return fault_set(builder->fault, FAULT_INVALID,
                                 "%s:%u: %s `%s` can never match: `%s` denies all of it", allow->file,
                                 allow->line, allow->text, allow->glob, deny->glob);
        }
    return true;
}

static bool build_paths(struct builder *builder)
{
    const struct policy_settings *files[] = {builder->organisation, builder->repository};
    struct policy *policy = builder->policy;
    const char *word;

    for (size_t i = 0; i < COUNT(files); i++) {
        const struct setting *empty = settings_find(files[i], "paths" S "write" S "allow");

        if (empty != NULL)
            return settings_fault(files[i], empty, builder->fault,
                                  "paths.write.allow: an empty list would allow nothing: name patterns, or say agents.ROLE.write: none");
    }
    for (size_t i = 0; i < COUNT(files); i++)
        if (files[i] != NULL &&
            (!build_rules(builder, files[i], "paths" S "read" S "deny", &policy->read_deny) ||
             !build_rules(builder, files[i], "paths" S "write" S "allow", &policy->write_allow) ||
             !build_rules(builder, files[i], "paths" S "write" S "deny", &policy->write_deny)))
            return false;
    if (!word_of(builder, "paths" S "read" S "hide_names", "true", &word))
        return false;
    policy->hide_names = strcmp(word, "true") == 0;
    return check_shadowed(builder);
}

/* Keys of a map at `prefix`, of both files, with their values. */
static struct policy_zone *map_of(struct builder *builder, const char *prefix, size_t *ret_count)
{
    const struct policy_settings *files[] = {builder->organisation, builder->repository};
    struct policy_zone *pairs = NULL;
    size_t room = 0, count = 0, len = strlen(prefix);

    for (size_t i = 0; i < COUNT(files); i++)
        for (size_t j = 0; files[i] != NULL && j < files[i]->count; j++) {
            const struct setting *setting = &files[i]->at[j];

            if (strncmp(setting->path, prefix, len) != 0 || setting->path[len] != POLICY_SEP_BYTE)
                continue;
            pairs = xgrow(pairs, &room, count + 1, sizeof(*pairs));
            pairs[count++] = (struct policy_zone){.glob = own(builder, xstrdup(setting->path + len + 1)),
                                                  .zone = own(builder, xstrdup(setting->value))};
        }
    if (pairs != NULL)
        (void)own(builder, pairs);
    *ret_count = count;
    return pairs;
}

static bool has_model(const struct policy *policy, const char *name)
{
    for (size_t i = 0; i < policy->model_count; i++)
        if (strcmp(policy->models[i].name, name) == 0)
            return true;
    return false;
}

static bool build_agents(struct builder *builder)
{
    struct policy *policy = builder->policy;
    size_t room = 0;

    for (size_t i = 0; builder->repository != NULL && i < builder->repository->count; i++) {
        const struct setting *setting = &builder->repository->at[i];
        struct slice rest = slice_of(setting->path);
        struct slice part = {0}, role = {0};
        struct policy_agent agent = {0};
        const struct setting *write;
        bool known = false;

        if (!slice_cut(&rest, POLICY_SEP_BYTE, &part) || !slice_equal(part, SLICE("agents")) ||
            !slice_cut(&rest, POLICY_SEP_BYTE, &role))
            continue;
        for (size_t j = 0; j < policy->agent_count; j++)
            known = known || slice_equal(slice_of(policy->agents[j].role), role);
        if (known)
            continue;
        agent.role = own(builder, slice_dup(role));
        {
            AUTO_FREE char *engine = xformat("agents" S "%s" S "engine", agent.role);
            AUTO_FREE char *model = xformat("agents" S "%s" S "model", agent.role);

            agent.engine = text_at(builder, builder->repository, engine);
            agent.model = text_at(builder, builder->repository, model);
        }
        write = settings_find(builder->repository, "agents" S "%s" S "write", agent.role);
        agent.may_write = write == NULL || strcmp(write->value, "none") != 0;
        if (agent.model != NULL && !has_model(policy, agent.model))
            return settings_fault(builder->repository,
                                  settings_find(builder->repository, "agents" S "%s" S "model", agent.role),
                                  builder->fault, "agents.%s.model: the organisation has no model `%s`",
                                  agent.role, agent.model);
        policy->agents = xgrow(policy->agents, &room, policy->agent_count + 1, sizeof(*policy->agents));
        policy->agents[policy->agent_count++] = agent;
    }
    if (policy->agents != NULL)
        (void)own(builder, policy->agents);
    return true;
}

static int64_t port_of(const struct policy_settings *settings, size_t index)
{
    AUTO_FREE char *path = xformat("egress" S "#%zu" S "port", index);

    return settings_find(settings, "%s", path) == NULL ? 443 : number_in(settings, path);
}

static bool build_egress(struct builder *builder)
{
    struct policy *policy = builder->policy;
    size_t outer = list_length(builder->organisation, "egress");
    size_t inner = list_length(builder->repository, "egress");
    struct policy_egress *all = own(builder, xalloc_array(outer + 1, sizeof(*all)));
    struct policy_egress *chosen = own(builder, xalloc_array(inner * outer + 1, sizeof(*chosen)));

    for (size_t i = 0; i < outer; i++) {
        all[i].host = text_of(builder, builder->organisation, "egress", i, "host");
        all[i].port = port_of(builder->organisation, i);
        if (all[i].host == NULL)
            return fault_set(builder->fault, FAULT_INVALID, "policy.yaml: egress[%zu] has no host", i);
    }
    for (size_t i = 0; i < inner; i++) {
        const struct setting *host = settings_find(builder->repository, "egress" S "#%zu" S "host", i);
        bool found = false;

        for (size_t j = 0; host != NULL && j < outer; j++)
            if (strcmp(all[j].host, host->value) == 0 && all[j].port == port_of(builder->repository, i)) {
                chosen[policy->egress_count++] = all[j];
                found = true;
            }
        if (!found)
            return fault_set(builder->fault, FAULT_INVALID,
                             "custody.yaml: egress[%zu] is wider than the organisation's", i);
    }
    policy->egress = inner > 0 ? chosen : all;
    policy->egress_count = inner > 0 ? policy->egress_count : outer;
    return true;
}

static bool build_approvals(struct builder *builder)
{
    struct policy *policy = builder->policy;
    size_t outer_count;
    const char **outer = texts_of(builder, builder->organisation, "approvals" S "from", &outer_count);

    if (!number_of(builder, "approvals" S "count", &policy->approvals))
        return false;
    policy->approvals_from = texts_of(builder, builder->repository, "approvals" S "from", &policy->approvals_from_count);
    if (policy->approvals_from_count == 0) {
        policy->approvals_from = outer;
        policy->approvals_from_count = outer_count;
    }
    for (size_t i = 0; outer_count > 0 && i < policy->approvals_from_count; i++) {
        bool found = false;

        for (size_t j = 0; j < outer_count; j++)
            found = found || strcmp(outer[j], policy->approvals_from[i]) == 0;
        if (!found)
            return fault_set(builder->fault, FAULT_INVALID,
                             "custody.yaml: approvals.from: `%s` is not one of the organisation's groups",
                             policy->approvals_from[i]);
    }
    policy->approvals_zone = map_of(builder, "approvals" S "zone", &policy->approvals_zone_count);
    return true;
}

static bool build_witnesses(struct builder *builder)
{
    struct policy *policy = builder->policy;
    size_t count = list_length(builder->organisation, "ledger" S "witnesses");

    policy->witnesses = own(builder, xalloc_array(count + 1, sizeof(*policy->witnesses)));
    policy->witness_count = count;
    for (size_t i = 0; i < count; i++) {
        struct policy_witness *witness = &policy->witnesses[i];

        witness->url = text_of(builder, builder->organisation, "ledger" S "witnesses", i, "url");
        witness->key = text_of(builder, builder->organisation, "ledger" S "witnesses", i, "key");
        if (witness->url == NULL || witness->key == NULL)
            return fault_set(builder->fault, FAULT_INVALID,
                             "policy.yaml: ledger.witnesses[%zu] needs url and key", i);
    }
    if (!number_of(builder, "ledger" S "require", &policy->witnesses_required))
        return false;
    return (size_t)policy->witnesses_required <= count ||
           fault_set(builder->fault, FAULT_INVALID,
                     "policy.yaml: ledger.require: %lld of %zu witnesses cannot be",
                     (long long)policy->witnesses_required, count);
}

static bool build_rest(struct builder *builder)
{
    struct policy *policy = builder->policy;
    const struct policy_settings *files[] = {builder->organisation, builder->repository};
    int64_t memory, disk;
    size_t checks = list_length(builder->repository, "checks" S "run");
    size_t counts[2];
    const char **lists[2];

    if (!number_of(builder, "resources" S "memory", &memory) ||
        !number_of(builder, "resources" S "disk", &disk) ||
        !number_of(builder, "resources" S "pids", &policy->resources.pids) ||
        !number_of(builder, "resources" S "cpu", &policy->resources.cpu_percent) ||
        !number_of(builder, "limits" S "files", &policy->limit_files) ||
        !number_of(builder, "limits" S "lines", &policy->limit_lines) ||
        !word_of(builder, "phase", "regulated", &policy->phase) ||
        !word_of(builder, "audit", "summary", &policy->audit))
        return false;
    policy->phase = own(builder, xstrdup(policy->phase));
    policy->audit = own(builder, xstrdup(policy->audit));
    policy->resources.memory_bytes = (uint64_t)memory;
    policy->resources.disk_bytes = (uint64_t)disk;
    policy->environment_pass = texts_of(builder, builder->organisation, "environment" S "pass", &policy->environment_pass_count);
    for (size_t i = 0; i < COUNT(files); i++)
        lists[i] = texts_of(builder, files[i], "paths" S "scratch", &counts[i]);
    policy->scratch = own(builder, xalloc_array(counts[0] + counts[1] + 1, sizeof(*policy->scratch)));
    for (size_t i = 0; i < COUNT(files); i++)
        for (size_t j = 0; j < counts[i]; j++)
            policy->scratch[policy->scratch_count++] = lists[i][j];
    policy->checks = own(builder, xalloc_array(checks, sizeof(*policy->checks)));
    policy->check_count = checks;
    for (size_t i = 0; i < checks; i++) {
        AUTO_FREE char *path = xformat("checks" S "run" S "#%zu", i);

        policy->checks[i].argv = texts_of(builder, builder->repository, path, &policy->checks[i].count);
    }
    policy->zones = map_of(builder, "paths" S "zone", &policy->zone_count);
    policy->repository = text_at(builder, builder->repository, "repository");
    policy->owner = text_at(builder, builder->repository, "owner");
    return true;
}

static bool check_owner(struct builder *builder)
{
    const struct policy *policy = builder->policy;

    if (policy->owner == NULL)
        return true;
    for (size_t i = 0; i < policy->people_count; i++)
        if (strcmp(policy->people[i].id, policy->owner) == 0)
            return true;
    return settings_fault(builder->repository, settings_find(builder->repository, "owner"), builder->fault,
                          "owner: `%s` is not one of the organisation's people", policy->owner);
}

static int by_path(const void *a, const void *b)
{
    return strcmp((*(const struct setting *const *)a)->path, (*(const struct setting *const *)b)->path);
}

static bool digest_file(EVP_MD_CTX *hash, const struct policy_settings *settings)
{
    const struct setting **sorted;
    AUTO_FREE void *owner = NULL;
    bool ok = true;

    if (settings == NULL)
        return EVP_DigestUpdate(hash, "-", 1) == 1;
    sorted = xalloc_array(settings->count, sizeof(*sorted));
    owner = sorted;
    for (size_t i = 0; i < settings->count; i++)
        sorted[i] = &settings->at[i];
    qsort(sorted, settings->count, sizeof(*sorted), by_path);
    for (size_t i = 0; ok && i < settings->count; i++)
        ok = EVP_DigestUpdate(hash, sorted[i]->path, strlen(sorted[i]->path) + 1) == 1 &&
             EVP_DigestUpdate(hash, sorted[i]->value, strlen(sorted[i]->value) + 1) == 1;
    return ok && EVP_DigestUpdate(hash, "\n", 1) == 1;
}

/* Goes up when built-in rules or defaults change: what was prepared under the old ones is made anew. */
#define DIGEST_VERSION "custody-policy/1"

/* Over both files' settings, sorted: order of keys, comments and spelling of the YAML do not count. */
static bool digest(struct builder *builder)
{
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    uint8_t bytes[EVP_MAX_MD_SIZE];
    bool ok = hash != NULL && EVP_DigestInit_ex(hash, EVP_sha256(), NULL) == 1 &&
              EVP_DigestUpdate(hash, DIGEST_VERSION, sizeof(DIGEST_VERSION)) == 1 &&
              digest_file(hash, builder->organisation) && digest_file(hash, builder->repository) &&
              EVP_DigestFinal_ex(hash, bytes, NULL) == 1;

    EVP_MD_CTX_free(hash);
    if (!ok)
        return fault_set(builder->fault, FAULT_IO, "digest the policy");
    hex_encode(slice_of_bytes(bytes, 32), builder->policy->digest);
    return true;
}

bool policy_build(const struct policy_settings *organisation,
                  const struct policy_settings *repository, struct policy **ret_policy,
                  struct fault *fault)
{
    struct builder builder = {.organisation = organisation, .repository = repository, .fault = fault};
    struct owned *owned;
    bool ok;

    if (!schema_check(organisation, SCHEMA_ORGANISATION, fault) ||
        (repository != NULL && !schema_check(repository, SCHEMA_REPOSITORY, fault)))
        return false;
    builder.policy = xalloc(sizeof(*builder.policy));
    ok = build_people(&builder) && build_models(&builder) &&
         build_budget(&builder, "run", &builder.policy->budget_run) &&
         build_budget(&builder, "person_day", &builder.policy->budget_person_day) &&
         build_budget(&builder, "repository_day", &builder.policy->budget_repository_day) &&
         build_data(&builder) && build_paths(&builder) && build_agents(&builder) &&
         build_egress(&builder) && build_approvals(&builder) && build_witnesses(&builder) &&
         build_rest(&builder) &&
         check_owner(&builder) && digest(&builder);
    owned = xalloc(sizeof(*owned));
    *owned = builder.owned;
    builder.policy->owned = owned;
    if (!ok) {
        policy_free(builder.policy);
        return false;
    }
    *ret_policy = builder.policy;
    return true;
}

void policy_free(struct policy *policy)
{
    struct owned *owned;

    if (policy == NULL)
        return;
    owned = policy->owned;
    for (size_t i = 0; i < owned->count; i++)
        free(owned->at[i]);
    free(owned->at);
    free(owned);
    free(policy->read_deny.at);
    free(policy->write_allow.at);
    free(policy->write_deny.at);
    free(policy);
}
