/* How long records and payloads are kept. */
#include "policy/builder.h"

#define S POLICY_SEP

/* Whole leap years: never a day too short. */
static const struct profile {
    const char *name;
    int64_t days; /* 0: for ever */
} profiles[] = {
    {"none", 0},
    {"pci", 366},    /* PCI DSS 4.0, 10.5.1: 12 months, three of them at hand */
    {"hipaa", 2192}, /* 45 CFR 164.316(b)(2)(i): 6 years */
};

/* Days that another setting may not exceed; a contradiction is a mistake, not a rule. */
static bool check_within(struct builder *builder, const char *path, int64_t days)
{
    const struct policy *policy = builder->policy;
    const struct setting *setting = settings_find(builder->organisation, "%s", path);
    char shown[200];

    if (policy->retention_days == 0 || days <= policy->retention_days)
        return true;
    settings_show_path(path, shown, sizeof(shown));
    return settings_fault(builder->organisation, setting, builder->fault,
                          "%s: %lld days are longer than profile `%s` keeps records (%lld)",
                          shown, (long long)days, policy->retention_profile,
                          (long long)policy->retention_days);
}

bool build_retention(struct builder *builder)
{
    struct policy *policy = builder->policy;
    const char *name;

    if (!builder_word(builder, "retention" S "profile", profiles[0].name, &name) ||
        !builder_number(builder, "retention" S "hot", &policy->hot_days) ||
        !builder_number(builder, "retention" S "payloads", &policy->payload_days))
        return false;
    for (size_t i = 0; i < COUNT(profiles); i++)
        if (strcmp(profiles[i].name, name) == 0) {
            policy->retention_profile = profiles[i].name;
            policy->retention_days = profiles[i].days;
        }
    return check_within(builder, "retention" S "hot", policy->hot_days) &&
           check_within(builder, "retention" S "payloads", policy->payload_days);
}
