/* Where a cell may go besides its models. */
#include <arpa/inet.h>

#include "base/scope.h"
#include "policy/builder.h"
#include "wire/url.h"
#include "wire/url_path.h"

#define S POLICY_SEP

static const char *const standard_methods[] = {"GET", "HEAD"};

static struct policy_texts texts_at(struct builder *builder,
                                    const struct policy_settings *settings, size_t index,
                                    const char *key)
{
    AUTO_FREE char *path = xformat("egress" S "#%zu" S "%s", index, key);
    struct policy_texts texts;

    texts.at = builder_texts_of(builder, settings, path, &texts.count);
    return texts;
}

static int64_t number_at(const struct policy_settings *settings, size_t index, const char *key,
                         int64_t standard)
{
    AUTO_FREE char *path = xformat("egress" S "#%zu" S "%s", index, key);

    return settings_find(settings, "%s", path) == NULL ? standard
                                                       : builder_number_in(settings, path);
}

static bool has(const struct policy_texts *texts, const char *text)
{
    for (size_t i = 0; i < texts->count; i++)
        if (strcmp(texts->at[i], text) == 0)
            return true;
    return false;
}

/* In small letters, so that a host has one spelling. FAULT_INVALID: it could not be one. */
static const char *host_at(struct builder *builder, const struct policy_settings *settings,
                           const char *file, size_t index)
{
    const char *text = builder_text_of(builder, settings, "egress", index, "host");
    struct in_addr address;
    char *host;

    if (text == NULL) {
        (void)fault_set(builder->fault, FAULT_INVALID, "%s: egress[%zu] has no host", file,
                        index);
        return NULL;
    }
    host = builder_own(builder, xstrdup(text));
    for (char *at = host; *at != 0; at++)
        if (*at >= 'A' && *at <= 'Z')
            *at = (char)(*at | 0x20);
    if (url_host_is_name(slice_of(host)) || inet_pton(AF_INET, host, &address) == 1)
        return host;
    (void)fault_set(builder->fault, FAULT_INVALID,
                    "%s: egress[%zu]: `%.100s` is neither a host's name nor an IPv4 address",
                    file, index, text);
    return NULL;
}

static bool check_paths(struct builder *builder, const char *file, size_t index,
                        const struct policy_texts *paths)
{
    for (size_t i = 0; i < paths->count; i++)
        if (!url_path_pattern_check(slice_of(paths->at[i]), builder->fault))
            return fault_in(builder->fault, "%s: egress[%zu].paths[%zu]", file, index, i);
    return true;
}

/* Looking at requests needs to know which are allowed. */
static void inspect(struct builder *builder, struct policy_egress *egress)
{
    egress->inspected = true;
    if (egress->methods.count > 0)
        return;
    egress->methods.count = COUNT(standard_methods);
    egress->methods.at =
        builder_own(builder, xalloc_array(COUNT(standard_methods), sizeof(char *)));
    for (size_t i = 0; i < COUNT(standard_methods); i++)
        egress->methods.at[i] = standard_methods[i];
}

static bool read_outer(struct builder *builder, size_t index, struct policy_egress *egress)
{
    static const char file[] = "policy.yaml";
    const struct policy_settings *settings = builder->organisation;
    const char *private = builder_text_of(builder, settings, "egress", index, "private");

    *egress = (struct policy_egress){
        .index = index,
        .host = host_at(builder, settings, file, index),
        .port = number_at(settings, index, "port", 443),
        .methods = texts_at(builder, settings, index, "methods"),
        .paths = {texts_at(builder, settings, index, "paths")},
        .private = private != NULL && strcmp(private, "true") == 0,
        .ca = builder_text_of(builder, settings, "egress", index, "ca"),
        .upload_bytes = (uint64_t)number_at(settings, index, "upload", 0),
        .download_bytes = (uint64_t)number_at(settings, index, "download", 0)};
    (void)snprintf(egress->rule, sizeof(egress->rule), "egress[%zu]", index);
    if (egress->host == NULL || !check_paths(builder, file, index, &egress->paths[0]))
        return false;
    if (egress->methods.count > 0 || egress->paths[0].count > 0)
        inspect(builder, egress);
    return true;
}

static bool same_place(const struct policy_egress *a, const struct policy_egress *b)
{
    return strcmp(a->host, b->host) == 0 && a->port == b->port;
}

/* A place that is reached unread by one entry is never looked at for another. */
static bool check_alike(struct builder *builder, const struct policy_egress *all, size_t count)
{
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < i; j++)
            if (same_place(&all[i], &all[j]) &&
                (!all[i].inspected || !all[j].inspected || all[i].private != all[j].private))
                return fault_set(builder->fault, FAULT_INVALID,
                                 "policy.yaml: %s and %s name the same host and port, and do "
                                 "not agree: give both methods or paths, and the same `private`",
                                 all[j].rule, all[i].rule);
    return true;
}

/* What the repository's entry leaves of the organisation's. False: nothing. */
static bool narrow(struct builder *builder, const struct policy_egress *outer,
                   const struct policy_texts *methods, const struct policy_texts *paths,
                   struct policy_egress *ret_egress)
{
    *ret_egress = *outer;
    if (methods->count > 0 || paths->count > 0)
        inspect(builder, ret_egress);
    ret_egress->paths[1] = *paths;
    if (methods->count == 0)
        return true;
    for (size_t i = 0; outer->inspected && i < methods->count; i++)
        if (!has(&ret_egress->methods, methods->at[i]))
            return false;
    ret_egress->methods = *methods;
    return true;
}

static bool read_inner(struct builder *builder, size_t index, const struct policy_egress *all,
                       size_t count)
{
    static const char file[] = "custody.yaml";
    const struct policy_settings *settings = builder->repository;
    struct policy *policy = builder->policy;
    struct policy_texts methods = texts_at(builder, settings, index, "methods");
    struct policy_texts paths = texts_at(builder, settings, index, "paths");
    struct policy_egress asked = {.host = host_at(builder, settings, file, index),
                                  .port = number_at(settings, index, "port", 443)};
    bool found = false;

    if (asked.host == NULL || !check_paths(builder, file, index, &paths))
        return false;
    for (size_t i = 0; i < count; i++)
        if (same_place(&all[i], &asked) &&
            narrow(builder, &all[i], &methods, &paths, &policy->egress[policy->egress_count])) {
            policy->egress_count++;
            found = true;
        }
    return found || fault_set(builder->fault, FAULT_INVALID,
                              "custody.yaml: egress[%zu] is wider than the organisation's",
                              index);
}

bool build_egress(struct builder *builder)
{
    struct policy *policy = builder->policy;
    const struct setting *own = settings_find(builder->repository, "egress");
    size_t outer = builder_list_length(builder->organisation, "egress");
    size_t inner = builder_list_length(builder->repository, "egress");
    struct policy_egress *all = builder_own(builder, xalloc_array(outer + 1, sizeof(*all)));

    for (size_t i = 0; i < outer; i++)
        if (!read_outer(builder, i, &all[i]))
            return false;
    if (!check_alike(builder, all, outer))
        return false;
    policy->egress = all;
    policy->egress_count = own != NULL ? 0 : outer; /* an empty list is none */
    if (inner == 0)
        return true;
    policy->egress =
        builder_own(builder, xalloc_array(inner * outer + 1, sizeof(*policy->egress)));
    policy->egress_count = 0;
    for (size_t i = 0; i < inner; i++)
        if (!read_inner(builder, i, all, outer))
            return false;
    return true;
}
