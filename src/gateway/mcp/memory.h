/*
 * gateway/mcp/memory.h - what a door knows of its tool servers: which of their tools have been
 * listed with the description that policy pins, and which sessions they have given.
 */
#ifndef CUSTODY_GATEWAY_MCP_MEMORY_H
#define CUSTODY_GATEWAY_MCP_MEMORY_H

#include "gateway/call.h"
#include "gateway/mcp/tools.h"

#define MCP_SESSION_BYTES CALL_SESSION_BYTES /* with its NUL */
#define MCP_SESSIONS_MAX 256                 /* of one server, that have not ended */

/* Why something is refused. */
struct mcp_refusal {
    const char *reason;            /* a word; NULL: it is not */
    bool is_failure;               /* the server has failed, and policy refuses nothing */
    char text[300];                /* for people */
    const char *tool;              /* of the policy; or NULL */
    char digest[MCP_DIGEST_BYTES]; /* of what is there now; or "" */
};

struct mcp_memory;

/* Borrows the servers. To be called before files are out of reach. */
struct mcp_memory *mcp_memory_new(const struct gateway_server *servers, size_t count);
void mcp_memory_free(struct mcp_memory *memory); /* NULL is fine */
const struct gateway_server *mcp_memory_server(const struct mcp_memory *memory, size_t server);
/* By its policy's name; their count where there is none. */
size_t mcp_memory_find(const struct mcp_memory *memory, struct slice name);
size_t mcp_memory_count(const struct mcp_memory *memory);

/* Sessions: only what a server has given in this run goes back to it. */
bool mcp_session_valid(struct slice id); /* visible ASCII, short enough */
bool mcp_session_known(const struct mcp_memory *memory, size_t server, struct slice id);
/* False: there are too many. */
MUST_USE bool mcp_session_add(struct mcp_memory *memory, size_t server, struct slice id);
void mcp_session_drop(struct mcp_memory *memory, size_t server, struct slice id);

/*
 * Takes the result of a tools/list, appends it cut to the allowed tools, and compares. False:
 * it must not be shown, `ret_refusal` says why; nothing of that server may be called then.
 *   first  it was asked for without a cursor
 */
MUST_USE bool mcp_memory_list(struct mcp_memory *memory, size_t server, bool first,
                              struct slice result, struct buf *out,
                              struct mcp_refusal *ret_refusal);
/* May the tool be called? Not before it was listed as it is pinned. */
MUST_USE bool mcp_memory_may_call(const struct mcp_memory *memory, size_t server, size_t tool,
                                  struct mcp_refusal *ret_refusal);

#endif
