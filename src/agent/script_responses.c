/* Responses: named events with sequence numbers, items with their parts, ends with
 * response.completed. */
#include <stdio.h>

#include "agent/script_parts.h"

struct stream {
    const struct script_say *say;
    struct buf *out;
    json_int_t sequence;
    json_int_t index; /* of the item in `output` */
    json_t *output;   /* items that are whole */
};

static json_t *usage_of(const struct script_usage *usage)
{
    return json_pack("{s:I,s:{s:I},s:I,s:{s:i},s:I}", "input_tokens", (json_int_t)usage->input,
                     "input_tokens_details", "cached_tokens", (json_int_t)usage->cached,
                     "output_tokens", (json_int_t)usage->output, "output_tokens_details",
                     "reasoning_tokens", 0, "total_tokens",
                     (json_int_t)(usage->input + usage->output));
}

static json_t *response(const struct script_say *say, const char *status, json_t *output,
                        json_t *usage)
{
    return json_pack("{s:s,s:s,s:i,s:s,s:s,s:n,s:n,s:o,s:b,s:O,s:o}", "id", say->id, "object",
                     "response", "created_at", SCRIPT_CREATED, "status", status, "model",
                     say->model, "error", "incomplete_details", "metadata", json_object(),
                     "parallel_tool_calls", 1, "output", output, "usage", usage);
}

/* Adds type and sequence number. */
static bool event(struct stream *stream, const char *type, json_t *data, struct fault *fault)
{
    (void)json_object_set_new(data, "type", json_string(type));
    (void)json_object_set_new(data, "sequence_number", json_integer(stream->sequence++));
    return script_event(stream->out, type, data, fault);
}

static bool of_response(struct stream *stream, const char *type, const char *status,
                        json_t *usage, struct fault *fault)
{
    return event(
        stream, type,
        json_pack("{s:o}", "response", response(stream->say, status, stream->output, usage)),
        fault);
}

static bool of_item(struct stream *stream, const char *type, json_t *item, struct fault *fault)
{
    return event(stream, type,
                 json_pack("{s:I,s:o}", "output_index", stream->index, "item", item), fault);
}

/* An event about a part of an item; `part_index` names the index ("content_index"), or is
 * NULL. */
static json_t *of_part(const struct stream *stream, const char *id, const char *part_index)
{
    json_t *data = json_pack("{s:s,s:I}", "item_id", id, "output_index", stream->index);

    if (part_index != NULL)
        (void)json_object_set_new(data, part_index, json_integer(0));
    return data;
}

static bool deltas(struct stream *stream, const char *type, const char *id,
                   const char *part_index, const char *text, struct fault *fault)
{
    struct slice rest = slice_of(text), piece;

    while (script_piece(&rest, &piece)) {
        json_t *data = of_part(stream, id, part_index);

        (void)json_object_set_new(data, "delta",
                                  json_stringn((const char *)piece.at, piece.len));
        if (!event(stream, type, data, fault))
            return false;
    }
    return true;
}

static bool with(struct stream *stream, const char *type, const char *id,
                 const char *part_index, const char *key, json_t *value, struct fault *fault)
{
    json_t *data = of_part(stream, id, part_index);

    (void)json_object_set_new(data, key, value);
    return event(stream, type, data, fault);
}

static json_t *text_part(const char *text)
{
    return json_pack("{s:s,s:s,s:[]}", "type", "output_text", "text", text, "annotations");
}

static json_t *message_item(const struct script_say *say, const char *id, bool whole)
{
    json_t *content = json_array();

    if (whole)
        (void)json_array_append_new(content, text_part(say->text));
    return json_pack("{s:s,s:s,s:s,s:s,s:o}", "type", "message", "id", id, "role", "assistant",
                     "status", whole ? "completed" : "in_progress", "content", content);
}

static json_t *reasoning_item(const struct script_say *say, const char *id, bool whole)
{
    json_t *summary = json_array();

    if (whole)
        (void)json_array_append_new(
            summary, json_pack("{s:s,s:s}", "type", "summary_text", "text", say->reasoning));
    return json_pack("{s:s,s:s,s:o}", "type", "reasoning", "id", id, "summary", summary);
}

static json_t *call_item(const struct script_bound *call, const char *id, bool whole)
{
    json_t *item =
        json_pack("{s:s,s:s,s:s,s:s,s:s,s:s}", "type", "function_call", "id", id, "call_id",
                  call->id, "name", call->name, "arguments", whole ? call->arguments : "",
                  "status", whole ? "completed" : "in_progress");

    if (call->namespace != NULL)
        (void)json_object_set_new(item, "namespace", json_string(call->namespace));
    return item;
}

