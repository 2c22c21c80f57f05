/* The questions that a run asks of its policy. */
#include <stdlib.h>

#include "base/scope.h"
#include "policy/glob.h"
#include "policy/policy.h"

/*
 * Never writable by an agent, whatever policy says: what decides over it (policy, CI, owners)
 * and what runs outside of the cell because it is there (hooks, git's own files).
 */
static const char *const never_writable[] = {
    ".git*",
    "CODEOWNERS",
    "Jenkinsfile*",
    "azure-pipelines*",
    "bitbucket-pipelines*",
    ".circleci",
    ".travis.*",
    ".drone.*",
    ".woodpecker*",
    ".buildkite",
    ".forgejo",
    ".gitea",
    ".teamcity",
    ".husky",
    "lefthook.*",
    ".lefthook.*",
    ".pre-commit-config.*",
    ".pre-commit-hooks.*",
    "appveyor.*",
    ".cirrus.*",
};

/* at the root; one of that name elsewhere is only a file */
#define POLICY_FILE "custody.yaml"
#define BUILT_IN_RULE "never-writable"
/* of all that git obeys the one file that says nothing about what is outside of its folder */
#define IGNORE_FILE "/.gitignore"

bool policy_never_writable(struct slice path)
{
    for (size_t i = 0; i < COUNT(never_writable); i++)
        if (glob_matches(slice_of(never_writable[i]), path, true))
            return true;
    return slice_find_byte(path, '/', 0) == SIZE_MAX &&
           glob_matches(SLICE(POLICY_FILE), path, true);
}

static void tell_rule(const char **ret_rule, const char *rule)
{
    if (ret_rule != NULL)
        *ret_rule = rule;
}

/* What `agents` says of the role, or NULL. */
static const struct policy_agent *agent_of(const struct policy *policy, const char *role)
{
    for (size_t i = 0; i < policy->agent_count; i++)
        if (strcmp(policy->agents[i].role, role) == 0)
            return &policy->agents[i];
    return NULL;
}

/* Everybody's rules and the role's own: a path that any of them matches is denied. */
struct read_rules {
    const struct policy_rules *of[2];
    size_t count;
};

static struct read_rules read_rules_of(const struct policy *policy, const char *role)
{
    const struct policy_agent *agent = agent_of(policy, role);
    struct read_rules rules = {.of = {&policy->read_deny}, .count = 1};

    if (agent != NULL)
        rules.of[rules.count++] = &agent->read_deny;
    return rules;
}

enum verdict policy_read_verdict(const struct policy *policy, const char *role,
                                 struct slice path, const char **ret_rule)
{
    struct read_rules rules = read_rules_of(policy, role);

    for (size_t i = 0; i < rules.count; i++)
        for (size_t j = 0; j < rules.of[i]->count; j++)
            if (glob_matches(slice_of(rules.of[i]->at[j].glob), path, true)) {
                tell_rule(ret_rule, rules.of[i]->at[j].text);
                return VERDICT_DENY;
            }
    return VERDICT_ALLOW;
}

bool policy_hides_names(const struct policy *policy, const char *role)
{
    const struct policy_agent *agent = agent_of(policy, role);

    return agent == NULL ? policy->hide_names : agent->hide_names;
}

enum verdict policy_class_verdict(const struct policy *policy, enum data_class class,
                                  enum policy_where where)
{
    return policy->data[class][where];
}

enum verdict policy_mask_verdict(const struct policy *policy, unsigned class_mask,
                                 enum policy_where where)
{
    enum verdict strictest = class_mask == 0 ? policy->data[CLASS_CODE][where] : VERDICT_ALLOW;

    for (unsigned class = 0; class < CLASS_COUNT; class ++)
        if ((class_mask & CLASS_BIT(class)) != 0 && policy->data[class][where] > strictest)
            strictest = policy->data[class][where];
    return strictest;
}

bool policy_role_check(const struct policy *policy, const char *role, struct fault *fault)
{
    AUTO_BUF struct buf names = buf_with_limit(120); /* those that there is room for */
    struct fault full = {0};

    if (policy->agent_count == 0 || strcmp(role, POLICY_ROLE_DEFAULT) == 0 ||
        agent_of(policy, role) != NULL)
        return true;
    for (size_t i = 0; i < policy->agent_count; i++)
        (void)!buf_add_format(&names, &full, "%s%s", i == 0 ? "" : ", ",
                              policy->agents[i].role);
    return fault_set(fault, FAULT_INVALID,
                     "the policy has no role %.40s; `agents` of custody.yaml names %s", role,
                     buf_text(&names));
}

static bool role_may_write(const struct policy *policy, const char *role)
{
    const struct policy_agent *agent = agent_of(policy, role);

    return agent == NULL || agent->may_write;
}

/* Allows of one file: none named allows all. `own` tells whose. */
static bool allowed_by(const struct policy_rules *rules, bool own, struct slice path)
{
    bool any = false;

    for (size_t i = 0; i < rules->count; i++) {
        if (rules->at[i].own != own)
            continue;
        any = true;
        if (glob_matches(slice_of(rules->at[i].glob), path, false))
            return true;
    }
    return !any;
}

