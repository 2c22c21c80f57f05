#include "gateway/dialect/usage.h"

#include <stddef.h>

#include "base/scope.h"
#include "gateway/call.h"
#include "gateway/money/prices.h"
#include "wire/json.h"

/* Members of a usage object. */
static const struct figure {
    enum dialect dialect;
    const char *path;
    size_t field; /* of struct usage */
} figures[] = {
    {DIALECT_OPENAI, "prompt_tokens", offsetof(struct usage, input)},
    {DIALECT_OPENAI, "completion_tokens", offsetof(struct usage, output)},
    {DIALECT_OPENAI, "prompt_tokens_details.cached_tokens", offsetof(struct usage, cached)},
    {DIALECT_OPENAI, "completion_tokens_details.reasoning_tokens",
     offsetof(struct usage, reasoning)},
    {DIALECT_OPENAI_RESPONSES, "input_tokens", offsetof(struct usage, input)},
    {DIALECT_OPENAI_RESPONSES, "output_tokens", offsetof(struct usage, output)},
    {DIALECT_OPENAI_RESPONSES, "input_tokens_details.cached_tokens",
     offsetof(struct usage, cached)},
    {DIALECT_OPENAI_RESPONSES, "output_tokens_details.reasoning_tokens",
     offsetof(struct usage, reasoning)},
    {DIALECT_ANTHROPIC, "input_tokens", offsetof(struct usage, input)},
    {DIALECT_ANTHROPIC, "output_tokens", offsetof(struct usage, output)},
    {DIALECT_ANTHROPIC, "cache_read_input_tokens", offsetof(struct usage, cached)},
    {DIALECT_ANTHROPIC, "cache_creation_input_tokens", offsetof(struct usage, cache_written)},
    {DIALECT_GEMINI, "promptTokenCount", offsetof(struct usage, input)},
    {DIALECT_GEMINI, "candidatesTokenCount", offsetof(struct usage, output)},
    {DIALECT_GEMINI, "cachedContentTokenCount", offsetof(struct usage, cached)},
    {DIALECT_GEMINI, "thoughtsTokenCount", offsetof(struct usage, reasoning)},
    {DIALECT_GEMINI, "toolUsePromptTokenCount", offsetof(struct usage, of_tools)},
};

/* Members that hold them: of a body or chunk, or of what an event wraps. */
static const char *const figure_members[] = {"usage", "usageMetadata"};
static const char *const served_members[] = {"model", "modelVersion"};
static const char *const wrapping_members[] = {"response", "message"};

struct taking {
    enum dialect dialect;
    struct usage *usage;
    bool is_within;
};

static bool is_one_of(struct slice name, const char *const names[2])
{
    return json_key_is(name, names[0]) || json_key_is(name, names[1]);
}

/* What ends a stream, as bytes of its data. Inside of a model's text the quotes would be
 * escaped. */
static const struct end_row {
    enum dialect dialect;
    const char *in_data;
} ends[] = {
    {DIALECT_OPENAI, "\"finish_reason\":\""},
    {DIALECT_OPENAI, "\"finish_reason\": \""},
    {DIALECT_OPENAI_RESPONSES, "\"response.completed\""},
    {DIALECT_OPENAI_RESPONSES, "\"response.incomplete\""},
    {DIALECT_OPENAI_RESPONSES, "\"response.failed\""},
    {DIALECT_ANTHROPIC, "\"message_stop\""},
    {DIALECT_GEMINI, "\"finishReason\""},
    {DIALECT_GEMINI, "\"blockReason\""},
};

struct usage usage_none(void)
{
    return (struct usage){.sequence = -1};
}

int64_t usage_input(enum dialect dialect, const struct usage *usage)
{
    if (dialect == DIALECT_ANTHROPIC)
        return usage->input + usage->cached + usage->cache_written;
    return usage->input + usage->of_tools;
}

int64_t usage_output(enum dialect dialect, const struct usage *usage)
{
    return dialect == DIALECT_GEMINI ? usage->output + usage->reasoning : usage->output;
}

static void take_served(const struct json_value *value, struct usage *usage)
{
    AUTO_BUF struct buf name = buf_with_limit(USAGE_SERVED_BYTES * 8);
    struct fault fault = {0};

    if (usage->served[0] == 0 && value->type == JSON_STRING && json_text(value, &name, &fault))
        call_text(usage->served, sizeof(usage->served), buf_slice(&name));
}

/* The figure of that path, of which `rest` is what is left. */
static void take_figure(const struct figure *figure, const char *rest,
                        const struct json_value *value, struct usage *usage)
{
    int64_t *field = (int64_t *)(void *)((char *)usage + figure->field);
    struct json_value inner = *value;
    struct fault fault = {0};
    int64_t number;

    if ((rest[0] == '.' && !json_at(value->raw, rest + 1, &inner, &fault)) ||
        !json_whole_number(&inner, &number, &fault) || number < 0)
        return;
    if (number > TOKENS_MAX)
        number = TOKENS_MAX;
    if (number > *field) /* of a stream they only grow: a later event may leave some out */
        *field = number;
    usage->seen = true;
}

