/* The roles of `agents`: what runs as each, and what each may do less than all may. */
#include "base/scope.h"
#include "policy/builder.h"

#define S POLICY_SEP
#define AGENTS "agents"

static bool has_model(const struct policy *policy, const char *name)
{
    for (size_t i = 0; i < policy->model_count; i++)
        if (strcmp(policy->models[i].name, name) == 0)
            return true;
    return false;
}

/* No weaker than what holds for all: paths.read.hide_names is known by now. */
static bool build_hide_names(struct builder *builder, struct policy_agent *agent)
{
    const struct setting *hide =
        settings_find(builder->repository, AGENTS S "%s" S "read" S "hide_names", agent->role);

    agent->hide_names = builder->policy->hide_names;
    if (hide == NULL)
        return true;
    agent->hide_names = strcmp(hide->value, "true") == 0;
    return agent->hide_names || !builder->policy->hide_names ||
           settings_fault(builder->repository, hide, builder->fault,
                          "agents.%s.read.hide_names: `false` is wider than "
                          "paths.read.hide_names, which holds for every role",
                          agent->role);
}

static bool build_agent(struct builder *builder, struct policy_agent *agent)
{
    const struct policy_settings *settings = builder->repository;
    const struct setting *model =
        settings_find(settings, AGENTS S "%s" S "model", agent->role);
    const struct setting *write =
        settings_find(settings, AGENTS S "%s" S "write", agent->role);
    AUTO_FREE char *engine = xformat(AGENTS S "%s" S "engine", agent->role);
    AUTO_FREE char *deny = xformat(AGENTS S "%s" S "read" S "deny", agent->role);

    agent->engine = builder_text_at(builder, settings, engine);
    if (model != NULL)
        agent->model = builder_own(builder, xstrdup(model->value));
    agent->may_write = write == NULL || strcmp(write->value, "none") != 0;
    if (model != NULL && !has_model(builder->policy, model->value))
        return settings_fault(
            settings, model, builder->fault,
            "agents.%s.model: the organisation has no model `%s` for this repository",
            agent->role, model->value);
    return build_hide_names(builder, agent) &&
           builder_rules(builder, settings, deny, &agent->read_deny);
}

bool build_agents(struct builder *builder)
{
    struct policy *policy = builder->policy;
    size_t room = 0;

    for (size_t i = 0; builder->repository != NULL && i < builder->repository->count; i++) {
        struct slice rest = slice_of(builder->repository->at[i].path);
        struct slice part = {0}, role = {0};
        struct policy_agent *agent;
        bool known = false;

        if (!slice_cut(&rest, POLICY_SEP_BYTE, &part) || !slice_equal(part, SLICE(AGENTS)) ||
            !slice_cut(&rest, POLICY_SEP_BYTE, &role))
            continue;
        for (size_t j = 0; j < policy->agent_count; j++)
            known = known || slice_equal(slice_of(policy->agents[j].role), role);
        if (known)
            continue;
        policy->agents =
            xgrow(policy->agents, &room, policy->agent_count + 1, sizeof(*policy->agents));
        agent = &policy->agents[policy->agent_count++];
        *agent = (struct policy_agent){.role = builder_own(builder, slice_dup(role))};
        if (!build_agent(builder, agent))
            return false;
    }
    return true;
}
