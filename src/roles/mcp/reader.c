/*
 * reader - reads what an MCP server says of itself and of its tools.
 *
 *   user       who asks                network    none
 *   may read   nothing                 may write  nothing
 *   holds      nothing                 talks to   fetch, and who asks (lines of JSON)
 */
#include <unistd.h>

#include "base/scope.h"
#include "gateway/mcp/canonical.h"
#include "gateway/mcp/message.h"
#include "gateway/mcp/method.h"
#include "gateway/mcp/tools.h"
#include "os/file.h"
#include "os/isolate.h"
#include "roles/mcp/ask.h"
#include "wire/sse.h"

#define PAGES_MAX 64
#define WHOLE_BYTES_MAX (1024 * 1024) /* of one tool */

struct reading {
    int socket;
    unsigned asked; /* requests; the id of the last */
    char version[16];
    struct buf body; /* of the answer */
    struct buf told;
    size_t tools;
};

/* ---- asking ---- */

static bool post(struct reading *reading, struct slice body, struct ask_answer *ret_answer,
                 struct fault *fault)
{
    struct ask_request request = {.len = (uint32_t)body.len};

    memcpy(request.version, reading->version, sizeof(request.version));
    if (!ask_send(reading->socket, &request, sizeof(request), body) ||
        !ask_take(reading->socket, ret_answer, sizeof(*ret_answer)) ||
        !ask_take_body(reading->socket, ret_answer->len, &reading->body))
        return fault_set(fault, FAULT_IO, "who fetches has gone");
    ret_answer->why[sizeof(ret_answer->why) - 1] = 0;
    if (ret_answer->status == 0)
        return fault_set(fault, FAULT_IO, "%s", ret_answer->why);
    return (ret_answer->status >= 200 && ret_answer->status <= 299) ||
           fault_set(fault, FAULT_IO, "it answered with HTTP %d%s", ret_answer->status,
                     ret_answer->status == 401 || ret_answer->status == 403
                         ? " (policy: mcp, key)"
                         : "");
}

/* Is it the answer that is waited for? Others are passed over. */
static bool is_ours(const struct reading *reading, struct slice text,
                    struct mcp_message *ret_message, struct fault *fault)
{
    char id[16];

    (void)snprintf(id, sizeof(id), "%u", reading->asked);
    return mcp_message_read(text, ret_message, fault) &&
           (ret_message->kind == MCP_RESULT || ret_message->kind == MCP_ERROR) &&
           mcp_id_equal(ret_message->id, slice_of(id));
}

/* The event's data, kept in `body`. */
static bool find_in_stream(struct reading *reading, struct mcp_message *ret_message,
                           struct fault *fault)
{
    struct sse *sse = sse_new(ASK_BYTES_MAX);
    struct slice rest = buf_slice(&reading->body);
    bool found = false, event;
    size_t used;

    while (!found && rest.len > 0 && sse_feed(sse, rest, &used, &event, fault)) {
        rest = slice_part(rest, used, rest.len);
        if (!event || sse_data(sse).len == 0 ||
            !is_ours(reading, sse_data(sse), ret_message, fault))
            continue;
        buf_clear(&reading->body);
        found = buf_add(&reading->body, sse_data(sse), fault) &&
                mcp_message_read(buf_slice(&reading->body), ret_message, fault);
    }
    sse_free(sse);
    return found || fault_set(fault, FAULT_INVALID, "it ended without an answer");
}

/* `ret_result` borrows until the next request. */
static bool request(struct reading *reading, const char *method, const char *params,
                    struct slice *ret_result, struct fault *fault)
{
    AUTO_BUF struct buf body = buf_with_limit(64 * 1024);
    struct mcp_message message;
    struct ask_answer answer;

    reading->asked++;
    if (!buf_add_format(&body, fault,
                        "{\"jsonrpc\":\"2.0\",\"id\":%u,\"method\":\"%s\",\"params\":%s}",
                        reading->asked, method, params) ||
        !post(reading, buf_slice(&body), &answer, fault))
        return false;
    if (answer.is_stream ? !find_in_stream(reading, &message, fault)
                         : !is_ours(reading, buf_slice(&reading->body), &message, fault))
        return fault->kind != FAULT_NONE
                   ? false
                   : fault_set(fault, FAULT_INVALID, "it answered something else");
    if (message.kind == MCP_ERROR)
        return fault_set(fault, FAULT_INVALID, "it answered %s with an error: %.*s", method,
                         (int)(message.error.len < 200 ? message.error.len : 200),
                         (const char *)message.error.at);
    *ret_result = message.result;
    return true;
}