static bool planned(const struct policy *policy, struct slice path)
{
    for (size_t i = 0; i < policy->plan_write_count; i++)
        if (glob_matches(slice_of(policy->plan_write[i]), path, false))
            return true;
    return policy->plan_write_count == 0;
}

/* A folder that can be written at all, and that nothing of the repository is in. */
static bool is_ignore_of_cache(struct slice path, bool in_new_folder)
{
    return in_new_folder && slice_ends_with(path, SLICE(IGNORE_FILE)) &&
           !policy_never_writable(slice_part(path, 0, path.len - strlen(IGNORE_FILE)));
}

bool policy_write_allowed(const struct policy *policy, const char *role, struct slice path,
                          bool in_new_folder, const char **ret_rule)
{
    if (policy_never_writable(path) && !is_ignore_of_cache(path, in_new_folder)) {
        tell_rule(ret_rule, BUILT_IN_RULE);
        return false;
    }
    if (!role_may_write(policy, role)) {
        tell_rule(ret_rule, "agents.write");
        return false;
    }
    for (size_t i = 0; i < policy->write_deny.count; i++)
        if (glob_matches(slice_of(policy->write_deny.at[i].glob), path, true)) {
            tell_rule(ret_rule, policy->write_deny.at[i].text);
            return false;
        }
    if (!allowed_by(&policy->write_allow, false, path) ||
        !allowed_by(&policy->write_allow, true, path)) {
        tell_rule(ret_rule, "paths.write.allow");
        return false;
    }
    if (!planned(policy, path)) {
        tell_rule(ret_rule, "plan.write");
        return false;
    }
    return true;
}

bool policy_plan_writes(struct policy *policy, const char *const *globs, size_t count,
                        struct fault *fault)
{
    for (size_t i = 0; i < count; i++)
        if (!glob_check(slice_of(globs[i]), fault))
            return fault_in(fault, "the plan may write `%.100s`", globs[i]);
    policy->plan_write = globs;
    policy->plan_write_count = count;
    return true;
}

int64_t policy_approvals_for(const struct policy *policy, const char *const *zones,
                             size_t count)
{
    int64_t needed = policy->approvals;

    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < policy->approvals_zone_count; j++) {
            long long more = strtoll(policy->approvals_zone[j].zone, NULL, 10);

            if (strcmp(policy->approvals_zone[j].glob, zones[i]) == 0 && more > needed)
                needed = more;
        }
    return needed;
}

/* Of several zones that a path is in, the one that asks for the most people. */
const char *policy_zone_of(const struct policy *policy, struct slice path)
{
    const char *zone = NULL;

    for (size_t i = 0; i < policy->zone_count; i++)
        if (glob_matches(slice_of(policy->zones[i].glob), path, true) &&
            (zone == NULL || policy_approvals_for(policy, &policy->zones[i].zone, 1) >
                                 policy_approvals_for(policy, &zone, 1)))
            zone = policy->zones[i].zone;
    return zone;
}

static const struct policy_rule *rule_among(const struct policy_rules *rules, const char *rule)
{
    for (size_t i = 0; i < rules->count; i++)
        if (rules->at[i].text == rule)
            return &rules->at[i];
    return NULL;
}

const struct policy_rule *policy_rule_find(const struct policy *policy, const char *rule)
{
    const struct policy_rules *all[] = {&policy->read_deny, &policy->write_allow,
                                        &policy->write_deny};
    const struct policy_rule *found = NULL;

    for (size_t i = 0; found == NULL && i < COUNT(all); i++)
        found = rule_among(all[i], rule);
    for (size_t i = 0; found == NULL && i < policy->agent_count; i++)
        found = rule_among(&policy->agents[i].read_deny, rule);
    return found;
}

struct policy_matching {
    struct read_rules rules;
    bool *matched[COUNT(((struct read_rules *)NULL)->of)]; /* of each list, each rule */
};

struct policy_matching *policy_matching_new(const struct policy *policy, const char *role)
{
    struct policy_matching *matching = xalloc(sizeof(*matching));

    matching->rules = read_rules_of(policy, role);
    for (size_t i = 0; i < matching->rules.count; i++)
        matching->matched[i] =
            xalloc_array(matching->rules.of[i]->count, sizeof(*matching->matched[i]));
    return matching;
}

void policy_match_path(struct policy_matching *matching, struct slice path)
{
    for (size_t i = 0; i < matching->rules.count; i++) {
        const struct policy_rules *rules = matching->rules.of[i];

        for (size_t j = 0; j < rules->count; j++)
            if (rules->at[j].must_match && !matching->matched[i][j])
                matching->matched[i][j] =
                    glob_matches(slice_of(rules->at[j].glob), path, true);
    }
}

bool policy_matching_end(struct policy_matching *matching, struct fault *fault)
{
    bool ok = true;

    for (size_t i = 0; i < matching->rules.count; i++) {
        const struct policy_rules *rules = matching->rules.of[i];

        for (size_t j = 0; ok && j < rules->count; j++)
            if (rules->at[j].must_match && !matching->matched[i][j])
                ok = fault_set(fault, FAULT_INVALID,
                               "%s:%u: %s `%s` must match and matches nothing",
                               rules->at[j].file, rules->at[j].line, rules->at[j].text,
                               rules->at[j].glob);
        free(matching->matched[i]);
    }
    free(matching);
    return ok;
}
