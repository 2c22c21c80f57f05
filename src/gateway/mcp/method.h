/*
 * gateway/mcp/method.h - what may be asked of a tool server, and what it may say: two tables.
 * What is in neither is refused.
 */
#ifndef CUSTODY_GATEWAY_MCP_METHOD_H
#define CUSTODY_GATEWAY_MCP_METHOD_H

#include "gateway/mcp/message.h"

enum mcp_verb { MCP_POST, MCP_GET, MCP_DELETE, MCP_VERB_COUNT };
const char *mcp_verb_name(enum mcp_verb verb);

/* Of the client; the last three are no methods of JSON-RPC, but pass as well. */
enum mcp_method {
    MCP_INITIALIZE,
    MCP_PING,
    MCP_TOOLS_LIST,
    MCP_TOOLS_CALL,
    MCP_INITIALIZED,
    MCP_CANCELLED,
    MCP_PROGRESS,
    MCP_ROOTS_CHANGED,
    MCP_ANSWER, /* to a ping of the server's */
    MCP_STREAM, /* GET: what the server says unasked */
    MCP_END,    /* DELETE: of a session */
    MCP_METHOD_COUNT,
};

struct mcp_method_row {
    const char *name; /* as records have it, too */
    enum mcp_verb verb;
    enum mcp_kind kind;
    const char *params; /* members that `params` may have, by spaces; NULL: any */
};

const struct mcp_method_row *mcp_method_row(enum mcp_method method);
/* Of a request or notification. False: no client may say that. */
bool mcp_method_find(const struct mcp_message *message, enum mcp_method *ret_method);
/* FAULT_INVALID names the member that the method does not take. */
MUST_USE bool mcp_params_check(enum mcp_method method, struct slice params,
                               struct fault *fault);

enum mcp_said {
    MCP_SAID_PASS,   /* goes on to the agent */
    MCP_SAID_DROP,   /* of something that agents do not get: no harm, and no use */
    MCP_SAID_REFUSE, /* it wants the agent's model, its person or its files */
};
/* Of a request or notification of a server. */
enum mcp_said mcp_said(const struct mcp_message *message);

/* Protocol versions that are spoken here; the newest first. */
bool mcp_version_known(struct slice version);
const char *mcp_version_newest(void);

#endif
