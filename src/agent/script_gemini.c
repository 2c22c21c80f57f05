/* Gemini: data alone, each a whole answer of one part; the last one says why it ends and what was
 * used. */
#include "agent/script_parts.h"

static json_t *usage_of(const struct script_usage *usage)
{
    return json_pack("{s:I,s:I,s:I,s:I}", "promptTokenCount", (json_int_t)usage->input,
                     "candidatesTokenCount", (json_int_t)usage->output,
                     "cachedContentTokenCount", (json_int_t)usage->cached, "totalTokenCount",
                     (json_int_t)(usage->input + usage->output));
}

static json_t *answer(const struct script_say *say, json_t *parts, bool last)
{
    json_t *candidate = json_pack("{s:{s:s,s:o},s:i}", "content", "role", "model", "parts",
                                  parts, "index", 0);

    if (last)
        (void)json_object_set_new(candidate, "finishReason", json_string("STOP"));
    return json_pack("{s:[o],s:s,s:s,s:o}", "candidates", candidate, "modelVersion", say->model,
                     "responseId", say->id, "usageMetadata",
                     last ? usage_of(&say->usage) : json_object());
}

static json_t *text_part(const char *text, size_t len, bool thought)
{
    json_t *part = json_pack("{s:s%}", "text", text, len);

    if (thought)
        (void)json_object_set_new(part, "thought", json_true());
    return part;
}

static json_t *call_part(const struct script_bound *call)
{
    return json_pack("{s:{s:s,s:s,s:o},s:s}", "functionCall", "id", call->id, "name",
                     call->name, "args", json_loads(call->arguments, 0, NULL),
                     "thoughtSignature", "c2NyaXB0ZWQ=");
}

static bool pieces(const struct script_say *say, const char *text, bool thought,
                   struct buf *out, struct fault *fault)
{
    struct slice rest = slice_of(text == NULL ? "" : text), piece;

    while (script_piece(&rest, &piece)) {
        json_t *part = text_part((const char *)piece.at, piece.len, thought);

        if (!script_event(out, NULL, answer(say, json_pack("[o]", part), false), fault))
            return false;
    }
    return true;
}

bool script_gemini_stream(const struct script_say *say, struct buf *out, struct fault *fault)
{
    if (!pieces(say, say->reasoning, true, out, fault) ||
        !pieces(say, say->text, false, out, fault))
        return false;
    for (size_t i = 0; i < say->call_count; i++)
        if (!script_event(out, NULL,
                          answer(say, json_pack("[o]", call_part(&say->calls[i])), false),
                          fault))
            return false;
    return script_event(out, NULL, answer(say, json_pack("[o]", text_part("", 0, false)), true),
                        fault);
}

json_t *script_gemini_whole(const struct script_say *say)
{
    json_t *parts = json_array();

    if (say->reasoning != NULL)
        (void)json_array_append_new(parts,
                                    text_part(say->reasoning, strlen(say->reasoning), true));
    if (say->text != NULL)
        (void)json_array_append_new(parts, text_part(say->text, strlen(say->text), false));
    for (size_t i = 0; i < say->call_count; i++)
        (void)json_array_append_new(parts, call_part(&say->calls[i]));
    return answer(say, parts, true);
}
