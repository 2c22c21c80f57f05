#include "gateway/mcp/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/scope.h"

#define ACCEPT "see them with `custody mcp list %s`, accept them with `custody mcp pin %s`"

struct session {
    char id[MCP_SESSION_BYTES];
    struct session *next;
};

struct known {
    const struct gateway_server *server;
    struct mcp_seen *seen; /* on the page that is being read */
    bool *listed;          /* as it is pinned, in this run */
    bool changed;
    struct session *sessions;
    size_t session_count;
};

struct mcp_memory {
    struct known *at;
    size_t count;
};

struct mcp_memory *mcp_memory_new(const struct gateway_server *servers, size_t count)
{
    struct mcp_memory *memory = xalloc(sizeof(*memory));
    char digest[MCP_DIGEST_BYTES];
    struct fault fault = {0};

    memory->at = xalloc_array(count + 1, sizeof(*memory->at));
    memory->count = count;
    for (size_t i = 0; i < count; i++)
        memory->at[i] = (struct known){
            .server = &servers[i],
            .seen = xalloc_array(servers[i].tool_count + 1, sizeof(*memory->at[i].seen)),
            .listed = xalloc_array(servers[i].tool_count + 1, sizeof(*memory->at[i].listed))};
    if (count > 0) /* libcrypto reads what it wants to read now */
        (void)!mcp_manifest_digest(SLICE(""), digest, &fault);
    return memory;
}

static void drop_first(struct session **at)
{
    struct session *session = *at;

    *at = session->next;
    free(session);
}

void mcp_memory_free(struct mcp_memory *memory)
{
    if (memory == NULL)
        return;
    for (size_t i = 0; i < memory->count; i++) {
        while (memory->at[i].sessions != NULL)
            drop_first(&memory->at[i].sessions);
        free(memory->at[i].seen);
        free(memory->at[i].listed);
    }
    free(memory->at);
    free(memory);
}

const struct gateway_server *mcp_memory_server(const struct mcp_memory *memory, size_t server)
{
    return memory->at[server].server;
}

size_t mcp_memory_count(const struct mcp_memory *memory)
{
    return memory->count;
}

size_t mcp_memory_find(const struct mcp_memory *memory, struct slice name)
{
    size_t at = 0;

    while (at < memory->count && !slice_equal(slice_of(memory->at[at].server->at.name), name))
        at++;
    return at;
}

/* ---- sessions ---- */

bool mcp_session_valid(struct slice id)
{
    for (size_t i = 0; i < id.len; i++)
        if (id.at[i] < 0x21 || id.at[i] > 0x7E)
            return false;
    return id.len > 0 && id.len < MCP_SESSION_BYTES;
}

static struct session **find_session(struct session **at, struct slice id)
{
    while (*at != NULL && !slice_equal(slice_of((*at)->id), id))
        at = &(*at)->next;
    return at;
}

bool mcp_session_known(const struct mcp_memory *memory, size_t server, struct slice id)
{
    return *find_session(&memory->at[server].sessions, id) != NULL;
}

bool mcp_session_add(struct mcp_memory *memory, size_t server, struct slice id)
{
    struct known *known = &memory->at[server];
    struct session *session;

    if (mcp_session_known(memory, server, id))
        return true;
    if (!mcp_session_valid(id) || known->session_count == MCP_SESSIONS_MAX)
        return false;
    session = xalloc(sizeof(*session));
    memcpy(session->id, id.at, id.len);
    session->next = known->sessions;
    known->sessions = session;
    known->session_count++;
    return true;
}

void mcp_session_drop(struct mcp_memory *memory, size_t server, struct slice id)
{
    struct session **at = find_session(&memory->at[server].sessions, id);

    if (*at == NULL)
        return;
    drop_first(at);
    memory->at[server].session_count--;
}

/* ---- descriptions ---- */

static bool refuse(struct mcp_refusal *refusal, const char *reason, const char *text)
{
    refusal->reason = reason;
    (void)snprintf(refusal->text, sizeof(refusal->text), "%.*s",
                   (int)sizeof(refusal->text) - 1, text);
    return false;
}

static bool unpinned(const struct gateway_server *server, struct mcp_refusal *refusal)
{
    AUTO_FREE char *text =
        xformat("nobody has accepted the descriptions of the tools of MCP server %s yet "
                "(policy: mcp, digest): " ACCEPT,
                server->at.name, server->at.name, server->at.name);

    return refuse(refusal, "tools-unpinned", text);
}

