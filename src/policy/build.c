/* The effective policy: the organisation's settings, narrowed by the repository's. */
#include <stdio.h>
#include <stdlib.h>

#include "base/scope.h"
#include "policy/builder.h"
#include "policy/glob.h"

#define S POLICY_SEP

static bool build_budget(struct builder *builder, const char *name,
                         struct policy_budget *budget)
{
    AUTO_FREE char *tokens = xformat("budgets" S "%s" S "tokens", name);
    AUTO_FREE char *usd = xformat("budgets" S "%s" S "usd", name);
    AUTO_FREE char *calls = xformat("budgets" S "%s" S "calls", name);
    AUTO_FREE char *minutes = xformat("budgets" S "%s" S "minutes", name);

    return builder_number(builder, tokens, &budget->tokens) &&
           builder_number(builder, usd, &budget->micro_usd) &&
           builder_number(builder, calls, &budget->calls) &&
           builder_number(builder, minutes, &budget->minutes);
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
            return settings_fault(settings, any, builder->fault,
                                  "data.%s has no verdict for `%s`", class_name(class),
                                  where_names[where]);
    return true;
}

static bool build_copies(struct builder *builder, enum data_class class)
{
    AUTO_FREE char *path = xformat("data" S "%s" S "copies", class_name(class));
    const char *word;

    if (!builder_word(builder, path, "block", &word))
        return false;
    builder->policy->keeps_copies[class] = strcmp(word, "keep") == 0;
    return true;
}

static bool build_answers(struct builder *builder, enum data_class class)
{
    AUTO_FREE char *path = xformat("data" S "%s" S "answers", class_name(class));
    const char *word;

    if (!builder_word(builder, path, "report", &word))
        return false;
    if (strcmp(word, "cut") == 0)
        builder->policy->cut_answers |= CLASS_BIT(class);
    return true;
}

