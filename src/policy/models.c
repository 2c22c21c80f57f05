/* Models, and which role uses which. */
#include "base/scope.h"
#include "policy/builder.h"
#include "wire/url.h"

#define S POLICY_SEP
#define ON_PREMISES "on-premises"

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

static int64_t price(const struct policy_settings *settings, size_t index, const char *kind,
                     int64_t unnamed)
{
    AUTO_FREE char *path = xformat("models" S "#%zu" S "prices" S "%s", index, kind);

    return settings_find(settings, "%s", path) == NULL ? unnamed
                                                       : builder_number_in(settings, path);
}

static void build_prices(const struct policy_settings *settings, size_t index,
                         struct policy_prices *prices)
{
    *prices = (struct policy_prices){
        .input = price(settings, index, "input", POLICY_PRICE_UNNAMED),
        .output = price(settings, index, "output", POLICY_PRICE_UNNAMED),
        .cached = price(settings, index, "cached", POLICY_PRICE_UNNAMED),
        .cache_write = price(settings, index, "cache_write", POLICY_PRICE_UNNAMED),
        .reasoning = price(settings, index, "reasoning", POLICY_PRICE_UNNAMED)};
}

/* The policy's proxy is for what is elsewhere. */
static bool build_way(struct builder *builder, size_t index, struct policy_model *model)
{
    const struct policy_settings *settings = builder->organisation;
    AUTO_FREE char *pins = xformat("models" S "#%zu" S "pins", index);
    AUTO_FREE char *proxy = xformat("models" S "#%zu" S "proxy" S "url", index);
    AUTO_FREE char *credentials = xformat("models" S "#%zu" S "proxy" S "credentials", index);
    bool is_far = model->url != NULL && strncmp(model->url, "https:", 6) == 0 &&
                  (model->residency == NULL || strcmp(model->residency, ON_PREMISES) != 0);
    struct url url;

    model->pins = builder_texts_of(builder, settings, pins, &model->pin_count);
    model->proxy = builder_text_at(builder, settings, proxy);
    model->proxy_credentials = builder_text_at(builder, settings, credentials);
    if (model->proxy == NULL && model->proxy_credentials == NULL && is_far) {
        model->proxy = builder_text_at(builder, settings, "proxy" S "url");
        model->proxy_credentials = builder_text_at(builder, settings, "proxy" S "credentials");
    }
    return model->proxy == NULL || url_parse(slice_of(model->proxy), &url, builder->fault) ||
           fault_in(builder->fault, "policy.yaml: the proxy of model %s",
                    model->name == NULL ? "?" : model->name);
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
        AUTO_FREE char *reach = xformat("models" S "#%zu" S "reach", i);
        AUTO_FREE char *expires = xformat("models" S "#%zu" S "expires", i);

        model->name = builder_text_of(builder, settings, "models", i, "name");
        model->model = builder_text_of(builder, settings, "models", i, "model");
        model->url = builder_text_of(builder, settings, "models", i, "url");
        model->dialect = builder_text_of(builder, settings, "models", i, "dialect");
        model->service = builder_text_of(builder, settings, "models", i, "service");
        model->api_version = builder_text_of(builder, settings, "models", i, "api_version");
        model->region = builder_text_of(builder, settings, "models", i, "region");
        model->reach = builder_texts_of(builder, settings, reach, &model->reach_count);
        model->residency = builder_text_of(builder, settings, "models", i, "residency");
        model->contract = builder_text_of(builder, settings, "models", i, "contract");
        model->ca = builder_text_of(builder, settings, "models", i, "ca");
        model->key_file = builder_text_at(builder, settings, key_file);
        model->key_environment = builder_text_at(builder, settings, key_environment);
        model->expires_us = builder_number_in(settings, expires);
        if (!build_way(builder, i, model))
            return false;
        build_prices(settings, i, &model->prices);
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

/* `routing.CLASS`: where data of that class may go; nowhere else, redacted or not. */
static void keep_away(struct builder *builder, enum data_class class)
{
    AUTO_FREE char *path = xformat("routing" S "%s", class_name(class));
    struct policy *policy = builder->policy;
    size_t count;
    const char **residencies = builder_texts_of(builder, builder->organisation, path, &count);

    for (size_t i = 0; count > 0 && i < policy->model_count; i++)
        if (!resides(&policy->models[i], residencies, count)) {
            policy->models[i].allow &= ~CLASS_BIT(class);
            policy->models[i].allow_redacted &= ~CLASS_BIT(class);
            policy->models[i].kept_away |= CLASS_BIT(class);
        }
}

/* Names of entries, each of them one that this repository may call. */
static bool build_fallback(struct builder *builder)
{
    struct policy *policy = builder->policy;

    policy->fallback = builder_texts_of(builder, builder->organisation, "routing" S "fallback",
                                        &policy->fallback_count);
    for (size_t i = 0; i < policy->fallback_count; i++) {
        size_t at = 0;

        while (at < policy->model_count &&
               strcmp(policy->models[at].name, policy->fallback[i]) != 0)
            at++;
        if (at == policy->model_count)
            return fault_set(builder->fault, FAULT_INVALID,
                             "policy.yaml: routing.fallback: there is no model %s",
                             policy->fallback[i]);
    }
    return true;
}

/* Models that this repository must not call are not there; the order of the others stays. */
bool build_routing(struct builder *builder)
{
    struct policy *policy = builder->policy;
    size_t kept = 0, all = policy->model_count;

    for (enum data_class class = 0; class < CLASS_CODE; class ++)
        keep_away(builder, class);
    if (!build_fallback(builder))
        return false;
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
    unsigned plain = 0, redacted = 0;

    for (unsigned class = 0; class < CLASS_COUNT; class ++) {
        if (policy->data[class][POLICY_MODEL] == VERDICT_ALLOW)
            plain |= CLASS_BIT(class);
        if (policy->data[class][POLICY_MODEL] != VERDICT_DENY)
            redacted |= CLASS_BIT(class);
    }
    for (size_t i = 0; i < policy->model_count; i++) {
        struct policy_model *model = &policy->models[i];

        model->allow_redacted = (model->allow_redacted | (model->allow & ~plain)) & redacted;
        model->allow &= plain;
    }
}