static bool end_item(struct stream *stream, json_t *item, struct fault *fault)
{
    (void)json_array_append(stream->output, item);
    if (!of_item(stream, "response.output_item.done", item, fault))
        return false;
    stream->index++;
    return true;
}

static bool say_reasoning(struct stream *stream, struct fault *fault)
{
    const struct script_say *say = stream->say;
    char id[64];
    static const char index[] = "summary_index";

    (void)snprintf(id, sizeof(id), "rs_%s", say->id);
    return of_item(stream, "response.output_item.added", reasoning_item(say, id, false),
                   fault) &&
           with(stream, "response.reasoning_summary_part.added", id, index, "part",
                json_pack("{s:s,s:s}", "type", "summary_text", "text", ""), fault) &&
           deltas(stream, "response.reasoning_summary_text.delta", id, index, say->reasoning,
                  fault) &&
           with(stream, "response.reasoning_summary_text.done", id, index, "text",
                json_string(say->reasoning), fault) &&
           with(stream, "response.reasoning_summary_part.done", id, index, "part",
                json_pack("{s:s,s:s}", "type", "summary_text", "text", say->reasoning),
                fault) &&
           end_item(stream, reasoning_item(say, id, true), fault);
}

static bool say_text(struct stream *stream, struct fault *fault)
{
    const struct script_say *say = stream->say;
    char id[64];
    static const char index[] = "content_index";

    (void)snprintf(id, sizeof(id), "msg_%s", say->id);
    return of_item(stream, "response.output_item.added", message_item(say, id, false),
                   fault) &&
           with(stream, "response.content_part.added", id, index, "part", text_part(""),
                fault) &&
           deltas(stream, "response.output_text.delta", id, index, say->text, fault) &&
           with(stream, "response.output_text.done", id, index, "text", json_string(say->text),
                fault) &&
           with(stream, "response.content_part.done", id, index, "part", text_part(say->text),
                fault) &&
           end_item(stream, message_item(say, id, true), fault);
}

static bool say_call(struct stream *stream, const struct script_bound *call,
                     struct fault *fault)
{
    char id[80];

    (void)snprintf(id, sizeof(id), "fc_%s", call->id);
    return of_item(stream, "response.output_item.added", call_item(call, id, false), fault) &&
           deltas(stream, "response.function_call_arguments.delta", id, NULL, call->arguments,
                  fault) &&
           with(stream, "response.function_call_arguments.done", id, NULL, "arguments",
                json_string(call->arguments), fault) &&
           end_item(stream, call_item(call, id, true), fault);
}

static bool say_all(struct stream *stream, struct fault *fault)
{
    const struct script_say *say = stream->say;

    if (!of_response(stream, "response.created", "in_progress", json_null(), fault) ||
        !of_response(stream, "response.in_progress", "in_progress", json_null(), fault))
        return false;
    if ((say->reasoning != NULL && !say_reasoning(stream, fault)) ||
        (say->text != NULL && !say_text(stream, fault)))
        return false;
    for (size_t i = 0; i < say->call_count; i++)
        if (!say_call(stream, &say->calls[i], fault))
            return false;
    return of_response(stream, "response.completed", "completed", usage_of(&say->usage),
                       fault);
}

bool script_responses_stream(const struct script_say *say, struct buf *out,
                             struct fault *fault)
{
    struct stream stream = {.say = say, .out = out, .output = json_array()};
    bool ok = say_all(&stream, fault);

    json_decref(stream.output);
    return ok;
}

json_t *script_responses_whole(const struct script_say *say)
{
    json_t *output = json_array(), *whole;
    char id[80];

    (void)snprintf(id, sizeof(id), "rs_%s", say->id);
    if (say->reasoning != NULL)
        (void)json_array_append_new(output, reasoning_item(say, id, true));
    (void)snprintf(id, sizeof(id), "msg_%s", say->id);
    if (say->text != NULL)
        (void)json_array_append_new(output, message_item(say, id, true));
    for (size_t i = 0; i < say->call_count; i++) {
        (void)snprintf(id, sizeof(id), "fc_%s", say->calls[i].id);
        (void)json_array_append_new(output, call_item(&say->calls[i], id, true));
    }
    whole = response(say, "completed", output, usage_of(&say->usage));
    json_decref(output);
    return whole;
}
