#include "gateway/dialect/target.h"

#include "wire/url.h"

typedef bool add_path(const struct gateway_model *model, enum operation operation,
                      const char *name, bool stream, struct buf *out, struct fault *fault);

/* Of the dialect's own vendor. */
static const struct vendor_row {
    const char *version;
    const char *key_header;
    /* A base URL with a path already says where the API is, for all but Anthropic's and
     * Google's clients: they always add the version themselves. */
    bool always_version;
} vendors[DIALECT_COUNT] = {
    [DIALECT_OPENAI] = {"/v1", "Authorization: Bearer ", false},
    [DIALECT_OPENAI_RESPONSES] = {"/v1", "Authorization: Bearer ", false},
    [DIALECT_ANTHROPIC] = {"/v1", "x-api-key: ", true},
    [DIALECT_GEMINI] = {"/v1beta", "x-goog-api-key: ", true},
};

/* Dialects that requests can be translated to. */
#define TRANSLATED                                                                            \
    (DIALECT_BIT(DIALECT_OPENAI) | DIALECT_BIT(DIALECT_OPENAI_RESPONSES) |                    \
     DIALECT_BIT(DIALECT_ANTHROPIC))

static const char *const versions[] = {"/v1", "/v1beta", "/v1alpha"};

static bool is_unreserved(uint8_t byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || byte == '-' || byte == '.' || byte == '_' ||
           byte == '~';
}

/* One segment of a path; nothing in it can end it. */
static bool add_segment(struct buf *out, const char *text, struct fault *fault)
{
    struct slice name = slice_of(text);

    if (name.len == 0 || name.at[0] == '.')
        return fault_set(fault, FAULT_INVALID, "the model's name cannot stand in a path");
    for (size_t i = 0; i < name.len; i++)
        if (is_unreserved(name.at[i]) ? !buf_add_byte(out, name.at[i], fault)
                                      : !buf_add_format(out, fault, "%%%02X", name.at[i]))
            return false;
    return true;
}

static bool has_version(const struct gateway_model *model, struct slice path)
{
    for (size_t i = 0; i < COUNT(versions); i++)
        if (slice_ends_with(path, slice_of(versions[i])))
            return true;
    return path.len > 0 && !vendors[model->dialect].always_version;
}

static bool plain_path(const struct gateway_model *model, enum operation operation,
                       const char *name, bool stream, struct buf *out, struct fault *fault)
{
    const struct operation_rule *rule = operation_rule(operation);
    bool by_model = rule->dialect == DIALECT_GEMINI;

    (void)stream;
    if (!has_version(model, buf_slice(out)) &&
        !buf_add_text(out, vendors[model->dialect].version, fault))
        return false;
    if (by_model &&
        (!buf_add_text(out, "/models/", fault) || !add_segment(out, name, fault)))
        return false;
    return buf_add_text(out, rule->path, fault) &&
           (!rule->always_streams || buf_add_text(out, "?alt=sse", fault));
}

/* The form with deployments in the path, for Chat Completions and what is older. */
static bool azure_deployment(const struct gateway_model *model, enum operation operation,
                             const char *name, struct buf *out, struct fault *fault)
{
    return buf_add_text(out, "/openai", fault) &&
           (operation_rule(operation)->dialect == DIALECT_OPENAI_RESPONSES ||
            (buf_add_text(out, "/deployments/", fault) && add_segment(out, name, fault))) &&
           buf_add_text(out, operation_rule(operation)->path, fault) &&
           buf_add_format(out, fault, "?api-version=%s", model->api_version);
}

static bool azure_path(const struct gateway_model *model, enum operation operation,
                       const char *name, bool stream, struct buf *out, struct fault *fault)
{
    struct slice path = buf_slice(out);
    bool dated = model->api_version != NULL && model->api_version[0] >= '0' &&
                 model->api_version[0] <= '9';

    (void)stream;
    if (slice_ends_with(path, SLICE("/openai/v1")))
        out->len -= strlen("/openai/v1");
    else if (slice_ends_with(path, SLICE("/openai")))
        out->len -= strlen("/openai");
    if (dated)
        return azure_deployment(model, operation, name, out, fault);
    return buf_add_text(out, "/openai/v1", fault) &&
           buf_add_text(out, operation_rule(operation)->path, fault) &&
           (model->api_version == NULL ||
            buf_add_format(out, fault, "?api-version=%s", model->api_version));
}

