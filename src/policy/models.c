/* Models, and which role uses which. */
#include "base/scope.h"
#include "policy/builder.h"
#include "wire/url.h"

#define S POLICY_SEP
#define ON_PREMISES "on-premises"

static void build_allow(const struct policy_settings *settings, const char *list, size_t index,
                        struct policy_model *model)
{
    for (size_t i = 0;; i++) {
        const struct setting *setting =
            settings_find(settings, "%s" S "#%zu" S "allow" S "#%zu", list, index, i);
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
static bool build_way(struct builder *builder, const char *list, size_t index,
                      struct policy_model *model)
{
    const struct policy_settings *settings = builder->organisation;
    AUTO_FREE char *pins = xformat("%s" S "#%zu" S "pins", list, index);
    AUTO_FREE char *proxy = xformat("%s" S "#%zu" S "proxy" S "url", list, index);
    AUTO_FREE char *credentials =
        xformat("%s" S "#%zu" S "proxy" S "credentials", list, index);
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
           fault_in(builder->fault, "policy.yaml: the proxy of %s[%zu]", list, index);
}

bool build_provider(struct builder *builder, const char *list, size_t index,
                    struct policy_model *ret_model)
{
    const struct policy_settings *settings = builder->organisation;
    AUTO_FREE char *key_file = xformat("%s" S "#%zu" S "key" S "file", list, index);
    AUTO_FREE char *key_environment = xformat("%s" S "#%zu" S "key" S "env", list, index);
    AUTO_FREE char *expires = xformat("%s" S "#%zu" S "expires", list, index);

    ret_model->name = builder_text_of(builder, settings, list, index, "name");
    ret_model->url = builder_text_of(builder, settings, list, index, "url");
    ret_model->residency = builder_text_of(builder, settings, list, index, "residency");
    ret_model->contract = builder_text_of(builder, settings, list, index, "contract");
    ret_model->ca = builder_text_of(builder, settings, list, index, "ca");
    ret_model->key_file = builder_text_at(builder, settings, key_file);
    ret_model->key_environment = builder_text_at(builder, settings, key_environment);
    ret_model->expires_us = builder_number_in(settings, expires);
    build_allow(settings, list, index, ret_model);
    if (ret_model->key_file != NULL && ret_model->key_environment != NULL)
        return fault_set(builder->fault, FAULT_INVALID, "policy.yaml: %s[%zu] names two keys",
                         list, index);
    if ((ret_model->allow & ret_model->allow_redacted) != 0)
        return fault_set(
            builder->fault, FAULT_INVALID,
            "policy.yaml: %s[%zu] allows a class both as it is and only redacted", list, index);
    return build_way(builder, list, index, ret_model);
}

static bool is_true(const char *word)
{
    return word != NULL && strcmp(word, "true") == 0;
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
        AUTO_FREE char *reach = xformat("models" S "#%zu" S "reach", i);

        if (!build_provider(builder, "models", i, model))
            return false;
        model->model = builder_text_of(builder, settings, "models", i, "model");
        model->dialect = builder_text_of(builder, settings, "models", i, "dialect");
        model->service = builder_text_of(builder, settings, "models", i, "service");
        model->api_version = builder_text_of(builder, settings, "models", i, "api_version");
        model->region = builder_text_of(builder, settings, "models", i, "region");
        model->reach = builder_texts_of(builder, settings, reach, &model->reach_count);
        model->translate = is_true(builder_text_of(builder, settings, "models", i, "translate"));
        build_prices(settings, i, &model->prices);
        if (model->name == NULL || model->url == NULL || model->dialect == NULL)
            return fault_set(builder->fault, FAULT_INVALID,
                             "policy.yaml: models[%zu] needs a name, a url and a dialect", i);
        for (size_t j = 0; j < i; j++)
            if (strcmp(policy->models[j].name, model->name) == 0)
                return fault_set(builder->fault, FAULT_INVALID,
                                 "policy.yaml: model %s is there twice", model->name);
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

static void keep_from(struct policy_model *model, enum data_class class,
                      const char *const *residencies, size_t count)
{
    if (resides(model, residencies, count))
        return;
    model->allow &= ~CLASS_BIT(class);
    model->allow_redacted &= ~CLASS_BIT(class);
    model->kept_away |= CLASS_BIT(class);
}

/* `routing.CLASS`: where data of that class may go; nowhere else, redacted or not. */
static void keep_away(struct builder *builder, enum data_class class)
{
    AUTO_FREE char *path = xformat("routing" S "%s", class_name(class));
    struct policy *policy = builder->policy;
    size_t count;
    const char **residencies = builder_texts_of(builder, builder->organisation, path, &count);

    for (size_t i = 0; count > 0 && i < policy->model_count; i++)
        keep_from(&policy->models[i], class, residencies, count);
    for (size_t i = 0; count > 0 && i < policy->server_count; i++)
        keep_from(&policy->servers[i].at, class, residencies, count);
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

static void keep_servers(struct policy *policy)
{
    size_t kept = 0;

    for (size_t i = 0; i < policy->server_count; i++)
        if (may_be_called(&policy->servers[i].at))
            policy->servers[kept++] = policy->servers[i];
    policy->server_count = kept;
}

/* Models and tool servers that this repository must not call are not there; the order of the others stays. */
bool build_routing(struct builder *builder)
{
    struct policy *policy = builder->policy;
    size_t kept = 0, all = policy->model_count;
    const char *other_names;

    for (enum data_class class = 0; class < CLASS_CODE; class ++)
        keep_away(builder, class);
    if (!build_fallback(builder) ||
        !builder_word(builder, "routing" S "other_names", "refuse", &other_names))
        return false;
    policy->takes_other_names = strcmp(other_names, "run") == 0;
    if (!has_zone(policy, ZONE_PHI))
        return true;
    for (size_t i = 0; i < all; i++)
        if (may_be_called(&policy->models[i]))
            policy->models[kept++] = policy->models[i];
    policy->model_count = kept;
    keep_servers(policy);
    return kept > 0 || all == 0 ||
           fault_set(builder->fault, FAULT_INVALID,
                     "policy.yaml: a repository with zone phi may call none of its models: "
                     "one needs "
                     "a contract or residency on-premises");
}

static void narrow(struct policy_model *model, unsigned plain, unsigned redacted)
{
    model->allow_redacted = (model->allow_redacted | (model->allow & ~plain)) & redacted;
    model->allow &= plain;
}

/* data.*.model decides for all models and tool servers; their `allow` narrows it for one. */
void build_model_classes(struct policy *policy)
{
    unsigned plain = 0, redacted = 0;

    for (unsigned class = 0; class < CLASS_COUNT; class ++) {
        if (policy->data[class][POLICY_MODEL] == VERDICT_ALLOW)
            plain |= CLASS_BIT(class);
        if (policy->data[class][POLICY_MODEL] != VERDICT_DENY)
            redacted |= CLASS_BIT(class);
    }
    for (size_t i = 0; i < policy->model_count; i++)
        narrow(&policy->models[i], plain, redacted);
    for (size_t i = 0; i < policy->server_count; i++)
        narrow(&policy->servers[i].at, plain, redacted);
}
