#include "gateway/mcp/method.h"

#include <stdio.h>
#include <string.h>

static const char *const verbs[MCP_VERB_COUNT] = {
    [MCP_POST] = "POST", [MCP_GET] = "GET", [MCP_DELETE] = "DELETE"};

static const struct mcp_method_row rows[MCP_METHOD_COUNT] = {
    [MCP_INITIALIZE] = {"initialize", MCP_POST, MCP_REQUEST,
                        "protocolVersion capabilities clientInfo _meta"},
    [MCP_PING] = {"ping", MCP_POST, MCP_REQUEST, "_meta"},
    [MCP_TOOLS_LIST] = {"tools/list", MCP_POST, MCP_REQUEST, "cursor _meta"},
    [MCP_TOOLS_CALL] = {"tools/call", MCP_POST, MCP_REQUEST, "name arguments _meta"},
    [MCP_INITIALIZED] = {"notifications/initialized", MCP_POST, MCP_NOTIFICATION, "_meta"},
    [MCP_CANCELLED] = {"notifications/cancelled", MCP_POST, MCP_NOTIFICATION,
                       "requestId reason _meta"},
    [MCP_PROGRESS] = {"notifications/progress", MCP_POST, MCP_NOTIFICATION,
                      "progressToken progress total message _meta"},
    [MCP_ROOTS_CHANGED] = {"notifications/roots/list_changed", MCP_POST, MCP_NOTIFICATION,
                           "_meta"},
    [MCP_ANSWER] = {"answer", MCP_POST, MCP_RESULT, NULL},
    [MCP_STREAM] = {"GET", MCP_GET, MCP_NOTIFICATION, NULL},
    [MCP_END] = {"DELETE", MCP_DELETE, MCP_NOTIFICATION, NULL},
};

/* What a server may say besides answers, and the agent hears. Of what is not here a notification
 * is dropped and a request refused. */
static const struct {
    const char *method;
    enum mcp_kind kind;
} servers[] = {
    {"ping", MCP_REQUEST},
    {"notifications/progress", MCP_NOTIFICATION},
    {"notifications/message", MCP_NOTIFICATION},
    {"notifications/cancelled", MCP_NOTIFICATION},
    {"notifications/tools/list_changed", MCP_NOTIFICATION},
};

static const char *const versions[] = {"2025-11-25", "2025-06-18", "2025-03-26"};

const char *mcp_verb_name(enum mcp_verb verb)
{
    return verbs[verb];
}

const struct mcp_method_row *mcp_method_row(enum mcp_method method)
{
    return &rows[method];
}

bool mcp_method_find(const struct mcp_message *message, enum mcp_method *ret_method)
{
    for (enum mcp_method method = 0; method < MCP_ANSWER; method++)
        if (rows[method].kind == message->kind &&
            strcmp(rows[method].name, message->method) == 0) {
            *ret_method = method;
            return true;
        }
    return false;
}

static bool check_param(void *self, struct slice name, const struct json_value *value,
                        struct fault *fault)
{
    const enum mcp_method *method = self;
    struct slice rest = slice_of(rows[*method].params), word;

    (void)value;
    while (slice_cut(&rest, ' ', &word)) {
        char text[32];

        (void)snprintf(text, sizeof(text), "%.*s", SLICE_ARGS(word));
        if (json_key_is(name, text))
            return true;
    }
    return fault_set(fault, FAULT_INVALID, "%s takes %s, and nothing else", rows[*method].name,
                     rows[*method].params);
}

bool mcp_params_check(enum mcp_method method, struct slice params, struct fault *fault)
{
    return params.len == 0 || rows[method].params == NULL ||
           json_each(params, check_param, &method, fault);
}

enum mcp_said mcp_said(const struct mcp_message *message)
{
    for (size_t i = 0; i < COUNT(servers); i++)
        if (servers[i].kind == message->kind &&
            strcmp(servers[i].method, message->method) == 0)
            return MCP_SAID_PASS;
    return message->kind == MCP_NOTIFICATION ? MCP_SAID_DROP : MCP_SAID_REFUSE;
}

bool mcp_version_known(struct slice version)
{
    for (size_t i = 0; i < COUNT(versions); i++)
        if (slice_equal(version, slice_of(versions[i])))
            return true;
    return false;
}

const char *mcp_version_newest(void)
{
    return versions[0];
}
