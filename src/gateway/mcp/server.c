/* What a policy's entry of a tool server must be. */
#include <string.h>

#include "gateway/door/answer/sink.h"
#include "gateway/mcp/tools.h"
#include "gateway/upstream/tls.h"

static bool digest_valid(const char *digest, struct fault *fault)
{
    uint8_t bytes[TLS_DIGEST_BYTES];

    return digest == NULL || tls_pin_parse(slice_of(digest), bytes, fault) ||
           fault_set(fault, FAULT_INVALID,
                     "a digest is 64 hexadecimal digits, as `custody mcp "
                     "pin` prints it");
}

/* An agent's own tool of that name may be given values that must not leave the cell. */
static bool tool_valid(const char *name, struct fault *fault)
{
    if (strlen(name) >= MCP_TOOL_NAME_BYTES)
        return fault_set(fault, FAULT_INVALID, "a tool's name is too long");
    return sink_tool(name) == TOOL_OTHER ||
           fault_set(
               fault, FAULT_INVALID,
               "tool %s has the name of a tool that agents have themselves, and could not "
               "be told from it",
               name);
}

static bool check(const struct gateway_server *server, struct fault *fault)
{
    if (server->tool_count > MCP_TOOLS_MAX)
        return fault_set(fault, FAULT_INVALID, "more than %d tools", MCP_TOOLS_MAX);
    for (size_t i = 0; i < server->tool_count; i++) {
        if (!tool_valid(server->tools[i].name, fault) ||
            !digest_valid(server->tools[i].digest, fault))
            return false;
        if (i > 0 && strcmp(server->tools[i - 1].name, server->tools[i].name) >= 0)
            return fault_set(fault, FAULT_INVALID, "tool %s is there twice",
                             server->tools[i].name);
    }
    return digest_valid(server->digest, fault);
}

bool gateway_server_check(const struct gateway_server *server, struct fault *fault)
{
    return gateway_model_check(&server->at, fault) &&
           (check(server, fault) || fault_in(fault, "MCP server %s", server->at.name));
}
