#include "gateway/mcp/call.h"

#include <stdio.h>
#include <string.h>

#include "base/scope.h"
#include "gateway/door/plan.h"

#define PREFIX "/mcp/"
#define NAME_BYTES_MAX 512

/* Codes of JSON-RPC, section 5.1; what is ours is a server's own error there. */
static const struct {
    const char *reason;
    int code;
} codes[] = {{"malformed", -32600},
             {"mcp-method", -32601},
             {"mcp-params", -32602},
             {"mcp-tool", -32602},
             {"unknown-path", -32601}};
#define CODE_OWN (-32000)
#define STATUS_NO_SESSION 404 /* of a request, too: its client begins a new one */

bool mcp_is_path(struct slice path)
{
    return slice_starts_with(path, SLICE(PREFIX)) || slice_equal(path, SLICE("/mcp"));
}

void mcp_call_clear(struct mcp_call *call)
{
    buf_free(&call->id);
}

static int code_of(const char *reason)
{
    for (size_t i = 0; i < COUNT(codes); i++)
        if (strcmp(codes[i].reason, reason) == 0)
            return codes[i].code;
    return CODE_OWN;
}

bool mcp_call_error(const struct mcp_call *call, int *status, const char *code,
                    const char *message, struct buf *ret_body, struct fault *fault)
{
    if (call->id.len > 0 && *status != STATUS_NO_SESSION)
        *status = 200;
    return mcp_message_error(buf_slice(&call->id), code_of(code), message, ret_body, fault);
}

void mcp_call_record(const struct mcp_call *call, struct record *record)
{
    if (!call->is_mcp)
        return;
    record_word(record, RECORD_DIALECT, "mcp");
    record_word(record, RECORD_PROVIDER, call->name);
    record_word(record, RECORD_TOOL, call->tool);
    record_word(record, RECORD_DIGEST, call->digest);
}

/* ---- the head ---- */

static bool verb_of(const struct http1_request *request, enum mcp_verb *ret_verb)
{
    for (enum mcp_verb verb = 0; verb < MCP_VERB_COUNT; verb++)
        if (slice_equal(http1_request_method(request), slice_of(mcp_verb_name(verb)))) {
            *ret_verb = verb;
            return true;
        }
    return false;
}

void mcp_plan_head(const struct http1_request *request, struct plan *ret_plan)
{
    struct plan plan = {.kind = PLAN_READ_ON, .mcp.is_mcp = true};
    enum mcp_verb verb;

    if (http1_request_authority(request).len > 0)
        plan_refuse(&plan, 400, "egress", "a tool server is asked for by its path alone");
    else if (http1_request_wants_upgrade(request))
        plan_refuse(&plan, 400, "upgrade", "protocol upgrades are refused");
    else if (!verb_of(request, &verb))
        plan_refuse(&plan, 405, "method", "a tool server takes POST, GET and DELETE");
    else if (http1_request_query(request).len > 0)
        plan_refuse(&plan, 404, "unknown-path", "a tool server's path has no query");
    else if (http1_request_header(request, "content-encoding").at != NULL)
        plan_refuse(&plan, 415, "encoded", "compressed requests are refused");
    *ret_plan = plan;
}

/* ---- the whole ---- */

struct planning {
    const struct door_config *config;
    const struct mcp_memory *memory;
    const struct gateway_server *server;
    const struct http1_request *request;
    struct plan *plan;
};

static void refuse_for(const struct planning *with, int status,
                       const struct mcp_refusal *refusal)
{
    struct mcp_call *call = &with->plan->mcp;

    call->tool = refusal->tool;
    memcpy(call->digest, refusal->digest, sizeof(call->digest));
    plan_refuse(with->plan, status, refusal->reason, refusal->text);
}

static bool find_server(struct planning *with)
{
    struct slice path = http1_request_path(with->request);
    struct slice name = slice_part(path, sizeof(PREFIX) - 1, path.len);
    struct mcp_call *call = &with->plan->mcp;

    call->server = mcp_memory_find(with->memory, name);
    if (call->server == mcp_memory_count(with->memory)) {
        plan_refuse(with->plan, 404, "mcp-server",
                    "policy (mcp) has no such server; `custody mcp list` names those it has");
        return false;
    }
    with->server = mcp_memory_server(with->memory, call->server);
    call->name = with->server->at.name;
    call->open.server = (uint32_t)call->server;
    return true;
}

