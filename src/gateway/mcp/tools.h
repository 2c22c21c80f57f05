/*
 * gateway/mcp/tools.h - the tools of a server: which of them agents get to see, and whether
 * their descriptions are those that a person has accepted.
 *
 * A description is all that the server says of a tool (name, description, schemas, annotations,
 * whatever else): its digest is SHA-256 of its canonical form (canonical.h).
 */
#ifndef CUSTODY_GATEWAY_MCP_TOOLS_H
#define CUSTODY_GATEWAY_MCP_TOOLS_H

#include "gateway/gateway.h"
#include "gateway/mcp/manifest.h"
#include "wire/json.h"

/* What was seen of an allowed tool; `digest` is "" while it was not. */
struct mcp_seen {
    char digest[MCP_DIGEST_BYTES];
};

/* Where the tool is in server->tools; its tool_count: nowhere. */
size_t mcp_tool_find(const struct gateway_server *server, struct slice name);

struct mcp_list {
    struct slice more; /* the cursor of the next page, raw with its quotes; empty: the last */
    size_t shown;      /* tools that are in the cut list */
};

/*
 * Appends the result of a tools/list with the allowed tools, as the server wrote them, and
 * nothing else but the cursor; sets `seen` (tool_count of them) of each.
 * FAULT_INVALID: no such result. FAULT_DENIED: a tool is there twice.
 */
MUST_USE bool mcp_tools_cut(const struct gateway_server *server, struct slice result,
                            struct mcp_seen *seen, struct mcp_list *ret_list, struct buf *out,
                            struct fault *fault);

/* Calls `each` with every tool of such a result, allowed or not. */
typedef bool mcp_tool_each(void *self, struct slice name, struct slice tool,
                           struct fault *fault);
MUST_USE bool mcp_tools_each(struct slice result, mcp_tool_each *each, void *self,
                             struct fault *fault);
MUST_USE bool mcp_tool_digest(struct slice tool, char ret_digest[MCP_DIGEST_BYTES],
                              struct fault *fault);

/* The list of what was seen; tools that were not are not in it. */
MUST_USE bool mcp_manifest(const struct gateway_server *server, const struct mcp_seen *seen,
                           struct buf *out, struct fault *fault);
#endif
