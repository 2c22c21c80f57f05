/* One request in, one answer out: which dialect, which turn, what is said. */
#include <stdio.h>

#include "agent/script_parts.h"
#include "base/scope.h"
#include "wire/base64.h"
#include "wire/eventstream.h"

static const struct script_dialect_rule dialects[] = {
    {SCRIPT_CHAT, "openai", "/chat/completions", "messages", SCRIPT_AS_ASKED, true,
     script_chat_stream, script_chat_whole},
    {SCRIPT_RESPONSES, "openai-responses", "/responses", "input", SCRIPT_AS_ASKED, true,
     script_responses_stream, script_responses_whole},
    {SCRIPT_MESSAGES, "anthropic", "/messages", "messages", SCRIPT_AS_ASKED, true,
     script_messages_stream, script_messages_whole},
    {SCRIPT_MESSAGES, "anthropic", "/invoke", "messages", SCRIPT_WHOLE, false,
     script_messages_stream, script_messages_whole},
    {SCRIPT_MESSAGES, "anthropic", "/invoke-with-response-stream", "messages", SCRIPT_FRAMES,
     false, script_messages_stream, script_messages_whole},
    {SCRIPT_GEMINI, "gemini", ":generateContent", "contents", SCRIPT_WHOLE, false,
     script_gemini_stream, script_gemini_whole},
    {SCRIPT_GEMINI, "gemini", ":streamGenerateContent", "contents", SCRIPT_EVENTS, false,
     script_gemini_stream, script_gemini_whole},
};

/* The word that goes with a status; clients read both and they must agree. */
static const struct {
    int status;
    const char *type;
} error_types[] = {
    {401, "authentication_error"}, {402, "billing_error"},    {403, "permission_error"},
    {404, "not_found_error"},      {429, "rate_limit_error"}, {529, "overloaded_error"},
};

static const char ended[] = "The script has ended; there is nothing more to say.";

bool script_event(struct buf *out, const char *event, json_t *data, struct fault *fault)
{
    AUTO_FREE char *text = json_dumps(data, JSON_COMPACT);

    json_decref(data);
    if (text == NULL)
        return fault_set(fault, FAULT_INVALID, "an event that JSON cannot hold");
    if (event != NULL && !buf_add_format(out, fault, "event: %s\n", event))
        return false;
    return buf_add_text(out, "data: ", fault) && buf_add_text(out, text, fault) &&
           buf_add_text(out, "\n\n", fault);
}

bool script_piece(struct slice *rest, struct slice *ret_piece)
{
    size_t len = rest->len < SCRIPT_PIECE_BYTES ? rest->len : SCRIPT_PIECE_BYTES;

    while (len < rest->len && rest->at[len] >> 6 == 2)
        len++;
    *ret_piece = slice_part(*rest, 0, len);
    *rest = slice_part(*rest, len, rest->len);
    return ret_piece->len > 0;
}

void script_put_json(struct script_answer *answer, int status, json_t *value)
{
    AUTO_FREE char *text = json_dumps(value, JSON_COMPACT);
    struct fault fault = {0};

    json_decref(value);
    buf_clear(&answer->body);
    answer->status = status;
    answer->content_type = "application/json";
    answer->streamed = false;
    if (text == NULL || !buf_add_text(&answer->body, text, &fault))
        answer->status = 500;
}

static void put_error(struct script_answer *answer, int status, const char *message)
{
    const char *type = status >= 500 ? "server_error" : "invalid_request_error";

    for (size_t i = 0; i < COUNT(error_types); i++)
        if (error_types[i].status == status)
            type = error_types[i].type;
    script_put_json(answer, status,
             json_pack("{s:s,s:{s:s,s:s,s:s}}", "type", "error", "error", "message", message,
                       "code", type, "type", type));
}

static int64_t estimate(int64_t given, size_t bytes)
{
    return given >= 0 ? given : (int64_t)(bytes / 4) + 1;
}

static void free_say(struct script_say *say)
{
    for (size_t i = 0; i < say->call_count; i++)
        free(say->calls[i].arguments);
    say->call_count = 0;
}

static bool bind_calls(const struct script *script, const struct script_turn *turn,
                       json_t *tools, int number, struct script_say *say, struct fault *fault)
{
    for (size_t i = 0; i < turn->call_count; i++) {
        struct script_bound *bound = &say->calls[i];

        if (!script_bind(script, &turn->calls[i], tools, bound, fault))
            return false;
        (void)snprintf(bound->id, sizeof(bound->id), "call_scripted_t%d_%zu", number, i);
        say->call_count++;
    }
    return true;
}

/* What the model says in this turn; false: the answer is an error, and has been put. */
static bool choose(struct script *script, json_t *tools, size_t had, struct script_say *say,
                   struct script_answer *answer)
{
    struct script_turn *turn = had < script->turn_count ? &script->turns[had] : NULL;
    struct fault fault = {0};

    say->usage = (struct script_usage){.input = -1, .output = -1, .cached = -1};
    if (!script_offers_tool(tools)) {
        say->text = script->side;
        return true;
    }
    answer->turn = (int)had;
    if (turn == NULL) {
        say->text = ended;
        return true;
    }
    answer->delay_ms = turn->delay_ms;
    answer->pace_ms = turn->pace_ms;
    if (turn->status != 0 && turn->served < turn->times) {
        turn->served++;
        put_error(answer, turn->status,
                  turn->message == NULL ? "scripted error" : turn->message);
        return false;
    }
    say->text = turn->text;
    say->reasoning = turn->reasoning;
    say->usage = turn->usage;
    if (turn->text == NULL && turn->call_count == 0)
        say->text = "";
    if (!bind_calls(script, turn, tools, (int)had, say, &fault)) {
        put_error(answer, 400, fault.why);
        return false;
    }
    return true;
}