static bool on_figure(void *self, struct slice name, const struct json_value *value,
                      struct fault *fault)
{
    const struct taking *taking = self;

    (void)fault;
    for (size_t i = 0; i < COUNT(figures); i++) {
        const char *path = figures[i].path;

        if (figures[i].dialect == taking->dialect &&
            strncmp(path, (const char *)name.at, name.len) == 0 &&
            (path[name.len] == 0 || (path[name.len] == '.' && value->type == JSON_OBJECT)))
            take_figure(&figures[i], path + name.len, value, taking->usage);
    }
    return true;
}

static bool on_member(void *self, struct slice name, const struct json_value *value,
                      struct fault *fault)
{
    const struct taking *taking = self;
    struct taking within = {taking->dialect, taking->usage, true};

    if (value->type == JSON_STRING && is_one_of(name, served_members))
        take_served(value, taking->usage);
    if (value->type != JSON_OBJECT)
        return true;
    if (is_one_of(name, figure_members))
        return json_each(value->raw, on_figure, self, fault);
    return taking->is_within || !is_one_of(name, wrapping_members) ||
           json_each(value->raw, on_member, &within, fault);
}

/* In one pass; what is no JSON has no figures. */
static void take_all(enum dialect dialect, struct slice body, struct usage *usage)
{
    struct usage found = *usage;
    struct taking taking = {dialect, &found, false};
    struct fault fault = {0};

    if (json_each(body, on_member, &taking, &fault))
        *usage = found;
}

void usage_take_body(enum dialect dialect, struct slice body, struct usage *usage)
{
    take_all(dialect, body, usage);
}

/* Arguments of Gemini's calls are objects of the model's making, so only the place counts. */
static bool says_reason(void *self, struct slice name, const struct json_value *value,
                        struct fault *fault)
{
    bool *says = self;
    struct json_value reason;
    struct fault missing = {0};

    (void)name;
    (void)fault;
    if (value->type == JSON_OBJECT &&
        json_member(value->raw, "finishReason", &reason, &missing) &&
        reason.type == JSON_STRING)
        *says = true;
    return true;
}

static bool gemini_ends(struct slice data)
{
    struct json_value value;
    struct fault fault = {0};
    bool says = false;

    if (json_at(data, "promptFeedback.blockReason", &value, &fault) &&
        value.type == JSON_STRING)
        return true;
    return json_member(data, "candidates", &value, &fault) && value.type == JSON_ARRAY &&
           json_each(value.raw, says_reason, &says, &fault) && says;
}

static void take_sequence(struct slice data, struct usage *usage)
{
    struct json_value value;
    struct fault fault = {0};
    int64_t number;

    if (json_member(data, "sequence_number", &value, &fault) &&
        json_whole_number(&value, &number, &fault) && number > usage->sequence)
        usage->sequence = number;
}

static bool is_usage_chunk(struct slice data)
{
    struct json_value choices, usage;
    struct fault fault = {0};

    return json_member(data, "usage", &usage, &fault) && usage.type == JSON_OBJECT &&
           json_member(data, "choices", &choices, &fault) && choices.type == JSON_ARRAY &&
           slice_trim(slice_part(choices.raw, 1, choices.raw.len - 1)).len == 0;
}

/* {"type":"error", ...} of Messages and Responses, {"error":{...}} of Chat Completions and Gemini. In
 * a model's text the quotes would be escaped. */
static bool is_error(struct slice data)
{
    struct json_value value;
    struct fault fault = {0};

    if (slice_find(data, SLICE("\"error\""), 0) == SIZE_MAX)
        return false;
    if (json_member(data, "error", &value, &fault) && value.type == JSON_OBJECT)
        return true;
    return json_member(data, "type", &value, &fault) && slice_equal(value.raw, SLICE("\"error\""));
}

bool usage_take_event(enum dialect dialect, struct slice name, struct slice data,
                      struct usage *usage)
{
    bool has_usage;

    (void)name; /* the data says it too, and not every provider names its events */
    for (size_t i = 0; i < COUNT(ends); i++)
        if (ends[i].dialect == dialect &&
            slice_find(data, slice_of(ends[i].in_data), 0) != SIZE_MAX &&
            (dialect != DIALECT_GEMINI || gemini_ends(data)))
            usage->finished = true;
    if (dialect == DIALECT_OPENAI && slice_equal(data, SLICE("[DONE]")))
        usage->finished = true;
    usage->failed = usage->failed || is_error(data);
    if (dialect == DIALECT_OPENAI_RESPONSES)
        take_sequence(data, usage);
    has_usage = slice_find(data, SLICE("\"usage"), 0) != SIZE_MAX;
    if (has_usage ||
        (usage->served[0] == 0 && slice_find(data, SLICE("\"model"), 0) != SIZE_MAX))
        take_all(dialect, data, usage);
    return has_usage && dialect == DIALECT_OPENAI && is_usage_chunk(data);
}
