/* custody-agent: ask, do what the answer calls for, ask again with what came of it. */
#include <time.h>

#include "agent/loop_parts.h"
#include "base/scope.h"
#include "wire/json.h"
#include "wire/sse.h"

#define HISTORY_BYTES_MAX (24UL * 1024 * 1024)
#define EVENT_BYTES_MAX (4UL * 1024 * 1024)
#define ATTEMPTS_MAX 3
#define SHOWN_BYTES 200

static const char system_words[] = "You are a coding agent. You work in a git repository with "
                                   "the tools you are given; there is no "
                                   "network and nobody to ask. Read before you edit, keep "
                                   "changes small, run the tests, and end "
                                   "with a short summary of what you did. Some files may be "
                                   "absent and some values replaced by "
                                   "stand-ins of the same shape: leave stand-ins as they are.";

struct talk {
    const struct agent_loop *loop;
    struct agent_loop_result *result;
    struct buf messages; /* JSON objects with commas between */
    struct loop_reply reply;
    struct sse *sse;
    int status;
    bool ended; /* data: [DONE], or the whole of an answer that is not streamed */
};

static bool say_message(struct talk *talk, const char *role, struct slice text,
                        struct fault *fault)
{
    return (talk->messages.len == 0 || buf_add_byte(&talk->messages, ',', fault)) &&
           buf_add_format(&talk->messages, fault, "{\"role\":\"%s\",\"content\":", role) &&
           json_add_string(&talk->messages, text, fault) &&
           buf_add_byte(&talk->messages, '}', fault);
}

static bool say_call(struct buf *out, const struct loop_call *call, struct fault *fault)
{
    return buf_add_text(out, "{\"type\":\"function\",\"id\":", fault) &&
           json_add_string(out, buf_slice(&call->id), fault) &&
           buf_add_text(out, ",\"function\":{\"name\":", fault) &&
           json_add_string(out, buf_slice(&call->name), fault) &&
           buf_add_text(out, ",\"arguments\":", fault) &&
           json_add_string(out, buf_slice(&call->arguments), fault) &&
           buf_add_text(out, "}}", fault);
}

/* The model's own words and calls, back into the history. */
static bool say_reply(struct talk *talk, struct fault *fault)
{
    const struct loop_reply *reply = &talk->reply;
    struct buf *out = &talk->messages;

    if (!buf_add_text(out, ",{\"role\":\"assistant\",\"content\":", fault) ||
        !json_add_string(out, buf_slice(&reply->text), fault))
        return false;
    for (size_t i = 0; i < reply->call_count; i++)
        if (!buf_add_text(out, i == 0 ? ",\"tool_calls\":[" : ",", fault) ||
            !say_call(out, &reply->calls[i], fault))
            return false;
    return buf_add_text(out, reply->call_count == 0 ? "}" : "]}", fault);
}

static bool say_result(struct talk *talk, const struct loop_call *call, struct slice answer,
                       struct fault *fault)
{
    return buf_add_text(&talk->messages, ",{\"role\":\"tool\",\"tool_call_id\":", fault) &&
           json_add_string(&talk->messages, buf_slice(&call->id), fault) &&
           buf_add_text(&talk->messages, ",\"content\":", fault) &&
           json_add_string(&talk->messages, answer, fault) &&
           buf_add_byte(&talk->messages, '}', fault);
}

static bool take_event(struct talk *talk, struct fault *fault)
{
    struct slice data = sse_data(talk->sse);

    if (data.len == 0)
        return true;
    if (slice_equal(slice_trim(data), SLICE("[DONE]"))) {
        talk->ended = true;
        return true;
    }
    return loop_reply_take(&talk->reply, data, fault);
}

static bool take_events(struct talk *talk, struct http_answer *answer, struct fault *fault)
{
    while (answer->body.len > 0) {
        bool event = false;
        size_t used;

        if (!sse_feed(talk->sse, buf_slice(&answer->body), &used, &event, fault) ||
            (event && !take_event(talk, fault)))
            return false;
        buf_drop_front(&answer->body, used);
    }
    return true;
}

static bool more(void *self, struct http_answer *answer, struct fault *fault)
{
    struct talk *talk = self;

    talk->status = answer->status;
    if (answer->status == 200 && answer->streamed)
        return take_events(talk, answer, fault);
    if (!answer->done)
        return true;
    talk->ended = true;
    if (answer->status == 200)
        return loop_reply_take(&talk->reply, buf_slice(&answer->body), fault);
    loop_reply_refusal(&talk->reply, buf_slice(&answer->body));
    return true;
}

static bool build_request(const struct talk *talk, struct buf *out, struct fault *fault)
{
    return buf_add_text(out, "{\"model\":", fault) &&
           json_add_string(out, slice_of(talk->loop->model), fault) &&
           buf_add_format(out, fault,
                          ",\"stream\":true,\"stream_options\":{\"include_usage\":true},"
                          "\"tools\":%s,\"messages\":[",
                          loop_tools_json()) &&
           buf_add(out, buf_slice(&talk->messages), fault) && buf_add_text(out, "]}", fault);
}

