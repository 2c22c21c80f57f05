#include "gateway/mcp/answer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/scope.h"
#include "gateway/door/leaves.h"
#include "wire/sse.h"

#define ABILITIES_BYTES_MAX 4096

struct mcp_answer {
    const struct mcp_call *call;
    struct mcp_memory *memory;
    struct leaves leaves; /* of all messages together */
    unsigned cut;
    enum mcp_start start;
    struct buf held; /* a message that is no stream */
    struct sse *sse;
    bool done;
    struct mcp_refusal refusal;
};

struct mcp_answer *mcp_answer_new(const struct mcp_call *call, struct mcp_memory *memory,
                                  const struct door_scan *scan, unsigned cut)
{
    struct mcp_answer *answer = xalloc(sizeof(*answer));

    answer->call = call;
    answer->memory = memory;
    answer->leaves.scan = scan;
    answer->cut = cut;
    answer->held = buf_with_limit(MCP_MESSAGE_BYTES_MAX);
    return answer;
}

void mcp_answer_free(struct mcp_answer *answer)
{
    if (answer == NULL)
        return;
    leaves_free(&answer->leaves);
    buf_free(&answer->held);
    sse_free(answer->sse);
    free(answer);
}

const struct mcp_refusal *mcp_answer_refusal(const struct mcp_answer *answer)
{
    return &answer->refusal;
}

unsigned mcp_answer_classes(const struct mcp_answer *answer)
{
    return answer->leaves.classes;
}

const char *mcp_answer_rule(const struct mcp_answer *answer, enum data_class class)
{
    return answer->leaves.rules[class];
}

bool mcp_answer_done(const struct mcp_answer *answer)
{
    return answer->done;
}

size_t mcp_answer_held(const struct mcp_answer *answer)
{
    return answer->held.len + (answer->sse == NULL ? 0 : sse_pending(answer->sse).len);
}