static bool bedrock_path(const struct gateway_model *model, enum operation operation,
                         const char *name, bool stream, struct buf *out, struct fault *fault)
{
    (void)model;
    if (operation != OPERATION_MESSAGE)
        return fault_set(fault, FAULT_MISSING, "Amazon Bedrock is not asked to count tokens");
    return buf_add_text(out, "/model/", fault) && add_segment(out, name, fault) &&
           buf_add_text(out, stream ? "/invoke-with-response-stream" : "/invoke", fault);
}

static const struct service_row {
    const char *name;
    unsigned dialects; /* DIALECT_BIT */
    const char *key_header; /* NULL: the dialect's */
    add_path *path;
} services[SERVICE_COUNT] = {
    [SERVICE_PLAIN] = {"plain", ~0U, NULL, plain_path},
    [SERVICE_AZURE] = {"azure",
                       DIALECT_BIT(DIALECT_OPENAI) | DIALECT_BIT(DIALECT_OPENAI_RESPONSES),
                       "api-key: ", azure_path},
    [SERVICE_BEDROCK] = {"bedrock", DIALECT_BIT(DIALECT_ANTHROPIC), "Authorization: Bearer ",
                         bedrock_path},
};

bool service_parse(struct slice name, enum service *ret_service)
{
    for (unsigned i = 0; i < SERVICE_COUNT; i++)
        if (slice_equal(slice_of(services[i].name), name)) {
            *ret_service = (enum service)i;
            return true;
        }
    return false;
}

const char *target_key_header(const struct gateway_model *model)
{
    const char *header = services[model->service].key_header;

    return header != NULL ? header : vendors[model->dialect].key_header;
}

const char *target_model(const struct gateway_model *model)
{
    return model->model != NULL ? model->model : model->name;
}

static bool is_word(const char *text)
{
    for (; *text != 0; text++)
        if (!is_unreserved((uint8_t)*text))
            return false;
    return true;
}

bool target_check(const struct gateway_model *model, struct fault *fault)
{
    const struct service_row *row = &services[model->service];
    bool azure = model->service == SERVICE_AZURE, bedrock = model->service == SERVICE_BEDROCK;

    if ((row->dialects & DIALECT_BIT(model->dialect)) == 0)
        return fault_set(fault, FAULT_INVALID, "model %s: service %s does not speak %s",
                         model->name, row->name, dialect_name(model->dialect));
    if (bedrock != (model->region != NULL) || (bedrock && !is_word(model->region)))
        return fault_set(fault, FAULT_INVALID,
                         "model %s: service bedrock needs a region (us-east-1), and no other "
                         "service has one",
                         model->name);
    if (model->api_version != NULL && (!azure || !is_word(model->api_version)))
        return fault_set(fault, FAULT_INVALID,
                         "model %s: api_version is a word for service azure alone",
                         model->name);
    if (model->translate && (TRANSLATED & DIALECT_BIT(model->dialect)) == 0)
        return fault_set(fault, FAULT_INVALID,
                         "model %s: nothing is translated to %s (translate: true)", model->name,
                         dialect_name(model->dialect));
    return true;
}

bool target_path(const struct gateway_model *model, enum operation operation,
                 bool stream, struct buf *ret_target, struct fault *fault)
{
    const char *name = target_model(model);
    struct slice path;
    struct url url;

    if (!url_parse(slice_of(model->url), &url, fault))
        return false;
    path = url.path;
    while (slice_ends_with(path, SLICE("/")))
        path.len--;
    if (!buf_add(ret_target, path, fault) ||
        !services[model->service].path(model, operation, name, stream, ret_target, fault))
        return false;
    return url.query.len == 0 ||
           (buf_add_byte(ret_target,
                         slice_find_byte(buf_slice(ret_target), '?', 0) == SIZE_MAX ? '?' : '&',
                         fault) &&
            buf_add(ret_target, url.query, fault));
}
