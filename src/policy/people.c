/* Who there is, who owns, who must approve. */
#include <stdlib.h>

#include "base/scope.h"
#include "policy/builder.h"

#define S POLICY_SEP

bool build_people(struct builder *builder)
{
    struct policy *policy = builder->policy;

    policy->people_count = builder_list_length(builder->organisation, "people");
    policy->people =
        builder_own(builder, xalloc_array(policy->people_count, sizeof(*policy->people)));
    for (size_t i = 0; i < policy->people_count; i++) {
        struct policy_person *person = &policy->people[i];
        AUTO_FREE char *groups = xformat("people" S "#%zu" S "groups", i);
        AUTO_FREE char *ssh = xformat("people" S "#%zu" S "ssh", i);

        person->id = builder_text_of(builder, builder->organisation, "people", i, "id");
        person->email = builder_text_of(builder, builder->organisation, "people", i, "email");
        person->groups =
            builder_texts_of(builder, builder->organisation, groups, &person->group_count);
        person->ssh =
            builder_texts_of(builder, builder->organisation, ssh, &person->ssh_count);
        if (person->id == NULL)
            return fault_set(builder->fault, FAULT_INVALID,
                             "policy.yaml: people[%zu] has no id", i);
        for (size_t j = 0; j < i; j++)
            if (strcmp(policy->people[j].id, person->id) == 0)
                return fault_set(builder->fault, FAULT_INVALID,
                                 "policy.yaml: person %s is there twice", person->id);
    }
    return true;
}

static bool is_in(const struct policy_person *person, const char *const *groups, size_t count)
{
    for (size_t i = 0; i < person->group_count; i++)
        for (size_t j = 0; j < count; j++)
            if (strcmp(person->groups[i], groups[j]) == 0)
                return true;
    return count == 0;
}

/* How many people there are of the groups; none named: of all. */
static size_t people_of(const struct policy *policy, const char *const *groups, size_t count)
{
    size_t people = 0;

    for (size_t i = 0; i < policy->people_count; i++)
        people += is_in(&policy->people[i], groups, count);
    return people;
}

/* A number of approvals that nobody could ever collect is a mistake, not a rule. */
static bool check_count(struct builder *builder, const struct policy_settings *settings,
                        const struct setting *setting)
{
    const struct policy *policy = builder->policy;
    size_t people = people_of(policy, policy->approvals_from, policy->approvals_from_count);
    char shown[200];

    if (setting->kind != SETTING_VALUE ||
        schema_number(schema_find(setting->path), setting->value) <= (int64_t)people)
        return true;
    settings_show_path(setting->path, shown, sizeof(shown));
    return settings_fault(
        settings, setting, builder->fault, "%s: %s people must approve and there are %zu%s",
        shown, setting->value, people,
        policy->approvals_from_count > 0 ? " in the groups of approvals.from" : "");
}

static bool check_group(struct builder *builder, const struct policy_settings *settings,
                        const struct setting *setting)
{
    const char *group = setting->value;

    return setting->kind != SETTING_VALUE || people_of(builder->policy, &group, 1) > 0 ||
           settings_fault(settings, setting, builder->fault,
                          "approvals.from: nobody is in group `%s`", group);
}

static bool check_approvals(struct builder *builder)
{
    static const struct {
        const char *path;
        bool (*check)(struct builder *builder, const struct policy_settings *settings,
                      const struct setting *setting);
    } checks[] = {
        {"approvals" S "from" S, check_group},
        {"approvals" S "count", check_count},
    };
    const struct policy_settings *files[] = {builder->organisation, builder->repository};

    for (size_t i = 0; i < COUNT(checks); i++)
        for (size_t j = 0; j < COUNT(files); j++)
            for (size_t k = 0; files[j] != NULL && k < files[j]->count; k++)
                if (strncmp(files[j]->at[k].path, checks[i].path, strlen(checks[i].path)) ==
                        0 &&
                    !checks[i].check(builder, files[j], &files[j]->at[k]))
                    return false;
    return true;
}

bool build_approvals(struct builder *builder)
{
    struct policy *policy = builder->policy;
    size_t outer_count;
    const char **outer =
        builder_texts_of(builder, builder->organisation, "approvals" S "from", &outer_count);

    if (!builder_number(builder, "approvals" S "count", &policy->approvals))
        return false;
    policy->approvals_from = builder_texts_of(
        builder, builder->repository, "approvals" S "from", &policy->approvals_from_count);
    if (policy->approvals_from_count == 0) {
        policy->approvals_from = outer;
        policy->approvals_from_count = outer_count;
    }
    for (size_t i = 0; outer_count > 0 && i < policy->approvals_from_count; i++) {
        bool found = false;

        for (size_t j = 0; j < outer_count; j++)
            found = found || strcmp(outer[j], policy->approvals_from[i]) == 0;
        if (!found)
            return fault_set(
                builder->fault, FAULT_INVALID,
                "custody.yaml: approvals.from: `%s` is not one of the organisation's groups",
                policy->approvals_from[i]);
    }
    policy->approvals_zone =
        builder_map(builder, "approvals" S "zone", &policy->approvals_zone_count);
    return check_approvals(builder);
}

bool build_owner(struct builder *builder)
{
    const struct policy *policy = builder->policy;

    if (policy->owner == NULL)
        return true;
    for (size_t i = 0; i < policy->people_count; i++)
        if (strcmp(policy->people[i].id, policy->owner) == 0)
            return true;
    return settings_fault(
        builder->repository, settings_find(builder->repository, "owner"), builder->fault,
        "owner: `%s` is not one of the organisation's people", policy->owner);
}