static bool build_data(struct builder *builder)
{
    for (unsigned class = 0; class < CLASS_COUNT; class ++) {
        enum verdict *verdicts = builder->policy->data[class];

        if (!check_class_whole(builder, builder->organisation, (enum data_class) class) ||
            (builder->repository != NULL &&
             !check_class_whole(builder, builder->repository, (enum data_class) class)))
            return false;
        for (unsigned where = 0; where < POLICY_WHERE_COUNT; where++) {
            AUTO_FREE char *path = xformat(
                "data" S "%s" S "%s", class_name((enum data_class) class), where_names[where]);
            const char *word;

            if (!builder_word(builder, path, verdict_name(data_defaults[class][where]),
                              &word) ||
                !verdict_parse(slice_of(word), &verdicts[where]))
                return false;
        }
        if (!build_copies(builder, (enum data_class) class) ||
            !build_answers(builder, (enum data_class) class))
            return false;
        if ((class == CLASS_OPAQUE || class == CLASS_CODE) &&
            verdicts[POLICY_VIEW] == VERDICT_REDACT)
            return fault_set(builder->fault, FAULT_INVALID,
                             "data.%s.view: redact has nothing to replace: say allow or deny",
                             class_name((enum data_class) class));
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
    *rule = (struct policy_rule){.glob = builder_own(builder, xstrdup(setting->value)),
                                 .must_match = must_match,
                                 .file = builder_own(builder, xstrdup(settings->file)),
                                 .line = setting->line,
                                 .own = settings == builder->repository};
    settings_show_path(path, rule->text, sizeof(rule->text));
}

bool builder_rules(struct builder *builder, const struct policy_settings *settings,
                   const char *path, struct policy_rules *rules)
{
    size_t count = builder_list_length(settings, path);

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

/* Names in front of the first pattern character: what all that the glob matches is below.
 * Empty: none. */
static struct slice literal_folder(struct slice glob)
{
    struct slice rest = glob, name;
    size_t end = 0;

    if (slice_find_byte(glob, '/', 0) == SIZE_MAX && glob.len > 0)
        return slice_part(glob, 0, 0); /* a name at any depth */
    while (slice_cut(&rest, '/', &name)) {
        for (size_t i = 0; i < name.len; i++)
            if (strchr("*?[", name.at[i]) != NULL)
                return slice_part(glob, 0, end == 0 ? 0 : end - 1);
        end += name.len + 1;
    }
    return glob;
}

/*
 * Is all that `allow` matches denied? Only where that is certain: the same text, everything, a
 * folder that holds it all, or the names it ends in.
 */
static bool covers(struct slice deny, struct slice allow)
{
    struct slice folder = literal_folder(allow);
    struct slice last = allow;

    if (slice_equal(deny, SLICE("**")) || slice_equal(deny, allow))
        return true;
    if (folder.len > 0 && glob_matches(deny, folder, true))
        return true;
    if (slice_ends_with(deny, SLICE("/**")) && folder.len > 0 && folder.len < allow.len &&
        glob_matches(slice_part(deny, 0, deny.len - 3), folder, true))
        return true;
    while (slice_find_byte(last, '/', 0) != SIZE_MAX)
        last = slice_part(last, slice_find_byte(last, '/', 0) + 1, last.len);
    if (slice_starts_with(deny, SLICE("**/")))
        deny = slice_part(deny, 3, deny.len);
    return slice_find_byte(deny, '/', 0) == SIZE_MAX && slice_equal(deny, last);
}

/* A repository that denies what the organisation allows narrows; anyone else contradicts. */
static bool contradicts(const struct policy_rule *allow, const struct policy_rule *deny)
{
    return (allow->own || !deny->own) && covers(slice_of(deny->glob), slice_of(allow->glob));
}

/* An allow that a deny covers whole can never match. */
static bool check_shadowed(struct builder *builder)
{
    const struct policy *policy = builder->policy;
    const struct policy_rules *denies[] = {&policy->write_deny, &policy->read_deny};

    for (size_t i = 0; i < policy->write_allow.count; i++) {
        const struct policy_rule *allow = &policy->write_allow.at[i];
        struct slice folder = literal_folder(slice_of(allow->glob));

        if (folder.len > 0 && policy_never_writable(folder))
            return fault_set(builder->fault, FAULT_INVALID,
                             "%s:%u: %s `%s` can never match: no policy can allow it",
                             allow->file, allow->line, allow->text, allow->glob);
        for (size_t j = 0; j < COUNT(denies); j++)
            for (size_t k = 0; k < denies[j]->count; k++) {
                const struct policy_rule *deny = &denies[j]->at[k];

                if (contradicts(allow, deny))
                    return fault_set(
                        builder->fault, FAULT_INVALID,
                        "%s:%u: %s `%s` can never match: %s `%s` (%s:%u) denies all of it",
                        allow->file, allow->line, allow->text, allow->glob, deny->text,
                        deny->glob, deny->file, deny->line);
            }
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
                                  "paths.write.allow: an empty list would allow nothing: name "
                                  "patterns, or say agents.ROLE.write: none");
    }
    for (size_t i = 0; i < COUNT(files); i++)
        if (files[i] != NULL && (!builder_rules(builder, files[i], "paths" S "read" S "deny",
                                                &policy->read_deny) ||
                                 !builder_rules(builder, files[i], "paths" S "write" S "allow",
                                                &policy->write_allow) ||
                                 !builder_rules(builder, files[i], "paths" S "write" S "deny",
                                                &policy->write_deny)))
            return false;
    policy->zones = builder_map(builder, "paths" S "zone", &policy->zone_count);
    if (!builder_word(builder, "paths" S "read" S "hide_names", "true", &word))
        return false;
    policy->hide_names = strcmp(word, "true") == 0;
    return check_shadowed(builder);
}

/* A mount of ours in a folder that an agent has written could be led anywhere. */
static bool is_in_build_cache(const char *cache)
{
    struct slice rest = slice_of(cache), first = {0};

    return slice_cut(&rest, '/', &first) && slice_equal(first, SLICE(".cache"));
}

/* A cache lies below HOME: what else is there is the cell's own. */
static bool build_caches(struct builder *builder)
{
    struct policy *policy = builder->policy;

    policy->caches = builder_map(builder, "caches", &policy->cache_count);
    for (size_t i = 0; i < policy->cache_count; i++) {
        struct slice rest = slice_of(policy->caches[i].glob), part;
        bool plain = rest.len > 0;

        while (plain && slice_cut(&rest, '/', &part))
            plain = part.len > 0 && !slice_equal(part, SLICE(".")) &&
                    !slice_equal(part, SLICE(".."));
        if (!plain)
            return fault_set(builder->fault, FAULT_INVALID,
                             "policy.yaml: caches: `%.100s` is no folder below HOME",
                             policy->caches[i].glob);
        if (policy->resources.build_cache_bytes > 0 &&
            is_in_build_cache(policy->caches[i].glob))
            return fault_set(
                builder->fault, FAULT_INVALID,
                "policy.yaml: caches: `%.100s` would lie in ~/.cache, which agents "
                "write (resources: build_cache); name it otherwise",
                policy->caches[i].glob);
    }
    return true;
}

static bool build_witnesses(struct builder *builder)
{
    struct policy *policy = builder->policy;
    size_t count = builder_list_length(builder->organisation, "ledger" S "witnesses");
    const char *filesystem;

    policy->witnesses =
        builder_own(builder, xalloc_array(count + 1, sizeof(*policy->witnesses)));
    policy->witness_count = count;
    for (size_t i = 0; i < count; i++) {
        struct policy_witness *witness = &policy->witnesses[i];

        witness->url =
            builder_text_of(builder, builder->organisation, "ledger" S "witnesses", i, "url");
        witness->key =
            builder_text_of(builder, builder->organisation, "ledger" S "witnesses", i, "key");
        if (witness->url == NULL || witness->key == NULL)
            return fault_set(builder->fault, FAULT_INVALID,
                             "policy.yaml: ledger.witnesses[%zu] needs url and key", i);
    }
    if (!builder_number(builder, "ledger" S "require", &policy->witnesses_required) ||
        !builder_number(builder, "ledger" S "quorum_seconds", &policy->quorum_seconds) ||
        !builder_word(builder, "ledger" S "filesystem", "local", &filesystem))
        return false;
    policy->any_filesystem = strcmp(filesystem, "any") == 0;
    return (size_t)policy->witnesses_required <= count ||
           fault_set(builder->fault, FAULT_INVALID,
                     "policy.yaml: ledger.require: %lld of %zu witnesses cannot be",
                     (long long)policy->witnesses_required, count);
}

static bool build_rest(struct builder *builder)
{
    struct policy *policy = builder->policy;
    const struct policy_settings *files[] = {builder->organisation, builder->repository};
    const char *containment;
    int64_t memory, disk, io, build_cache;
    size_t checks = builder_list_length(builder->repository, "checks" S "run");
    size_t counts[2];
    const char **lists[2];

    if (!builder_number(builder, "resources" S "memory", &memory) ||
        !builder_number(builder, "resources" S "disk", &disk) ||
        !builder_number(builder, "resources" S "build_cache", &build_cache) ||
        !builder_number(builder, "resources" S "io", &io) ||
        !builder_number(builder, "resources" S "pids", &policy->resources.pids) ||
        !builder_number(builder, "resources" S "cpu", &policy->resources.cpu_percent) ||
        !build_retention(builder) || !build_toolchain(builder) ||
        !builder_number(builder, "limits" S "files", &policy->limit_files) ||
        !builder_number(builder, "limits" S "lines", &policy->limit_lines) ||
        !builder_word(builder, "phase", "regulated", &policy->phase) ||
        !builder_word(builder, "containment", "full", &containment) ||
        !builder_word(builder, "audit", "summary", &policy->audit))
        return false;
    policy->resources.build_cache_bytes = (uint64_t)build_cache;
    if (!build_caches(builder))
        return false;
    policy->degraded = strcmp(containment, "degraded") == 0;
    policy->phase = builder_own(builder, xstrdup(policy->phase));
    policy->audit = builder_own(builder, xstrdup(policy->audit));
    policy->resources.memory_bytes = (uint64_t)memory;
    policy->resources.disk_bytes = (uint64_t)disk;
    policy->resources.io_bytes = (uint64_t)io;
    policy->environment_pass =
        builder_texts_of(builder, builder->organisation, "environment" S "pass",
                         &policy->environment_pass_count);
    for (size_t i = 0; i < COUNT(files); i++)
        lists[i] = builder_texts_of(builder, files[i], "paths" S "scratch", &counts[i]);
    policy->scratch = builder_own(
        builder, xalloc_array(counts[0] + counts[1] + 1, sizeof(*policy->scratch)));
    for (size_t i = 0; i < COUNT(files); i++)
        for (size_t j = 0; j < counts[i]; j++)
            policy->scratch[policy->scratch_count++] = lists[i][j];
    policy->checks = builder_own(builder, xalloc_array(checks, sizeof(*policy->checks)));
    policy->check_count = checks;
    for (size_t i = 0; i < checks; i++) {
        AUTO_FREE char *path = xformat("checks" S "run" S "#%zu", i);

        policy->checks[i].argv =
            builder_texts_of(builder, builder->repository, path, &policy->checks[i].count);
    }
    policy->repository = builder_text_at(builder, builder->repository, "repository");
    policy->owner = builder_text_at(builder, builder->repository, "owner");
    return true;
}

bool policy_build(const struct policy_settings *organisation,
                  const struct policy_settings *repository, struct policy **ret_policy,
                  struct fault *fault)
{
    struct builder builder = {
        .organisation = organisation, .repository = repository, .fault = fault};
    struct owned *owned;
    bool ok;

    if (!schema_check(organisation, SCHEMA_ORGANISATION, fault) ||
        (repository != NULL && !schema_check(repository, SCHEMA_REPOSITORY, fault)))
        return false;
    builder.policy = xalloc(sizeof(*builder.policy));
    ok = build_people(&builder) && build_models(&builder) && build_servers(&builder) &&
         build_budget(&builder, "run", &builder.policy->budget_run) &&
         build_budget(&builder, "agent_day", &builder.policy->budget_agent_day) &&
         build_budget(&builder, "person_day", &builder.policy->budget_person_day) &&
         build_budget(&builder, "repository_day", &builder.policy->budget_repository_day) &&
         build_data(&builder) && build_paths(&builder) && build_routing(&builder) &&
         build_agents(&builder) && build_egress(&builder) && build_approvals(&builder) &&
         build_witnesses(&builder) && build_rest(&builder) && build_owner(&builder) &&
         build_digest(&builder);
    build_model_classes(builder.policy);
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
    for (size_t i = 0; i < policy->agent_count; i++)
        free(policy->agents[i].read_deny.at);
    free(policy->agents);
    free(policy->read_deny.at);
    free(policy->write_allow.at);
    free(policy->write_deny.at);
    free(policy);
}