static bool ask_once(struct talk *talk, struct slice request, struct fault *fault)
{
    const struct http_call call = {.base_url = talk->loop->base_url,
                                   .path = "/chat/completions",
                                   .key = talk->loop->key,
                                   .body = request,
                                   .timeout_ms = talk->loop->answer_timeout_ms,
                                   .clock = talk->loop->clock,
                                   .more = more,
                                   .self = talk};
    bool ok;

    loop_reply_free(&talk->reply);
    loop_reply_begin(&talk->reply);
    talk->status = 0;
    talk->ended = false;
    talk->sse = sse_new(EVENT_BYTES_MAX);
    ok = http_post(&call, fault);
    sse_free(talk->sse);
    return ok;
}

/* Overload passes; any other refusal stands. */
static bool worth_another(const struct talk *talk)
{
    return talk->status == 429 || talk->status >= 500;
}

static bool ask(struct talk *talk, struct fault *fault)
{
    AUTO_BUF struct buf request = buf_with_limit(HISTORY_BYTES_MAX + 65536);

    if (!build_request(talk, &request, fault))
        return false;
    for (unsigned attempt = 1;; attempt++) {
        struct timespec pause = {.tv_sec = (time_t)attempt};

        talk->result->steps++;
        if (!ask_once(talk, buf_slice(&request), fault))
            return fault_in(fault, "ask the model");
        if (!worth_another(talk) || attempt == ATTEMPTS_MAX)
            break;
        (void)nanosleep(&pause, NULL);
    }
    if (talk->status != 200 || talk->reply.refusal[0] != 0)
        return fault_set(fault,
                         worth_another(talk) || talk->status == 200 ? FAULT_IO : FAULT_DENIED,
                         "the model's door said %d: %s", talk->status, talk->reply.refusal);
    if (!talk->ended)
        return fault_set(fault, FAULT_IO, "the model's answer broke off");
    if (talk->reply.cut)
        return fault_set(fault, FAULT_LIMIT, "the model's answer was cut at its length limit");
    talk->result->tokens_in += talk->reply.tokens_in;
    talk->result->tokens_out += talk->reply.tokens_out;
    return true;
}

/* One line for people, its beginning only. */
static void show(const struct talk *talk, const char *head, struct slice text)
{
    struct slice line = slice_part(text, 0, SHOWN_BYTES);
    size_t end = slice_find_byte(line, '\n', 0);

    if (end != SIZE_MAX)
        line.len = end;
    (void)fprintf(talk->loop->out, "%s%.*s%s\n", head, SLICE_ARGS(line),
                  line.len < text.len ? " ..." : "");
    (void)fflush(talk->loop->out);
}

static bool do_calls(struct talk *talk, struct fault *fault)
{
    AUTO_BUF struct buf answer = buf_with_limit(LOOP_TEXT_BYTES_MAX);

    for (size_t i = 0; i < talk->reply.call_count; i++) {
        const struct loop_call *call = &talk->reply.calls[i];
        AUTO_FREE char *head = xformat("> %.*s ", SLICE_ARGS(call->name));

        show(talk, head, buf_slice(&call->arguments));
        talk->result->calls++;
        if (!loop_tool(talk->loop, call, &answer))
            talk->result->calls_failed++;
        show(talk, "  ", buf_slice(&answer));
        if (!say_result(talk, call, buf_slice(&answer), fault))
            return false;
    }
    return true;
}

static bool converse(struct talk *talk, struct fault *fault)
{
    if (!say_message(talk, "system", slice_of(system_words), fault) ||
        !say_message(talk, "user", slice_of(talk->loop->prompt), fault))
        return false;
    while (talk->result->steps < talk->loop->steps_max) {
        if (!ask(talk, fault))
            return false;
        if (talk->reply.text.len > 0)
            (void)fprintf(talk->loop->out, "%s\n", buf_text(&talk->reply.text));
        if (talk->reply.call_count == 0)
            return true;
        if (!say_reply(talk, fault) || !do_calls(talk, fault))
            return false;
    }
    return fault_set(fault, FAULT_LIMIT, "the model was not done after %u steps",
                     talk->loop->steps_max);
}

bool agent_loop_run(const struct agent_loop *loop, struct agent_loop_result *ret_result,
                    struct fault *fault)
{
    struct talk talk = {
        .loop = loop, .result = ret_result, .messages = buf_with_limit(HISTORY_BYTES_MAX)};
    bool ok;

    *ret_result = (struct agent_loop_result){0};
    loop_reply_begin(&talk.reply);
    ok = converse(&talk, fault);
    loop_reply_free(&talk.reply);
    buf_free(&talk.messages);
    return ok;
}
