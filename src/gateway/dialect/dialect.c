#include "gateway/dialect/dialect.h"

#include "wire/json.h"

typedef bool error_body(int status, const char *type, const char *code, const char *message,
                        struct buf *out, struct fault *fault);
typedef bool error_event(enum dialect dialect, const char *code, const char *message,
                         int64_t sequence, struct buf *out, struct fault *fault);

/* OpenAI's, Anthropic's and Google's words. */
enum vendor {
    VENDOR_OPENAI,
    VENDOR_ANTHROPIC,
    VENDOR_GOOGLE,
    VENDOR_COUNT,
};

/* Status and type must agree: clients retry for long where they do not. */
static const struct error_row {
    int status; /* 0: every other one */
    const char *types[VENDOR_COUNT];
} errors[] = {
    {404, {"invalid_request_error", "not_found_error", "NOT_FOUND"}},
    {413, {"invalid_request_error", "request_too_large", "INVALID_ARGUMENT"}},
    {429, {"rate_limit_exceeded", "rate_limit_error", "RESOURCE_EXHAUSTED"}},
    {500, {"server_error", "api_error", "INTERNAL"}},
    {502, {"server_error", "api_error", "UNAVAILABLE"}},
    {503, {"server_error", "overloaded_error", "UNAVAILABLE"}},
    {504, {"server_error", "timeout_error", "DEADLINE_EXCEEDED"}},
    {0, {"invalid_request_error", "invalid_request_error", "INVALID_ARGUMENT"}},
};

static bool openai_body(int status, const char *type, const char *code, const char *message,
                        struct buf *out, struct fault *fault)
{
    (void)status;
    return buf_add_text(out, "{\"error\":{\"message\":", fault) &&
           json_add_string(out, slice_of(message), fault) &&
           buf_add_format(out, fault, ",\"type\":\"%s\",\"param\":null,\"code\":\"%s\"}}",
                          type, code);
}

static bool anthropic_body(int status, const char *type, const char *code, const char *message,
                           struct buf *out, struct fault *fault)
{
    (void)status;
    (void)code;
    return buf_add_format(out, fault,
                          "{\"type\":\"error\",\"error\":{\"type\":\"%s\",\"message\":",
                          type) &&
           json_add_string(out, slice_of(message), fault) && buf_add_text(out, "}}", fault);
}

static bool google_body(int status, const char *type, const char *code, const char *message,
                        struct buf *out, struct fault *fault)
{
    return buf_add_format(out, fault, "{\"error\":{\"code\":%d,\"message\":", status) &&
           json_add_string(out, slice_of(message), fault) &&
           buf_add_format(out, fault,
                          ",\"status\":\"%s\",\"details\":[{\"@type\":"
                          "\"type.googleapis.com/google.rpc.ErrorInfo\",\"reason\":\"%s\","
                          "\"domain\":\"custody\"}]}}",
                          type, code);
}

static bool data_event(enum dialect dialect, const char *code, const char *message,
                       int64_t sequence, struct buf *out, struct fault *fault)
{
    (void)sequence;
    return buf_add_text(out, "data: ", fault) &&
           dialect_error(dialect, 502, code, message, out, fault) &&
           buf_add_text(out, "\n\n", fault);
}

static bool named_event(enum dialect dialect, const char *code, const char *message,
                        int64_t sequence, struct buf *out, struct fault *fault)
{
    return buf_add_text(out, "event: error\n", fault) &&
           data_event(dialect, code, message, sequence, out, fault);
}

static bool failed_event(enum dialect dialect, const char *code, const char *message,
                         int64_t sequence, struct buf *out, struct fault *fault)
{
    (void)dialect;
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

static const struct dialect_row {
    const char *name;
    enum vendor vendor;
    error_body *body;
    error_event *event;
} dialects[DIALECT_COUNT] = {
    [DIALECT_OPENAI] = {"openai", VENDOR_OPENAI, openai_body, data_event},
    [DIALECT_OPENAI_RESPONSES] = {"openai-responses", VENDOR_OPENAI, openai_body,
                                  failed_event},
    [DIALECT_ANTHROPIC] = {"anthropic", VENDOR_ANTHROPIC, anthropic_body, named_event},
    [DIALECT_GEMINI] = {"gemini", VENDOR_GOOGLE, google_body, data_event},
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

bool dialect_error(enum dialect dialect, int status, const char *code, const char *message,
                   struct buf *out, struct fault *fault)
{
    size_t i = 0;

    while (errors[i].status != status && errors[i].status != 0)
        i++;
    return dialects[dialect].body(status, errors[i].types[dialects[dialect].vendor], code,
                                  message, out, fault);
}

bool dialect_stream_error(enum dialect dialect, const char *code, const char *message,
                          int64_t sequence, struct buf *out, struct fault *fault)
{
    return dialects[dialect].event(dialect, code, message, sequence, out, fault);
}
