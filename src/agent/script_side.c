/* What is no turn of a conversation: lists of models, counts of tokens, embeddings, old
 * completions. Figures are made up of the sizes. */
#include "agent/script_parts.h"
#include "base/scope.h"
#include "wire/base64.h"

#define DIMENSIONS 3
#define BYTES_PER_TOKEN 4

typedef json_t *side_answer(const struct script *script, json_t *request, size_t bytes);

static json_int_t count_of(size_t bytes)
{
    return (json_int_t)(bytes / BYTES_PER_TOKEN) + 1;
}

static json_t *models(const struct script *script, json_t *request, size_t bytes)
{
    (void)request;
    (void)bytes;
    return json_pack("{s:s,s:[{s:s,s:s,s:i,s:s}]}", "object", "list", "data", "id",
                     script->model, "object", "model", "created", SCRIPT_CREATED, "owned_by",
                     "scripted");
}

static json_t *input_tokens(const struct script *script, json_t *request, size_t bytes)
{
    (void)script;
    (void)request;
    return json_pack("{s:s,s:I}", "object", "response.input_tokens", "input_tokens",
                     count_of(bytes));
}

static json_t *total_tokens(const struct script *script, json_t *request, size_t bytes)
{
    (void)script;
    (void)request;
    return json_pack("{s:I}", "totalTokens", count_of(bytes));
}

static json_t *values(void)
{
    return json_pack("[f,f,f]", 0.5, -0.25, 0.125);
}

static json_t *embed(const struct script *script, json_t *request, size_t bytes)
{
    (void)script;
    (void)request;
    (void)bytes;
    return json_pack("{s:{s:o}}", "embedding", "values", values());
}

static json_t *embed_many(const struct script *script, json_t *request, size_t bytes)
{
    json_t *list = json_array();

    (void)script;
    (void)bytes;
    for (size_t i = 0; i < json_array_size(json_object_get(request, "requests")); i++)
        (void)json_array_append_new(list, json_pack("{s:o}", "values", values()));
    return json_pack("{s:o}", "embeddings", list);
}

/* As clients want it who ask for base64: four bytes a number, the lowest first. */
static json_t *packed(void)
{
    static const float numbers[DIMENSIONS] = {0.5F, -0.25F, 0.125F};
    AUTO_BUF struct buf text = buf_with_limit(64);
    struct fault fault = {0};

    if (!base64_encode(slice_of_bytes(numbers, sizeof(numbers)), &text, &fault))
        return json_null();
    return json_string(buf_text(&text));
}

static json_t *embeddings(const struct script *script, json_t *request, size_t bytes)
{
    const char *format = json_string_value(json_object_get(request, "encoding_format"));
    json_t *input = json_object_get(request, "input"), *list = json_array();
    size_t count = json_is_array(input) ? json_array_size(input) : 1;
    bool is_packed = format != NULL && strcmp(format, "base64") == 0;

    for (size_t i = 0; i < count; i++)
        (void)json_array_append_new(list, json_pack("{s:s,s:I,s:o}", "object", "embedding",
                                                    "index", (json_int_t)i, "embedding",
                                                    is_packed ? packed() : values()));
    return json_pack("{s:s,s:o,s:s,s:{s:I,s:I}}", "object", "list", "data", list, "model",
                     script->model, "usage", "prompt_tokens", count_of(bytes), "total_tokens",
                     count_of(bytes));
}

static json_t *completion(const struct script *script, json_t *request, size_t bytes)
{
    (void)request;
    return json_pack("{s:s,s:s,s:i,s:s,s:[{s:s,s:i,s:n,s:s}],s:{s:I,s:I,s:I}}", "id",
                     "scripted", "object", "text_completion", "created", SCRIPT_CREATED,
                     "model", script->model, "choices", "text", script->side, "index", 0,
                     "logprobs", "finish_reason", "stop", "usage", "prompt_tokens",
                     count_of(bytes), "completion_tokens", count_of(strlen(script->side)),
                     "total_tokens", count_of(bytes + strlen(script->side)));
}

static const struct side_row {
    const char *method, *path_end, *dialect;
    side_answer *answer;
} sides[] = {
    {"GET", "/models", "", models},
    {"POST", "/messages/count_tokens", "anthropic", input_tokens},
    {"POST", "/responses/input_tokens", "openai-responses", input_tokens},
    {"POST", ":countTokens", "gemini", total_tokens},
    {"POST", ":embedContent", "gemini", embed},
    {"POST", ":batchEmbedContents", "gemini", embed_many},
    {"POST", "/embeddings", "openai", embeddings},
    {"POST", "/v1/completions", "openai", completion},
};

/* The old completions as a stream: one event for the text, one for what was used. */
static bool stream_completion(json_t *whole, struct buf *out, struct fault *fault)
{
    json_t *last = json_deep_copy(whole);

    (void)json_object_set_new(last, "choices", json_array());
    (void)json_object_del(whole, "usage");
    return script_event(out, NULL, whole, fault) && script_event(out, NULL, last, fault) &&
           buf_add_text(out, "data: [DONE]\n\n", fault);
}

bool script_side(const struct script *script, struct slice method, struct slice path,
                 struct slice body, struct script_answer *answer)
{
    for (size_t i = 0; i < COUNT(sides); i++) {
        json_t *request, *said;
        struct fault fault = {0};

        if (!slice_equal(method, slice_of(sides[i].method)) ||
            !slice_ends_with(path, slice_of(sides[i].path_end)))
            continue;
        request = json_loadb((const char *)body.at, body.len,
                             JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
        said = sides[i].answer(script, request, body.len);
        answer->dialect = sides[i].dialect;
        if (sides[i].answer == completion &&
            json_is_true(json_object_get(request, "stream"))) {
            answer->status = 200;
            answer->streamed = stream_completion(said, &answer->body, &fault);
            answer->content_type = "text/event-stream; charset=utf-8";
        } else {
            script_put_json(answer, 200, said);
        }
        json_decref(request);
        return true;
    }
    return false;
}
