#include "roles/mcp/ask.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/scope.h"
#include "os/file.h"
#include "os/spawn.h"
#include "roles/resolver.h"

/* ---- between the two processes ---- */

bool ask_send(int socket, const void *head, size_t head_len, struct slice body)
{
    struct fault gone = {0};

    return file_write_all(socket, slice_of_bytes(head, head_len), &gone) &&
           file_write_all(socket, body, &gone);
}

bool ask_take(int socket, void *head, size_t head_len)
{
    uint8_t *at = head;
    size_t len = 0;

    while (len < head_len) {
        ssize_t got = read(socket, at + len, head_len - len);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        len += (size_t)got;
    }
    return true;
}

bool ask_take_body(int socket, uint32_t len, struct buf *ret_body)
{
    struct fault fault = {0};

    buf_clear(ret_body);
    if (len > ASK_BYTES_MAX || !buf_reserve(ret_body, len, &fault) ||
        !ask_take(socket, ret_body->at, len))
        return false;
    ret_body->len = len;
    return true;
}

/* ---- who asks ---- */

/* What the reader tells: it has read what a server sent, so it is not trusted either. */
static bool take_tool(json_t *row, struct asked *asked, struct fault *fault)
{
    const char *name = json_string_value(json_object_get(row, "name"));
    const char *description = json_string_value(json_object_get(row, "description"));
    const char *whole = json_string_value(json_object_get(row, "whole"));
    const char *digest = json_string_value(json_object_get(row, "digest"));
    struct asked_tool *tool;

    if (name == NULL || description == NULL || whole == NULL || digest == NULL ||
        strlen(digest) != MCP_DIGEST_BYTES - 1 ||
        strspn(digest, "0123456789abcdef") != MCP_DIGEST_BYTES - 1 ||
        asked->count == ASK_TOOLS_MAX)
        return fault_set(fault, FAULT_IO, "the reader said something else");
    asked->tools = xgrow(asked->tools, &asked->room, asked->count + 1, sizeof(*asked->tools));
    tool = &asked->tools[asked->count++];
    *tool = (struct asked_tool){
        .name = xstrdup(name), .description = xstrdup(description), .whole = xstrdup(whole)};
    memcpy(tool->digest, digest, sizeof(tool->digest));
    return true;
}

static bool take_told(struct slice told, struct asked *asked, struct fault *fault)
{
    json_error_t unread;
    json_t *root =
        json_loadb((const char *)told.at, told.len, JSON_REJECT_DUPLICATES, &unread);
    const char *why = json_string_value(json_object_get(root, "fault"));
    json_t *tools = json_object_get(root, "tools"), *row;
    bool ok = root != NULL && why == NULL && json_is_array(tools);
    size_t i;

    if (why != NULL)
        (void)fault_set(fault, FAULT_IO, "%.300s", why);
    else if (!ok)
        (void)fault_set(fault, FAULT_IO, "the reader of the answer ended without a word");
    json_array_foreach(tools, i, row) ok = ok && take_tool(row, asked, fault);
    json_decref(root);
    return ok;
}

static bool start(const char *name, int (*serve)(void *self), const struct ask_role *role,
                  const int *keep, size_t keep_count, struct process *ret_process,
                  struct fault *fault)
{
    struct ask_role own = *role;

    return spawn_role(name, serve, &own, keep, keep_count, ret_process, fault);
}

static bool start_both(const struct gateway_server *server, int told,
                       struct process ret_processes[2], struct fault *fault)
{
    AUTO_CLOSE int fetches = -1, reads = -1, resolver = -1;
    struct ask_role role = {.server = server, .told = told, .resolver = -1};
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return fault_errno(fault, "socket pair");
    fetches = ends[0];
    reads = ends[1];
    /* before a key is read: what it parses comes from anywhere */
    if (gateway_servers_have_names(server, 1) &&
        !resolver_role_start(false, 0, 0, &resolver, fault))
        return false;
    role.resolver = resolver;
    role.socket = fetches;
    if (!start("mcp-fetch", ask_fetch_role, &role, (const int[]){fetches, resolver},
               resolver >= 0 ? 2 : 1, &ret_processes[0], fault))
        return false;
    role.socket = reads;
    return start("mcp-reader", ask_reader_role, &role, (const int[]){reads, told}, 2,
                 &ret_processes[1], fault);
}

bool mcp_ask(const struct gateway_server *server, struct asked *ret_asked, struct fault *fault)
{
    AUTO_BUF struct buf told = buf_with_limit(ASK_BYTES_MAX);
    struct process processes[2] = {{-1, -1}, {-1, -1}};
    struct asked asked = {0};
    AUTO_CLOSE int from = -1, to = -1;
    int ends[2];
    bool ok;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return fault_errno(fault, "pipe");
    from = ends[0];
    to = ends[1];
    ok = start_both(server, to, processes, fault);
    scope_close(&to);
    ok = ok && file_read_fd(from, &told, fault) && take_told(buf_slice(&told), &asked, fault);
    for (size_t i = 0; i < COUNT(processes); i++)
        if (processes[i].pid > 0)
            process_kill(&processes[i]);
    if (ok)
        *ret_asked = asked;
    else
        mcp_asked_free(&asked);
    return ok || fault_in(fault, "ask MCP server %s", server->at.name);
}

void mcp_asked_free(struct asked *asked)
{
    for (size_t i = 0; i < asked->count; i++) {
        free(asked->tools[i].name);
        free(asked->tools[i].description);
        free(asked->tools[i].whole);
    }
    free(asked->tools);
    *asked = (struct asked){0};
}
