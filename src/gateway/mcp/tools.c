#include "gateway/mcp/tools.h"

#include "base/scope.h"
#include "gateway/call/digest.h"
#include "gateway/mcp/canonical.h"
#include "gateway/mcp/message.h"

#define CURSOR_BYTES_MAX 4096 /* as it is written */
#define NAME_BYTES_MAX 4096   /* of any tool; those that policy allows are shorter */

size_t mcp_tool_find(const struct gateway_server *server, struct slice name)
{
    size_t at = 0;

    while (at < server->tool_count && !slice_equal(slice_of(server->tools[at].name), name))
        at++;
    return at;
}

bool mcp_tool_digest(struct slice tool, char ret_digest[MCP_DIGEST_BYTES], struct fault *fault)
{
    AUTO_BUF struct buf text = buf_with_limit(2 * MCP_MESSAGE_BYTES_MAX);

    return mcp_canonical(tool, &text, fault) && (digest_text(buf_slice(&text), ret_digest) ||
                                                 fault_set(fault, FAULT_HOST, "no SHA-256"));
}

struct walk {
    mcp_tool_each *each;
    void *self;
};

static bool on_tool(void *self, struct slice key, const struct json_value *value,
                    struct fault *fault)
{
    struct walk *walk = self;
    AUTO_BUF struct buf name = buf_with_limit(NAME_BYTES_MAX);
    struct json_value text;

    (void)key;
    if (value->type != JSON_OBJECT)
        return fault_set(fault, FAULT_INVALID, "a tool is no object");
    if (!json_member(value->raw, "name", &text, fault) || !json_text(&text, &name, fault))
        return fault_in(fault, "the name of a tool");
    return walk->each(walk->self, buf_slice(&name), value->raw, fault);
}

bool mcp_tools_each(struct slice result, mcp_tool_each *each, void *self, struct fault *fault)
{
    struct walk walk = {each, self};
    struct json_value tools;

    if (!json_member(result, "tools", &tools, fault))
        return false;
    if (tools.type != JSON_ARRAY)
        return fault_set(fault, FAULT_INVALID, "\"tools\" is no list");
    return json_each(tools.raw, on_tool, &walk, fault);
}

struct cut {
    const struct gateway_server *server;
    struct mcp_seen *seen;
    struct buf *out;
    size_t shown;
};

static bool show(void *self, struct slice name, struct slice tool, struct fault *fault)
{
    struct cut *cut = self;
    size_t at = mcp_tool_find(cut->server, name);

    if (at == cut->server->tool_count)
        return true;
    if (cut->seen[at].digest[0] != 0)
        return fault_set(fault, FAULT_DENIED, "tool %s is in the list twice",
                         cut->server->tools[at].name);
    return mcp_tool_digest(tool, cut->seen[at].digest, fault) &&
           (cut->shown++ == 0 || buf_add_byte(cut->out, ',', fault)) &&
           buf_add(cut->out, tool, fault);
}

static bool read_cursor(struct slice result, struct slice *ret_cursor, struct fault *fault)
{
    struct json_value cursor;
    struct fault none = {0};

    *ret_cursor = (struct slice){0};
    if (!json_member(result, "nextCursor", &cursor, &none) || cursor.type == JSON_NULL)
        return true;
    if (cursor.type != JSON_STRING || cursor.raw.len > CURSOR_BYTES_MAX)
        return fault_set(fault, FAULT_INVALID, "\"nextCursor\" is no short string");
    *ret_cursor = cursor.raw;
    return true;
}

bool mcp_tools_cut(const struct gateway_server *server, struct slice result,
                   struct mcp_seen *seen, struct mcp_list *ret_list, struct buf *out,
                   struct fault *fault)
{
    struct cut cut = {.server = server, .seen = seen, .out = out};
    struct mcp_list list = {0};

    if (!read_cursor(result, &list.more, fault) || !buf_add_text(out, "{\"tools\":[", fault) ||
        !mcp_tools_each(result, show, &cut, fault) || !buf_add_byte(out, ']', fault))
        return false;
    if (list.more.len > 0 &&
        (!buf_add_text(out, ",\"nextCursor\":", fault) || !buf_add(out, list.more, fault)))
        return false;
    list.shown = cut.shown;
    *ret_list = list;
    return buf_add_byte(out, '}', fault);
}

bool mcp_manifest(const struct gateway_server *server, const struct mcp_seen *seen,
                  struct buf *out, struct fault *fault)
{
    for (size_t i = 0; i < server->tool_count; i++)
        if (seen[i].digest[0] != 0 &&
            !mcp_manifest_line(out, server->tools[i].name, seen[i].digest, fault))
            return false;
    return true;
}