static bool take_headers(const struct planning *with)
{
    struct slice session = http1_request_header(with->request, "mcp-session-id");
    struct slice version = http1_request_header(with->request, "mcp-protocol-version");
    struct mcp_call *call = &with->plan->mcp;

    if (version.at != NULL && !mcp_version_known(version)) {
        plan_refuse(with->plan, 400, "mcp-version",
                    "that version of the protocol is not spoken here");
        return false;
    }
    if (session.at != NULL && !mcp_session_known(with->memory, call->server, session)) {
        plan_refuse(with->plan, STATUS_NO_SESSION, "mcp-session",
                    "the server has given no such session in this run, or it has ended");
        return false;
    }
    call_text(call->open.version, sizeof(call->open.version), version);
    call_text(call->open.session, sizeof(call->open.session), session);
    return true;
}

static bool take_id(const struct planning *with, const struct mcp_message *message,
                    struct fault *fault)
{
    struct buf *id = &with->plan->mcp.id;

    *id = buf_with_limit(MCP_ID_BYTES_MAX);
    return message->kind != MCP_REQUEST || buf_add(id, message->id, fault);
}

static bool method_refused(const struct planning *with)
{
    plan_refuse(
        with->plan, 400, "mcp-method",
        "of tool servers only tools are used: initialize, ping, tools/list, tools/call "
        "and their notifications");
    return false;
}

/* To a ping of the server's: it says nothing. */
static bool answer_fits(const struct mcp_message *message)
{
    bool said = false;

    for (size_t i = 1; i + 1 < message->result.len; i++)
        said = said || strchr(" \t\r\n", message->result.at[i]) == NULL;
    return message->kind == MCP_RESULT && !said;
}

static bool find_method(const struct planning *with, const struct mcp_message *message)
{
    struct mcp_call *call = &with->plan->mcp;
    struct fault fault = {0};

    if (message->kind == MCP_RESULT || message->kind == MCP_ERROR) {
        call->method = MCP_ANSWER;
        return answer_fits(message) || method_refused(with);
    }
    if (!mcp_method_find(message, &call->method))
        return method_refused(with);
    if (mcp_params_check(call->method, message->params, &fault))
        return true;
    plan_refuse(with->plan, 400, "mcp-params", fault.why);
    return false;
}

/* What the client says that it can do for the server: nothing of it is let through. */
static bool hide_abilities(const struct planning *with, struct slice params,
                           struct fault *fault)
{
    struct slice body = buf_slice(&with->plan->body);
    struct buf edited = buf_with_limit(body.len + 16);
    struct json_value abilities;
    struct json_edit edit;
    struct fault none = {0};

    if (!json_member(params, "capabilities", &abilities, &none))
        return true;
    edit = (struct json_edit){(size_t)(abilities.raw.at - body.at),
                              (size_t)(abilities.raw.at - body.at) + abilities.raw.len,
                              SLICE("{}")};
    if (!json_splice(body, &edit, 1, &edited, fault)) {
        buf_free(&edited);
        return false;
    }
    buf_free(&with->plan->body);
    with->plan->body = edited;
    return true;
}

static bool find_tool(const struct planning *with, struct slice params)
{
    AUTO_BUF struct buf name = buf_with_limit(NAME_BYTES_MAX);
    struct mcp_call *call = &with->plan->mcp;
    struct mcp_refusal refusal = {0};
    struct json_value value;
    struct fault fault = {0};
    size_t tool;

    if (!json_member(params, "name", &value, &fault) || !json_text(&value, &name, &fault)) {
        plan_refuse(with->plan, 400, "mcp-params", "tools/call without the name of a tool");
        return false;
    }
    tool = mcp_tool_find(with->server, buf_slice(&name));
    if (tool == with->server->tool_count) {
        plan_refuse(with->plan, 400, "mcp-tool",
                    "policy (mcp, tools) does not list that tool of this server");
        return false;
    }
    if (!mcp_memory_may_call(with->memory, call->server, tool, &refusal)) {
        refuse_for(with, 400, &refusal);
        return false;
    }
    call->tool = with->server->tools[tool].name;
    call->open.tool = (uint32_t)tool;
    return true;
}

