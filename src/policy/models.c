/* Models, and which role uses which. */
#include "base/scope.h"
#include "policy/builder.h"

#define S POLICY_SEP

static void build_allow(const struct policy_settings *settings, size_t index,
                        struct policy_model *model)
{
    for (size_t i = 0;; i++) {
        const struct setting *setting =
            settings_find(settings, "models" S "#%zu" S "allow" S "#%zu", index, i);
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

bool build_models(struct builder *builder)
{
    struct policy *policy = builder->policy;
    const struct policy_settings *settings = builder->organisation;

    policy->model_count = builder_list_length(settings, "models");
    policy->models =
        builder_own(builder, xalloc_array(policy->model_count, sizeof(*policy->models)));
    for (size_t i = 0; i < policy->model_count; i++) {
        struct policy_model *model = &policy->models[i];
        AUTO_FREE char *key_file = xformat("models" S "#%zu" S "key" S "file", i);
        AUTO_FREE char *key_environment = xformat("models" S "#%zu" S "key" S "env", i);
        AUTO_FREE char *expires = xformat("models" S "#%zu" S "expires", i);
        AUTO_FREE char *input = xformat("models" S "#%zu" S "prices" S "input", i);
        AUTO_FREE char *output = xformat("models" S "#%zu" S "prices" S "output", i);

        model->name = builder_text_of(builder, settings, "models", i, "name");
        model->url = builder_text_of(builder, settings, "models", i, "url");
        model->dialect = builder_text_of(builder, settings, "models", i, "dialect");
        model->residency = builder_text_of(builder, settings, "models", i, "residency");
        model->contract = builder_text_of(builder, settings, "models", i, "contract");
        model->ca = builder_text_of(builder, settings, "models", i, "ca");
        model->key_file = builder_text_at(builder, settings, key_file);
        model->key_environment = builder_text_at(builder, settings, key_environment);
        model->expires_us = builder_number_in(settings, expires);
        model->price_input = builder_number_in(settings, input);
        model->price_output = builder_number_in(settings, output);
        build_allow(settings, i, model);
        if (model->name == NULL || model->url == NULL || model->dialect == NULL)
            return fault_set(builder->fault, FAULT_INVALID,
                             "policy.yaml: models[%zu] needs a name, a url and a dialect", i);
        for (size_t j = 0; j < i; j++)
            if (strcmp(policy->models[j].name, model->name) == 0)
                return fault_set(builder->fault, FAULT_INVALID,
                                 "policy.yaml: model %s is there twice", model->name);
        if (model->key_file != NULL && model->key_environment != NULL)
            return fault_set(builder->fault, FAULT_INVALID,
                             "policy.yaml: model %s names two keys", model->name);
        if ((model->allow & model->allow_redacted) != 0)
            return fault_set(
                builder->fault, FAULT_INVALID,
                "policy.yaml: model %s allows a class both as it is and only redacted",
                model->name);
    }
    return true;
}

#define ZONE_PHI "phi"
#define ON_PREMISES "on-premises"

static bool has_zone(const struct policy *policy, const char *zone)
{
    for (size_t i = 0; i < policy->zone_count; i++)
        if (strcmp(policy->zones[i].zone, zone) == 0)
            return true;
    return false;
}

/* May a repository with patients' data call it? Under a contract, or in our own house. */
static bool may_be_called(const struct policy_model *model)
{
    return model->contract != NULL ||
           (model->residency != NULL && strcmp(model->residency, ON_PREMISES) == 0);
}

static bool resides(const struct policy_model *model, const char *const *residencies,
                    size_t count)
{
    for (size_t i = 0; model->residency != NULL && i < count; i++)
        if (strcmp(model->residency, residencies[i]) == 0)
            return true;
    return false;
}

/* Models that this repository must not call are not there; the order of the others stays. */
bool build_routing(struct builder *builder)
{
    struct policy *policy = builder->policy;
    size_t count, kept = 0, all = policy->model_count;
    const char **residencies =
        builder_texts_of(builder, builder->organisation, "routing" S "phi", &count);

    for (size_t i = 0; count > 0 && i < all; i++)
        if (!resides(&policy->models[i], residencies, count)) {
            policy->models[i].allow &= ~CLASS_BIT(CLASS_PHI);
            policy->models[i].allow_redacted &= ~CLASS_BIT(CLASS_PHI);
        }
    if (!has_zone(policy, ZONE_PHI))
        return true;
    for (size_t i = 0; i < all; i++)
        if (may_be_called(&policy->models[i]))
            policy->models[kept++] = policy->models[i];
    policy->model_count = kept;
    return kept > 0 || all == 0 ||
           fault_set(builder->fault, FAULT_INVALID,
                     "policy.yaml: a repository with zone phi may call none of its models: "
                     "one needs "
                     "a contract or residency on-premises");
}

/* data.*.model decides for all models; models[].allow narrows it for one. */
void build_model_classes(struct policy *policy)
{
    unsigned plain = 0;

    for (unsigned class = 0; class < CLASS_COUNT; class ++)
        if (policy->data[class][POLICY_MODEL] == VERDICT_ALLOW)
            plain |= CLASS_BIT(class);
    for (size_t i = 0; i < policy->model_count; i++)
        policy->models[i].allow &= plain;
}
