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

struct place {
    enum dialect dialect;
    const char *path;
};

/* Where a usage object may be: of a body or chunk, of a Responses event, of message_start. */
static const struct place usage_places[] = {
    {DIALECT_OPENAI, "usage"},
    {DIALECT_OPENAI_RESPONSES, "usage"},
    {DIALECT_OPENAI_RESPONSES, "response.usage"},
    {DIALECT_ANTHROPIC, "usage"},
    {DIALECT_ANTHROPIC, "message.usage"},
    {DIALECT_GEMINI, "usageMetadata"},
};
/* The same of the name of the model. */
static const struct place served_places[] = {
    {DIALECT_OPENAI, "model"},
    {DIALECT_OPENAI_RESPONSES, "model"},
    {DIALECT_OPENAI_RESPONSES, "response.model"},
    {DIALECT_ANTHROPIC, "model"},
    {DIALECT_ANTHROPIC, "message.model"},
    {DIALECT_GEMINI, "modelVersion"},
};

/* json_at; what cannot be there is not looked for, which is quicker than to miss it. */
static bool find(struct slice object, const char *path, struct json_value *ret_value)
{
    const char *dot = strrchr(path, '.');
    struct fault missing = {0};

    return slice_find(object, slice_of(dot == NULL ? path : dot + 1), 0) != SIZE_MAX &&
           json_at(object, path, ret_value, &missing);
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

static bool is_served(struct slice body, const char *place, struct usage *usage)
{
    AUTO_BUF struct buf name = buf_with_limit(USAGE_SERVED_BYTES * 8);
    struct json_value value;
    struct fault fault = {0};

    if (!find(body, place, &value) || value.type != JSON_STRING ||
        !json_text(&value, &name, &fault))
        return false;
    call_text(usage->served, sizeof(usage->served), buf_slice(&name));
    return true;
}

static void take_served(enum dialect dialect, struct slice body, struct usage *usage)
{
    if (usage->served[0] != 0 || slice_find(body, SLICE("\"model"), 0) == SIZE_MAX)
        return;
    for (size_t i = 0; i < COUNT(served_places); i++)
        if (served_places[i].dialect == dialect &&
            is_served(body, served_places[i].path, usage))
            return;
}

/* Figures of a stream only grow: a later event may leave out what an earlier one said. */
static void take_figures(enum dialect dialect, struct slice object, struct usage *usage)
{
    for (size_t i = 0; i < COUNT(figures); i++) {
        int64_t *field = (int64_t *)(void *)((char *)usage + figures[i].field);
        struct json_value value;
        struct fault fault = {0};
        int64_t number;

        if (figures[i].dialect != dialect || !find(object, figures[i].path, &value) ||
            !json_whole_number(&value, &number, &fault) || number < 0)
            continue;
        if (number > TOKENS_MAX)
            number = TOKENS_MAX;
        if (number > *field)
            *field = number;
        usage->seen = true;
    }
}

static void take_usage(enum dialect dialect, struct slice body, struct usage *usage)
{
    for (size_t i = 0; i < COUNT(usage_places); i++) {
        struct json_value value;

        if (usage_places[i].dialect == dialect && find(body, usage_places[i].path, &value) &&
            value.type == JSON_OBJECT)
            take_figures(dialect, value.raw, usage);
    }
}

void usage_take_body(enum dialect dialect, struct slice body, struct usage *usage)
{
    take_usage(dialect, body, usage);
    take_served(dialect, body, usage);
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

bool usage_take_event(enum dialect dialect, struct slice name, struct slice data,
                      struct usage *usage)
{
    (void)name; /* the data says it too, and not every provider names its events */
    for (size_t i = 0; i < COUNT(ends); i++)
        if (ends[i].dialect == dialect &&
            slice_find(data, slice_of(ends[i].in_data), 0) != SIZE_MAX &&
            (dialect != DIALECT_GEMINI || gemini_ends(data)))
            usage->finished = true;
    if (dialect == DIALECT_OPENAI && slice_equal(data, SLICE("[DONE]")))
        usage->finished = true;
    if (dialect == DIALECT_OPENAI_RESPONSES)
        take_sequence(data, usage);
    take_served(dialect, data, usage);
    if (slice_find(data, SLICE("\"usage"), 0) == SIZE_MAX)
        return false;
    take_usage(dialect, data, usage);
    return dialect == DIALECT_OPENAI && is_usage_chunk(data);
}