static bool take_params(const struct planning *with, const struct mcp_message *message,
                        struct fault *fault)
{
    struct mcp_call *call = &with->plan->mcp;
    struct json_value cursor;
    struct fault none = {0};

    switch (call->method) {
    case MCP_INITIALIZE:
        return hide_abilities(with, message->params, fault);
    case MCP_TOOLS_LIST:
        call->first = message->params.len == 0 ||
                      !json_member(message->params, "cursor", &cursor, &none);
        return true;
    case MCP_TOOLS_CALL:
        return find_tool(with, message->params);
    case MCP_PING:
    case MCP_INITIALIZED:
    case MCP_CANCELLED:
    case MCP_PROGRESS:
    case MCP_ROOTS_CHANGED:
    case MCP_ANSWER:
    case MCP_STREAM:
    case MCP_END:
    case MCP_METHOD_COUNT:
        break;
    }
    return true;
}

/* False has refused, or `fault` says why not. */
static bool read_message(const struct planning *with, struct fault *fault)
{
    struct mcp_message message;

    if (!plan_content_is_json(with->request)) {
        plan_refuse(with->plan, 415, "content-type", "the body must be application/json");
        return false;
    }
    return mcp_message_read(buf_slice(&with->plan->body), &message, fault) &&
           take_id(with, &message, fault) && find_method(with, &message) &&
           take_params(with, &message, fault);
}

/* In its own words: it is a tool server, and no model. */
static void say_class(struct plan *plan)
{
    char text[300];

    if (strcmp(plan->reason, "data-class") != 0)
        return;
    (void)snprintf(
        text, sizeof(text),
        "the request holds data of class %s (rule %s), which policy does not let MCP "
        "server %.64s see (policy: mcp, allow)",
        class_name(class_of_mask(plan->classes)), plan->rule, plan->mcp.name);
    plan_refuse(plan, 400, "data-class", text);
}

static void fill_open(const struct leaves *leaves, struct plan *plan)
{
    struct call_mcp *open = &plan->mcp.open;

    plan->kind = PLAN_CALL;
    open->packet = CALL_MCP;
    open->method = (uint32_t)plan->mcp.method;
    open->classes = leaves->classes;
    open->replaced = (uint32_t)plan->redaction.count;
    for (size_t i = 0; i < plan->redaction.count; i++)
        open->redacted |= CLASS_BIT(plan->redaction.values[i].class);
    open->leaves = leaves->count;
    open->scanned_bytes = leaves->scanned_bytes;
    open->body_bytes = plan->body.len;
    open->lineage_bytes = (uint32_t)plan->lineage.len;
    plan->open.replaced = open->replaced;
    plan->open.body_bytes = open->body_bytes;
}

static void plan_post(struct planning *with)
{
    struct leaves leaves = {.scan = &with->config->scan};
    struct plan *plan = with->plan;
    struct fault fault = {0};

    if (!read_message(with, &fault)) {
        if (plan->kind != PLAN_REFUSE)
            plan_refuse(plan, 400, "malformed", fault.why);
        return;
    }
    if (plan_look(with->config, &with->server->at, &leaves, plan))
        fill_open(&leaves, plan);
    else
        say_class(plan);
    leaves_free(&leaves);
}

void mcp_plan_request(const struct door_config *config, const struct mcp_memory *memory,
                      struct http1_request *request, struct plan *ret_plan)
{
    static const enum mcp_method bodiless[MCP_VERB_COUNT] = {
        [MCP_GET] = MCP_STREAM, [MCP_DELETE] = MCP_END};
    struct leaves nothing = {.scan = &config->scan};
    struct planning with = {
        .config = config, .memory = memory, .request = request, .plan = ret_plan};
    enum mcp_verb verb = MCP_POST;

    mcp_plan_head(request, ret_plan);
    ret_plan->mcp.open.tool = MCP_NO_TOOL;
    if (ret_plan->kind == PLAN_REFUSE || !find_server(&with) || !take_headers(&with))
        return;
    ret_plan->body = http1_request_take_body(request);
    if (verb_of(request, &verb) && verb == MCP_POST) {
        plan_post(&with);
        return;
    }
    ret_plan->mcp.method = bodiless[verb];
    if (ret_plan->body.len > 0)
        plan_refuse(ret_plan, 400, "malformed", "GET and DELETE have no body");
    else
        fill_open(&nothing, ret_plan);
}
