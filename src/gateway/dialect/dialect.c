#include "gateway/dialect/dialect.h"

#include "wire/json.h"

static const struct dialect_row {
    const char *name;
    const char *path; /* behind "/v1" */
    const char *key_header;
    /* A base URL with a path already says where the API is, for all but Anthropic's clients:
     * they always add "/v1" themselves. */
    bool always_v1;
} dialects[DIALECT_COUNT] = {
    [DIALECT_OPENAI] = {"openai", "/chat/completions", "Authorization: Bearer ", false},
    [DIALECT_OPENAI_RESPONSES] = {"openai-responses", "/responses", "Authorization: Bearer ",
                                  false},
    [DIALECT_ANTHROPIC] = {"anthropic", "/messages", "x-api-key: ", true},
};

/* Status and type must agree: clients retry for long where they do not. */
static const struct error_row {
    int status;
    const char *openai;
    const char *anthropic;
} errors[] = {
    {404, "invalid_request_error", "not_found_error"},
    {413, "invalid_request_error", "request_too_large"},
    {429, "rate_limit_exceeded", "rate_limit_error"},
    {500, "server_error", "api_error"},
    {502, "server_error", "api_error"},
    {503, "server_error", "overloaded_error"},
    {504, "server_error", "timeout_error"},
};

const char *dialect_name(enum dialect dialect)
{
    return dialects[dialect].name;
}

bool dialect_parse(struct slice name, enum dialect *ret_dialect)
{
    for (unsigned i = 0; i < DIALECT_COUNT; i++)
        if (slice_equal(slice_of(dialects[i].name), name)) {
            *ret_dialect = (enum dialect)i;
            return true;
        }
    return false;
}

enum route dialect_route(struct slice path, enum dialect *ret_dialect)
{
    for (int i = 0; i < 2 && slice_starts_with(path, SLICE("/v1/")); i++)
        path = slice_part(path, 3, path.len);
    for (unsigned i = 0; i < DIALECT_COUNT; i++)
        if (slice_equal(slice_of(dialects[i].path), path)) {
            *ret_dialect = (enum dialect)i;
            return ROUTE_CALL;
        }
    return slice_equal(path, SLICE("/models")) ? ROUTE_MODELS : ROUTE_UNKNOWN;
}

const char *dialect_key_header(enum dialect dialect)
{
    return dialects[dialect].key_header;
}

bool dialect_endpoint(enum dialect dialect, struct slice base, struct buf *ret_url,
                      struct fault *fault)
{
    const struct dialect_row *row = &dialects[dialect];
    struct slice path, head;
    struct url url;
    bool has_v1;

    if (!url_parse(base, &url, fault))
        return false;
    path = url.path;
    while (slice_ends_with(path, SLICE("/")))
        path.len--;
    has_v1 = slice_ends_with(path, SLICE("/v1")) || (!row->always_v1 && path.len > 0);
    head = slice_part(base, 0,
                      base.len - url.path.len - (url.query.len > 0 ? url.query.len + 1 : 0));
    if (!buf_add(ret_url, head, fault) || !buf_add(ret_url, path, fault) ||
        (!has_v1 && !buf_add_text(ret_url, "/v1", fault)) ||
        !buf_add_text(ret_url, row->path, fault))
        return false;
    return url.query.len == 0 ||
           (buf_add_byte(ret_url, '?', fault) && buf_add(ret_url, url.query, fault));
}

static const char *error_type(enum dialect dialect, int status)
{
    for (size_t i = 0; i < COUNT(errors); i++)
        if (errors[i].status == status)
            return dialect == DIALECT_ANTHROPIC ? errors[i].anthropic : errors[i].openai;
    return "invalid_request_error";
}

bool dialect_error(enum dialect dialect, int status, const char *code, const char *message,
                   struct buf *out, struct fault *fault)
{
    const char *type = error_type(dialect, status);

    if (dialect == DIALECT_ANTHROPIC)
        return buf_add_format(
                   out, fault,
                   "{\"type\":\"error\",\"error\":{\"type\":\"%s\",\"message\":", type) &&
               json_add_string(out, slice_of(message), fault) &&
               buf_add_text(out, "}}", fault);
    return buf_add_text(out, "{\"error\":{\"message\":", fault) &&
           json_add_string(out, slice_of(message), fault) &&
           buf_add_format(out, fault, ",\"type\":\"%s\",\"param\":null,\"code\":\"%s\"}}",
                          type, code);
}

static bool responses_error(const char *code, const char *message, int64_t sequence,
                            struct buf *out, struct fault *fault)
{
    if (!buf_add_text(out, "event: response.failed\ndata: {\"type\":\"response.failed\",",
                      fault) ||
        (sequence >= 0 &&
         !buf_add_format(out, fault, "\"sequence_number\":%lld,", (long long)sequence)))
        return false;
    return buf_add_format(
               out, fault,
               "\"response\":{\"id\":\"custody\",\"object\":\"response\",\"status\":"
               "\"failed\",\"output\":[],\"error\":{\"code\":\"%s\",\"message\":",
               code) &&
           json_add_string(out, slice_of(message), fault) &&
           buf_add_text(out, "}}}\n\n", fault);
}

bool dialect_stream_error(enum dialect dialect, const char *code, const char *message,
                          int64_t sequence, struct buf *out, struct fault *fault)
{
    if (dialect == DIALECT_OPENAI_RESPONSES)
        return responses_error(code, message, sequence, out, fault);
    return buf_add_text(
               out, dialect == DIALECT_ANTHROPIC ? "event: error\ndata: " : "data: ", fault) &&
           dialect_error(dialect, 502, code, message, out, fault) &&
           buf_add_text(out, "\n\n", fault);
}