static bool initialize(struct reading *reading, struct fault *fault)
{
    AUTO_FREE char *params = xformat(
        "{\"protocolVersion\":\"%s\",\"capabilities\":{},\"clientInfo\":{\"name\":\"custody\","
        "\"version\":\"" CUSTODY_VERSION "\"}}",
        mcp_version_newest());
    struct json_value version;
    struct ask_answer ignored;
    struct slice result, said;

    if (!request(reading, "initialize", params, &result, fault) ||
        !json_member(result, "protocolVersion", &version, fault))
        return false;
    said = slice_part(version.raw, 1, version.raw.len - 1);
    if (version.type != JSON_STRING || !mcp_version_known(said))
        return fault_set(fault, FAULT_INVALID,
                         "it speaks a version of the protocol that is not spoken here");
    memcpy(reading->version, said.at, said.len);
    return post(reading,
                SLICE("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}"),
                &ignored, fault);
}

/* ---- telling ---- */

static bool add_text(struct buf *told, const char *name, struct slice text,
                     struct fault *fault)
{
    return buf_add_format(told, fault, "%s\"%s\":", name[0] == 'n' ? "{" : ",", name) &&
           json_add_string(told, text, fault);
}

static bool tell_tool(void *self, struct slice name, struct slice tool, struct fault *fault)
{
    struct reading *reading = self;
    AUTO_BUF struct buf whole = buf_with_limit(WHOLE_BYTES_MAX);
    AUTO_BUF struct buf description = buf_with_limit(WHOLE_BYTES_MAX);
    struct buf *told = &reading->told;
    char digest[MCP_DIGEST_BYTES];
    struct json_value value;
    struct fault none = {0};

    if (json_member(tool, "description", &value, &none) &&
        !json_text(&value, &description, fault))
        return false;
    return mcp_canonical(tool, &whole, fault) && mcp_tool_digest(tool, digest, fault) &&
           (reading->tools++ == 0 || buf_add_byte(told, ',', fault)) &&
           add_text(told, "name", name, fault) &&
           add_text(told, "description", buf_slice(&description), fault) &&
           add_text(told, "whole", buf_slice(&whole), fault) &&
           add_text(told, "digest", slice_of(digest), fault) && buf_add_byte(told, '}', fault);
}

static bool list(struct reading *reading, struct fault *fault)
{
    AUTO_BUF struct buf params = buf_with_limit(16 * 1024);
    struct json_value cursor;
    struct slice result;

    if (!buf_add_text(&params, "{}", fault))
        return false;
    for (size_t page = 0; page < PAGES_MAX; page++) {
        struct fault none = {0};

        if (!request(reading, "tools/list", buf_text(&params), &result, fault) ||
            !mcp_tools_each(result, tell_tool, reading, fault))
            return false;
        if (!json_member(result, "nextCursor", &cursor, &none) || cursor.type != JSON_STRING)
            return true;
        buf_clear(&params);
        if (!buf_add_text(&params, "{\"cursor\":", fault) ||
            !buf_add(&params, cursor.raw, fault) || !buf_add_byte(&params, '}', fault))
            return false;
    }
    return fault_set(fault, FAULT_LIMIT, "its list of tools does not end");
}

static bool tell(struct reading *reading, int to, const struct fault *why)
{
    struct buf *told = &reading->told;
    struct fault fault = {0};

    if (why->kind != FAULT_NONE) {
        buf_clear(told);
        if (!buf_add_text(told, "{\"fault\":", &fault) ||
            !json_add_string(told, slice_of(why->why), &fault))
            return false;
    } else if (!buf_add_byte(told, ']', &fault)) {
        return false;
    }
    return buf_add_byte(told, '}', &fault) && file_write_all(to, buf_slice(told), &fault);
}

int ask_reader_role(void *self)
{
    const struct ask_role *role = self;
    struct reading reading = {.socket = role->socket,
                              .body = buf_with_limit(ASK_BYTES_MAX),
                              .told = buf_with_limit(ASK_BYTES_MAX)};
    char digest[MCP_DIGEST_BYTES];
    struct fault fault = {0};

    /* libcrypto reads what it wants to read now */
    if (mcp_manifest_digest(SLICE(""), digest, &fault) &&
        isolate_files(NULL, 0, ISOLATE_ABI_KERNEL, NULL, &fault) &&
        isolate_syscalls(ISOLATE_SCAN, &fault) &&
        buf_add_text(&reading.told, "{\"tools\":[", &fault) && initialize(&reading, &fault))
        (void)list(&reading, &fault);
    return tell(&reading, role->told, &fault) ? 0 : 2;
}
