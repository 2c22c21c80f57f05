/* Chat Completions: data alone, `chat.completion.chunk`, ends with [DONE]. */
#include "agent/script_parts.h"

static json_t *usage_of(const struct script_usage *usage)
{
    return json_pack("{s:I,s:I,s:I,s:{s:I}}", "prompt_tokens", (json_int_t)usage->input,
                     "completion_tokens", (json_int_t)usage->output, "total_tokens",
                     (json_int_t)(usage->input + usage->output), "prompt_tokens_details",
                     "cached_tokens", (json_int_t)usage->cached);
}

static const char *finish(const struct script_say *say)
{
    return say->call_count > 0 ? "tool_calls" : "stop";
}

static json_t *chunk(const struct script_say *say, json_t *choices)
{
    return json_pack("{s:s,s:s,s:i,s:s,s:s,s:o}", "id", say->id, "object",
                     "chat.completion.chunk", "created", SCRIPT_CREATED, "model", say->model,
                     "system_fingerprint", "scripted", "choices", choices);
}

static bool delta(const struct script_say *say, struct buf *out, json_t *content,
                  const char *finish_reason, struct fault *fault)
{
    return script_event(out, NULL,
                        chunk(say, json_pack("[{s:i,s:o,s:s?}]", "index", 0, "delta", content,
                                             "finish_reason", finish_reason)),
                        fault);
}

static bool pieces(const struct script_say *say, struct buf *out, const char *key,
                   const char *text, struct fault *fault)
{
    struct slice rest = slice_of(text == NULL ? "" : text), piece;

    while (script_piece(&rest, &piece))
        if (!delta(say, out, json_pack("{s:s%}", key, piece.at, piece.len), NULL, fault))
            return false;
    return true;
}

static bool call_pieces(const struct script_say *say, size_t index, struct buf *out,
                        struct fault *fault)
{
    const struct script_bound *call = &say->calls[index];
    struct slice rest = slice_of(call->arguments), piece;

    if (!delta(say, out,
               json_pack("{s:[{s:I,s:s,s:s,s:{s:s,s:s}}]}", "tool_calls", "index",
                         (json_int_t)index, "id", call->id, "type", "function", "function",
                         "name", call->name, "arguments", ""),
               NULL, fault))
        return false;
    while (script_piece(&rest, &piece))
        if (!delta(say, out,
                   json_pack("{s:[{s:I,s:{s:s%}}]}", "tool_calls", "index", (json_int_t)index,
                             "function", "arguments", piece.at, piece.len),
                   NULL, fault))
            return false;
    return true;
}

bool script_chat_stream(const struct script_say *say, struct buf *out, struct fault *fault)
{
    json_t *last;

    if (!delta(say, out, json_pack("{s:s,s:s}", "role", "assistant", "content", ""), NULL,
               fault) ||
        !pieces(say, out, "reasoning_content", say->reasoning, fault) ||
        !pieces(say, out, "content", say->text, fault))
        return false;
    for (size_t i = 0; i < say->call_count; i++)
        if (!call_pieces(say, i, out, fault))
            return false;
    if (!delta(say, out, json_object(), finish(say), fault))
        return false;
    if (say->wants_usage) {
        last = chunk(say, json_array());
        (void)json_object_set_new(last, "usage", usage_of(&say->usage));
        if (!script_event(out, NULL, last, fault))
            return false;
    }
    return buf_add_text(out, "data: [DONE]\n\n", fault);
}

json_t *script_chat_whole(const struct script_say *say)
{
    json_t *message = json_pack("{s:s,s:s?}", "role", "assistant", "content", say->text);
    json_t *calls = json_array();

    for (size_t i = 0; i < say->call_count; i++)
        (void)json_array_append_new(calls, json_pack("{s:s,s:s,s:{s:s,s:s}}", "id",
                                                     say->calls[i].id, "type", "function",
                                                     "function", "name", say->calls[i].name,
                                                     "arguments", say->calls[i].arguments));
    if (say->call_count > 0)
        (void)json_object_set(message, "tool_calls", calls);
    json_decref(calls);
    if (say->reasoning != NULL)
        (void)json_object_set_new(message, "reasoning_content", json_string(say->reasoning));
    return json_pack("{s:s,s:s,s:i,s:s,s:s,s:[{s:i,s:o,s:s}],s:o}", "id", say->id, "object",
                     "chat.completion", "created", SCRIPT_CREATED, "model", say->model,
                     "system_fingerprint", "scripted", "choices", "index", 0, "message",
                     message, "finish_reason", finish(say), "usage", usage_of(&say->usage));
}
