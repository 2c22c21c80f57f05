/* Messages: named events, content in blocks, ends with message_stop. */
#include "agent/script_parts.h"

static json_t *usage_of(const struct script_usage *usage)
{
    return json_pack("{s:I,s:I,s:I,s:i}", "input_tokens",
                     (json_int_t)(usage->input - usage->cached), "output_tokens",
                     (json_int_t)usage->output, "cache_read_input_tokens",
                     (json_int_t)usage->cached, "cache_creation_input_tokens", 0);
}

static const char *stop(const struct script_say *say)
{
    return say->call_count > 0 ? "tool_use" : "end_turn";
}

static json_t *message(const struct script_say *say, json_t *content, const char *stop_reason,
                       const struct script_usage *usage)
{
    return json_pack("{s:s,s:s,s:s,s:s,s:o,s:s?,s:n,s:o}", "id", say->id, "type", "message",
                     "role", "assistant", "model", say->model, "content", content,
                     "stop_reason", stop_reason, "stop_sequence", "usage", usage_of(usage));
}

static json_t *call_block(const struct script_bound *call, bool whole)
{
    json_t *input = whole ? json_loads(call->arguments, 0, NULL) : json_object();

    return json_pack("{s:s,s:s,s:s,s:o}", "type", "tool_use", "id", call->id, "name",
                     call->name, "input", input);
}

/* Writes one block; `text` in pieces, as a delta of that type and key. */
static bool block(size_t index, json_t *start, const char *type, const char *key,
                  const char *text, struct buf *out, struct fault *fault)
{
    struct slice rest = slice_of(text), piece;

    if (!script_event(out, "content_block_start",
                      json_pack("{s:s,s:I,s:o}", "type", "content_block_start", "index",
                                (json_int_t)index, "content_block", start),
                      fault))
        return false;
    while (script_piece(&rest, &piece))
        if (!script_event(out, "content_block_delta",
                          json_pack("{s:s,s:I,s:{s:s,s:s%}}", "type", "content_block_delta",
                                    "index", (json_int_t)index, "delta", "type", type, key,
                                    piece.at, piece.len),
                          fault))
            return false;
    if (strcmp(type, "thinking_delta") == 0 &&
        !script_event(out, "content_block_delta",
                      json_pack("{s:s,s:I,s:{s:s,s:s}}", "type", "content_block_delta",
                                "index", (json_int_t)index, "delta", "type", "signature_delta",
                                "signature", "c2NyaXB0ZWQ="),
                      fault))
        return false;
    return script_event(
        out, "content_block_stop",
        json_pack("{s:s,s:I}", "type", "content_block_stop", "index", (json_int_t)index),
        fault);
}

static bool blocks(const struct script_say *say, struct buf *out, struct fault *fault)
{
    size_t index = 0;

    if (say->reasoning != NULL &&
        !block(index++,
               json_pack("{s:s,s:s,s:s}", "type", "thinking", "thinking", "", "signature", ""),
               "thinking_delta", "thinking", say->reasoning, out, fault))
        return false;
    if (say->text != NULL &&
        !block(index++, json_pack("{s:s,s:s}", "type", "text", "text", ""), "text_delta",
               "text", say->text, out, fault))
        return false;
    for (size_t i = 0; i < say->call_count; i++)
        if (!block(index++, call_block(&say->calls[i], false), "input_json_delta",
                   "partial_json", say->calls[i].arguments, out, fault))
            return false;
    return true;
}

bool script_messages_stream(const struct script_say *say, struct buf *out, struct fault *fault)
{
    struct script_usage begun = say->usage;

    begun.output = 1;
    return script_event(out, "message_start",
                        json_pack("{s:s,s:o}", "type", "message_start", "message",
                                  message(say, json_array(), NULL, &begun)),
                        fault) &&
           script_event(out, "ping", json_pack("{s:s}", "type", "ping"), fault) &&
           blocks(say, out, fault) &&
           script_event(out, "message_delta",
                        json_pack("{s:s,s:{s:s,s:n},s:o}", "type", "message_delta", "delta",
                                  "stop_reason", stop(say), "stop_sequence", "usage",
                                  usage_of(&say->usage)),
                        fault) &&
           script_event(out, "message_stop", json_pack("{s:s}", "type", "message_stop"),
                        fault);
}

json_t *script_messages_whole(const struct script_say *say)
{
    json_t *content = json_array();

    if (say->reasoning != NULL)
        (void)json_array_append_new(content,
                                    json_pack("{s:s,s:s,s:s}", "type", "thinking", "thinking",
                                              say->reasoning, "signature", "c2NyaXB0ZWQ="));
    if (say->text != NULL)
        (void)json_array_append_new(content,
                                    json_pack("{s:s,s:s}", "type", "text", "text", say->text));
    for (size_t i = 0; i < say->call_count; i++)
        (void)json_array_append_new(content, call_block(&say->calls[i], true));
    return message(say, content, stop(say), &say->usage);
}