static bool refuse(struct mcp_answer *answer, const char *reason, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static bool refuse(struct mcp_answer *answer, const char *reason, const char *format, ...)
{
    struct mcp_refusal *refusal = &answer->refusal;
    int begun = snprintf(refusal->text, sizeof(refusal->text), "MCP server %.64s ",
                         answer->call->name);
    va_list arguments;

    refusal->reason = reason;
    if (begun < 0 || (size_t)begun >= sizeof(refusal->text))
        return false;
    va_start(arguments, format);
    (void)vsnprintf(refusal->text + begun, sizeof(refusal->text) - (size_t)begun, format,
                    arguments);
    va_end(arguments);
    return false;
}

/* ---- the head ---- */

static bool is_request(const struct mcp_answer *answer)
{
    return mcp_method_row(answer->call->method)->kind == MCP_REQUEST;
}

static bool type_is(const struct call_head *head, const char *type)
{
    size_t len = strlen(type);

    return strncasecmp(head->content_type, type, len) == 0 &&
           strchr(" ;", head->content_type[len]) != NULL;
}

/* Statuses that a client of this protocol acts on; the rest is said in words. */
static enum mcp_start take_status(struct mcp_answer *answer, int status, int *ret_status)
{
    const struct mcp_call *call = answer->call;

    if (status == 404 && call->open.session[0] != 0) {
        mcp_session_drop(answer->memory, call->server, slice_of(call->open.session));
        *ret_status = 404;
        (void)refuse(answer, "upstream-session", "knows the session no more");
        answer->refusal.is_failure = true;
        return MCP_START_REFUSED;
    }
    if (status == 405 && mcp_method_row(call->method)->verb != MCP_POST) {
        *ret_status = 405;
        return MCP_START_EMPTY;
    }
    *ret_status = 502;
    (void)refuse(answer, "upstream-status", "answered with HTTP %d%s", status,
                 status == 401 || status == 403 ? " (policy: mcp, key)" : "");
    answer->refusal.is_failure = true;
    return MCP_START_REFUSED;
}

static bool take_session(struct mcp_answer *answer, const struct call_head *head)
{
    const struct mcp_call *call = answer->call;

    if (call->method == MCP_END)
        mcp_session_drop(answer->memory, call->server, slice_of(call->open.session));
    if (call->method != MCP_INITIALIZE || head->session[0] == 0)
        return true;
    return mcp_session_add(answer->memory, call->server, slice_of(head->session)) ||
           refuse(answer, "mcp-session", "has too many sessions open");
}

enum mcp_start mcp_answer_head(struct mcp_answer *answer, const struct call_head *head,
                               int *ret_status)
{
    bool streams = answer->call->method == MCP_STREAM;

    *ret_status = 502;
    if (head->status < 200 || head->status > 299)
        return answer->start = take_status(answer, head->status, ret_status);
    if (!take_session(answer, head))
        return answer->start = MCP_START_REFUSED;
    *ret_status = 200;
    if (!is_request(answer) && !streams) {
        *ret_status = head->status == 200 || head->status == 204 ? head->status : 202;
        return answer->start = MCP_START_EMPTY;
    }
    if (type_is(head, "text/event-stream")) {
        answer->sse = sse_new(MCP_MESSAGE_BYTES_MAX);
        return answer->start = MCP_START_STREAM;
    }
    if (!streams && type_is(head, "application/json"))
        return answer->start = MCP_START_WHOLE;
    *ret_status = 502;
    (void)refuse(answer, "mcp-message",
                 "answered with something that is neither JSON nor a stream of events");
    return answer->start = MCP_START_REFUSED;
}

/* ---- messages ---- */

static bool look(struct mcp_answer *answer, struct slice text)
{
    struct fault fault = {0};
    unsigned cut;

    if (!leaves_walk(&answer->leaves, text, &fault))
        return refuse(answer, "mcp-message", "sent what cannot be read: %s", fault.why);
    cut = answer->leaves.classes & answer->cut;
    if (cut != 0)
        return refuse(
            answer, "data-class",
            "sent data of class %s (rule %s), which policy (data, answers) keeps from "
            "the agent",
            class_name(class_of_mask(cut)), answer->leaves.rules[class_of_mask(cut)]);
    return true;
}

/* What a server can do that agents use: its tools. What it would have the agent know
 * (`instructions`) stays here: nobody has accepted it. */
static bool write_abilities(struct slice result, struct buf *out, struct fault *fault)
{
    struct json_value version, tools, about;
    struct fault none = {0};

    if (!json_member(result, "protocolVersion", &version, fault))
        return false;
    if (version.type != JSON_STRING ||
        !mcp_version_known(slice_part(version.raw, 1, version.raw.len - 1)))
        return fault_set(
            fault, FAULT_INVALID,
            "a version of the protocol that is not spoken here (the newest is %s)",
            mcp_version_newest());
    if (!buf_add_text(out, "{\"protocolVersion\":", fault) ||
        !buf_add(out, version.raw, fault) || !buf_add_text(out, ",\"capabilities\":{", fault))
        return false;
    if (json_at(result, "capabilities.tools", &tools, &none) &&
        (!buf_add_text(out, "\"tools\":", fault) || !buf_add(out, tools.raw, fault)))
        return false;
    if (!buf_add_byte(out, '}', fault))
        return false;
    if (json_member(result, "serverInfo", &about, &none) &&
        (!buf_add_text(out, ",\"serverInfo\":", fault) || !buf_add(out, about.raw, fault)))
        return false;
    return buf_add_byte(out, '}', fault);
}

static bool write_list(struct mcp_answer *answer, struct slice result, struct buf *out)
{
    const struct mcp_call *call = answer->call;
    struct mcp_refusal refusal = {0};

    if (mcp_memory_list(answer->memory, call->server, call->first, result, out, &refusal))
        return true;
    answer->refusal = refusal;
    return false;
}

/* The result as the agent gets it; `room` may hold it. */
static bool edit_result(struct mcp_answer *answer, struct slice *result, struct buf *room)
{
    struct fault fault = {0};

    if (answer->call->method == MCP_INITIALIZE) {
        if (!write_abilities(*result, room, &fault))
            return refuse(answer, "mcp-message", "began with something else: %s", fault.why);
    } else if (answer->call->method == MCP_TOOLS_LIST) {
        if (!write_list(answer, *result, room))
            return false;
    } else {
        return true;
    }
    *result = buf_slice(room);
    return true;
}

static bool answer_id(struct mcp_answer *answer, const struct mcp_message *message)
{
    struct slice ours = buf_slice(&answer->call->id);

    if (!is_request(answer) || answer->done)
        return refuse(answer, "mcp-id", "sent an answer that nobody waits for");
    /* An error of a server that could not read the request has none. */
    if ((message->kind == MCP_ERROR && message->id.len == 0) ||
        mcp_id_equal(message->id, ours))
        return true;
    return refuse(answer, "mcp-id", "answered another request than the one that was sent");
}

static bool take_answer(struct mcp_answer *answer, const struct mcp_message *message,
                        struct slice text, struct buf *out)
{
    AUTO_BUF struct buf room = buf_with_limit(2 * MCP_MESSAGE_BYTES_MAX);
    struct slice result = message->result, ours = buf_slice(&answer->call->id);
    struct fault fault = {0};
    bool ok;

    if (!answer_id(answer, message) ||
        (message->kind == MCP_RESULT && !edit_result(answer, &result, &room)))
        return false;
    if (message->kind == MCP_ERROR && message->id.len == 0)
        ok = mcp_message_failure(ours, message->error, out, &fault);
    else if (result.at == message->result.at)
        ok = buf_add(out, text, &fault);
    else
        ok = mcp_message_result(ours, result, out, &fault);
    answer->done = ok;
    return ok || refuse(answer, "mcp-message", "sent too much: %s", fault.why);
}

/* Appends what of the message goes on, perhaps nothing. */
static bool take_message(struct mcp_answer *answer, struct slice text, struct buf *out)
{
    struct mcp_message message;
    struct fault fault = {0};

    if (!mcp_message_read(text, &message, &fault))
        return refuse(answer, "mcp-message", "sent what is no message: %s", fault.why);
    if (!look(answer, text))
        return false;
    if (message.kind == MCP_RESULT || message.kind == MCP_ERROR)
        return take_answer(answer, &message, text, out);
    switch (mcp_said(&message)) {
    case MCP_SAID_PASS:
        return buf_add(out, text, &fault) ||
               refuse(answer, "mcp-message", "sent too much: %s", fault.why);
    case MCP_SAID_DROP:
        return true;
    case MCP_SAID_REFUSE:
        break;
    }
    return refuse(answer, "mcp-request", "asked the agent for %s, which no tool server may",
                  message.method);
}

/* ---- bytes ---- */

bool mcp_answer_event(struct slice message, struct buf *out, struct fault *fault)
{
    size_t from;

    if (!buf_add_text(out, "event: message\ndata: ", fault))
        return false;
    from = out->len;
    if (!buf_add(out, message, fault))
        return false;
    for (size_t i = from; i < out->len; i++) /* between tokens: in a string they are escaped */
        if (out->at[i] == '\n' || out->at[i] == '\r')
            out->at[i] = ' ';
    return buf_add_text(out, "\n\n", fault);
}

static bool take_event(struct mcp_answer *answer, struct buf *out)
{
    AUTO_BUF struct buf message = buf_with_limit(2 * MCP_MESSAGE_BYTES_MAX);
    struct slice data = sse_data(answer->sse), name = sse_name(answer->sse);
    struct fault fault = {0};

    /* a comment, the empty event that a client could resume from, or an event of another kind */
    if (data.len == 0 || (name.len > 0 && !slice_equal(name, SLICE("message"))))
        return true;
    if (!take_message(answer, data, &message))
        return false;
    return message.len == 0 || mcp_answer_event(buf_slice(&message), out, &fault) ||
           refuse(answer, "mcp-message", "sent too much: %s", fault.why);
}

static bool feed_events(struct mcp_answer *answer, struct slice bytes, struct buf *out)
{
    struct fault fault = {0};
    bool event;
    size_t used;

    while (bytes.len > 0 && !answer->done) {
        if (!sse_feed(answer->sse, bytes, &used, &event, &fault))
            return refuse(answer, "mcp-message", "sent too much: %s", fault.why);
        bytes = slice_part(bytes, used, bytes.len);
        if (event && !take_event(answer, out))
            return false;
    }
    return true; /* after its answer it has nothing to say */
}

bool mcp_answer_feed(struct mcp_answer *answer, struct slice bytes, struct buf *out)
{
    struct fault fault = {0};

    if (answer->start == MCP_START_STREAM)
        return feed_events(answer, bytes, out);
    if (answer->start == MCP_START_WHOLE && !buf_add(&answer->held, bytes, &fault))
        return refuse(answer, "mcp-message", "sent too much: %s", fault.why);
    return answer->start != MCP_START_REFUSED;
}

bool mcp_answer_end(struct mcp_answer *answer, struct buf *out)
{
    if (answer->start == MCP_START_WHOLE &&
        !take_message(answer, buf_slice(&answer->held), out))
        return false;
    if (!is_request(answer))
        answer->done = true;
    return answer->done || refuse(answer, "mcp-message", "ended without an answer");
}