/* `tool`: the tool_count where it is not known which. */
static bool changed(struct known *known, size_t tool, const char *how,
                    struct mcp_refusal *refusal)
{
    const struct gateway_server *server = known->server;
    const char *name = server->at.name;
    AUTO_FREE char *which = tool == server->tool_count
                                ? xstrdup("its tools")
                                : xformat("tool %s", server->tools[tool].name);
    AUTO_FREE char *text =
        xformat("MCP server %s: %s %s: " ACCEPT, name, which, how, name, name);

    known->changed = true;
    memset(known->listed, 0, server->tool_count * sizeof(*known->listed));
    if (tool < server->tool_count)
        refusal->tool = server->tools[tool].name;
    return refuse(refusal, "tools-changed", text);
}

static bool each_is_known(const struct gateway_server *server)
{
    for (size_t i = 0; i < server->tool_count; i++)
        if (server->tools[i].digest == NULL)
            return false;
    return true;
}

/* The first tool that is not as it is pinned; their count where none is known to be. */
static size_t find_changed(const struct known *known, bool is_whole)
{
    const struct gateway_server *server = known->server;
    size_t at = 0;

    while (at < server->tool_count &&
           (server->tools[at].digest == NULL ||
            strcmp(known->seen[at].digest, server->tools[at].digest) == 0 ||
            (known->seen[at].digest[0] == 0 && !is_whole)))
        at++;
    return at;
}

static bool whole_is_pinned(const struct known *known, char ret_digest[MCP_DIGEST_BYTES])
{
    AUTO_BUF struct buf manifest = buf_with_limit(MCP_MANIFEST_BYTES_MAX);
    struct fault fault = {0};

    return mcp_manifest(known->server, known->seen, &manifest, &fault) &&
           mcp_manifest_digest(buf_slice(&manifest), ret_digest, &fault) &&
           strcmp(ret_digest, known->server->digest) == 0;
}

static bool compare(struct known *known, bool first, bool last, struct mcp_refusal *refusal)
{
    static const char differs[] = "is not described as policy pins it";
    const struct gateway_server *server = known->server;
    bool is_whole = first && last;
    bool is_pinned = is_whole && whole_is_pinned(known, refusal->digest);
    size_t at = find_changed(known, is_whole);

    if (at < server->tool_count)
        return changed(known, at,
                       known->seen[at].digest[0] == 0 ? "is not there any more" : differs,
                       refusal);
    if (is_whole && !is_pinned)
        return changed(known, at, "are not described as policy pins them", refusal);
    if (!is_whole && !each_is_known(server))
        return refuse(refusal, "tools-paged",
                      "this MCP server lists its tools in pages, which can be compared only "
                      "where `custody mcp pin` has kept what it pinned");
    return true;
}

bool mcp_memory_list(struct mcp_memory *memory, size_t at, bool first, struct slice result,
                     struct buf *out, struct mcp_refusal *ret_refusal)
{
    struct known *known = &memory->at[at];
    const struct gateway_server *server = known->server;
    struct mcp_list list;
    struct fault fault = {0};

    if (server->digest == NULL)
        return unpinned(server, ret_refusal);
    memset(known->seen, 0, server->tool_count * sizeof(*known->seen));
    if (!mcp_tools_cut(server, result, known->seen, &list, out, &fault))
        return refuse(ret_refusal, "mcp-message", fault.why);
    if (!compare(known, first, list.more.len == 0, ret_refusal))
        return false;
    ret_refusal->digest[0] = 0;
    known->changed = false;
    for (size_t i = 0; i < server->tool_count; i++)
        known->listed[i] = known->listed[i] || known->seen[i].digest[0] != 0;
    return true;
}

bool mcp_memory_may_call(const struct mcp_memory *memory, size_t at, size_t tool,
                         struct mcp_refusal *ret_refusal)
{
    const struct known *known = &memory->at[at];
    const char *name = known->server->at.name;

    if (known->listed[tool])
        return true;
    ret_refusal->tool = known->server->tools[tool].name;
    if (known->server->digest == NULL)
        return unpinned(known->server, ret_refusal);
    if (known->changed) {
        AUTO_FREE char *text =
            xformat("the tools of MCP server %s are not described as policy "
                    "pins them: " ACCEPT,
                    name, name, name);

        return refuse(ret_refusal, "tools-changed", text);
    }
    return refuse(ret_refusal, "tools-unlisted",
                  "ask for tools/list first: only then is it known that the tool is still "
                  "described as policy pins it");
}