static size_t said_bytes(const struct script_say *say)
{
    size_t bytes = (say->text == NULL ? 0 : strlen(say->text)) +
                   (say->reasoning == NULL ? 0 : strlen(say->reasoning));

    for (size_t i = 0; i < say->call_count; i++)
        bytes += strlen(say->calls[i].arguments);
    return bytes;
}

/* One frame of Amazon's an event: its data in base64. */
static bool add_frame(struct slice event, struct buf *out, struct fault *fault)
{
    static const char *const headers[][2] = {{":event-type", "chunk"},
                                             {":content-type", "application/json"},
                                             {":message-type", "event"}};
    AUTO_BUF struct buf payload = buf_with_limit(SCRIPT_ANSWER_BYTES_MAX);
    size_t data = slice_find(event, SLICE("data: "), 0);

    return data == SIZE_MAX ||
           (buf_add_text(&payload, "{\"bytes\":\"", fault) &&
            base64_encode(slice_part(event, data + strlen("data: "), event.len), &payload,
                          fault) &&
            buf_add_text(&payload, "\",\"p\":\"abcdefgh\"}", fault) &&
            eventstream_write(headers, COUNT(headers), buf_slice(&payload), out, fault));
}

static bool put_frames(struct script_answer *answer, struct fault *fault)
{
    AUTO_BUF struct buf events = take_buf(&answer->body);
    struct slice rest = buf_slice(&events);

    answer->content_type = "application/vnd.amazon.eventstream";
    while (rest.len > 0) {
        size_t end = slice_find(rest, SLICE("\n\n"), 0);

        if (!add_frame(slice_part(rest, 0, end), &answer->body, fault))
            return false;
        rest = slice_part(rest, end == SIZE_MAX ? rest.len : end + 2, rest.len);
    }
    return true;
}

static void say_it(const struct script_dialect_rule *rule, bool streamed, size_t request_bytes,
                   struct script_say *say, struct script_answer *answer)
{
    struct fault fault = {0};

    (void)snprintf(say->id, sizeof(say->id), "scripted-t%d", answer->turn);
    say->usage.input = estimate(say->usage.input, request_bytes);
    say->usage.output = estimate(say->usage.output, said_bytes(say));
    say->usage.cached = say->usage.cached < 0 ? 0 : say->usage.cached;
    if (!streamed) {
        script_put_json(answer, 200, rule->whole(say));
        return;
    }
    answer->status = 200;
    answer->content_type = "text/event-stream; charset=utf-8";
    answer->streamed = true;
    if (!rule->stream(say, &answer->body, &fault) ||
        (rule->form == SCRIPT_FRAMES && !put_frames(answer, &fault)))
        put_error(answer, 500, fault.why);
}

static void answer_model(struct script *script, const struct script_dialect_rule *rule,
                         struct slice body, struct script_answer *answer)
{
    json_error_t error;
    /* As providers do, \u0000 in a text is taken; nothing of it is said again. */
    json_t *request = json_loadb((const char *)body.at, body.len,
                                 JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    json_t *history = json_object_get(request, rule->history);
    json_t *options = json_object_get(request, "stream_options");
    struct script_say say = {.model = script->model};
    json_t *tools;

    answer->dialect = rule->name;
    if (!json_is_object(request) || 
        (rule->names_model && json_object_get(request, "model") == NULL) ||
        !(json_is_array(history) ||
          (rule->dialect == SCRIPT_RESPONSES && json_is_string(history)))) {
        AUTO_FREE char *why = request == NULL ? xformat("the body is not JSON: %s", error.text)
                                              : xstrdup("model or the list of messages is missing");

        put_error(answer, 400, why);
        json_decref(request);
        return;
    }
    say.wants_usage = json_is_true(json_object_get(options, "include_usage"));
    tools = script_tools(rule->dialect, request);
    if (choose(script, tools, script_turns_had(history), &say, answer))
        say_it(rule,
               rule->form == SCRIPT_AS_ASKED ? json_is_true(json_object_get(request, "stream"))
                                             : rule->form != SCRIPT_WHOLE,
               body.len, &say, answer);
    free_say(&say);
    json_decref(tools);
    json_decref(request);
}

/* The path alone: without scheme and host of an absolute-form target, without the query. */
static struct slice path_of(struct slice target)
{
    size_t scheme = slice_find(target, SLICE("://"), 0);
    size_t query;

    if (target.len > 0 && target.at[0] != '/' && scheme != SIZE_MAX)
        target = slice_part(target, slice_find_byte(target, '/', scheme + 3), target.len);
    query = slice_find_byte(target, '?', 0);
    return query == SIZE_MAX ? target : slice_part(target, 0, query);
}

void script_answer(struct script *script, struct slice method, struct slice target,
                   struct slice body, struct script_answer *ret_answer)
{
    struct script_answer answer = {
        .body = buf_with_limit(SCRIPT_ANSWER_BYTES_MAX), .turn = -1, .dialect = ""};
    struct slice path = path_of(target);
    bool post = slice_equal(method, SLICE("POST"));

    if (!script_side(script, method, path, body, &answer)) {
        size_t i = 0;

        while (i < COUNT(dialects) && !slice_ends_with(path, slice_of(dialects[i].path_end)))
            i++;
        if (i == COUNT(dialects))
            put_error(&answer, 404, "the scripted model has no such path");
        else if (!post)
            put_error(&answer, 405, "POST only");
        else
            answer_model(script, &dialects[i], body, &answer);
    }
    *ret_answer = answer;
}

void script_answer_free(struct script_answer *answer)
{
    buf_free(&answer->body);
}
