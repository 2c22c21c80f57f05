/* mcp list, mcp pin: which tools policy's MCP servers have, and whether they are as accepted. */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/scope.h"
#include "base/utf8.h"
#include "commands/table.h"
#include "gateway/mcp/manifest.h"
#include "os/file.h"
#include "policy/policy.h"
#include "roles/mcp/ask.h"
#include "roles/mcp/servers.h"
#include "roles/session.h"

struct looking {
    struct session session;
    struct policy *policy;
    struct servers servers;
    const struct gateway_server *server; /* that is asked for; or NULL */
    struct asked asked;
};

static bool find_server(struct looking *looking, const char *name, struct fault *fault)
{
    for (size_t i = 0; i < looking->servers.count; i++)
        if (strcmp(looking->servers.at[i].at.name, name) == 0) {
            looking->server = &looking->servers.at[i];
            return true;
        }
    return fault_set(fault, FAULT_MISSING,
                     "policy (mcp) has no server %.60s; `custody mcp list` names those it has",
                     name);
}

/* The organisation's policy alone: servers are its, and no repository's. */
static bool look(struct looking *looking, const char *name, struct fault *fault)
{
    const struct policy_settings *organisation;

    if (!session_open(&looking->session, fault) ||
        !session_organisation(&looking->session, &organisation, fault) ||
        !policy_build(organisation, NULL, &looking->policy, fault) ||
        !servers_make(looking->policy, looking->session.home.fd, &looking->servers, fault))
        return false;
    return name == NULL || (find_server(looking, name, fault) &&
                            mcp_ask(looking->server, &looking->asked, fault));
}

static void look_end(struct looking *looking)
{
    mcp_asked_free(&looking->asked);
    servers_free(&looking->servers);
    policy_free(looking->policy);
    session_close(&looking->session);
}

/* ---- what is there ---- */

static const struct gateway_tool *allowed(const struct gateway_server *server,
                                          const char *name)
{
    for (size_t i = 0; i < server->tool_count; i++)
        if (strcmp(server->tools[i].name, name) == 0)
            return &server->tools[i];
    return NULL;
}

/* "sha256:" and the digest that policy would pin; false: a tool is missing or there twice. */
static bool digest_now(const struct looking *looking, struct buf *manifest,
                       char ret_digest[MCP_DIGEST_BYTES], struct fault *fault)
{
    const struct gateway_server *server = looking->server;

    if (server->tool_count == 0)
        return fault_set(fault, FAULT_DENIED,
                         "policy (mcp, tools) lists no tool of this server yet");
    for (size_t i = 0; i < server->tool_count; i++) {
        const struct asked_tool *found = NULL;

        for (size_t j = 0; j < looking->asked.count; j++) {
            if (strcmp(looking->asked.tools[j].name, server->tools[i].name) != 0)
                continue;
            if (found != NULL)
                return fault_set(fault, FAULT_DENIED, "the server lists tool %s twice",
                                 server->tools[i].name);
            found = &looking->asked.tools[j];
        }
        if (found == NULL)
            return fault_set(fault, FAULT_DENIED,
                             "the server has no tool %s, which policy lists",
                             server->tools[i].name);
        if (!mcp_manifest_line(manifest, server->tools[i].name, found->digest, fault))
            return false;
    }
    return mcp_manifest_digest(buf_slice(manifest), ret_digest, fault);
}

/* Of one tool, as policy has it; `whole` : all of them are as pinned. */
static const char *state_of(const struct gateway_server *server, const struct asked_tool *tool,
                            bool whole)
{
    const struct gateway_tool *listed = allowed(server, tool->name);

    if (listed == NULL)
        return "not in policy";
    if (server->digest == NULL)
        return "not pinned yet";
    if (whole || (listed->digest != NULL && strcmp(listed->digest, tool->digest) == 0))
        return "as pinned";
    return listed->digest == NULL ? "changed, or another one is" : "CHANGED";
}

static json_t *tool_json(const struct gateway_server *server, const struct asked_tool *tool,
                         bool whole)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:o}", "name", tool->name, "state",
                     state_of(server, tool, whole), "digest", tool->digest, "description",
                     tool->description, "whole", json_loads(tool->whole, 0, NULL));
}

static json_t *server_json(const struct gateway_server *server)
{
    json_t *tools = json_array();

    for (size_t i = 0; i < server->tool_count; i++)
        (void)json_array_append_new(tools, json_string(server->tools[i].name));
    return json_pack("{s:s, s:s, s:o, s:s?, s:s?, s:s?}", "name", server->at.name, "url",
                     server->at.url, "tools", tools, "digest", server->digest, "residency",
                     server->at.residency, "contract", server->at.contract);
}

/* A server's own words, each line indented. */
static void print_text(const char *text)
{
    AUTO_FREE char *copy = xstrdup(text);
    struct slice rest, line;

    rest = slice_of(copy);
    while (slice_cut(&rest, '\n', &line)) {
        AUTO_FREE char *shown = slice_dup(line);

        utf8_tame(shown);
        (void)printf("    | %s\n", shown);
    }
}

static void print_tools(const struct looking *looking, bool whole)
{
    for (size_t i = 0; i < looking->asked.count; i++) {
        const struct asked_tool *tool = &looking->asked.tools[i];
        AUTO_FREE char *name = xstrdup(tool->name);

        utf8_tame(name);
        (void)printf("%s: %s\n", name, state_of(looking->server, tool, whole));
        print_text(tool->description);
        if (allowed(looking->server, tool->name) != NULL)
            print_text(tool->whole);
    }
}

/* ---- list ---- */

static int list_servers(const struct invocation *invocation, const struct looking *looking)
{
    json_t *rows = json_array();

    for (size_t i = 0; i < looking->servers.count; i++) {
        const struct gateway_server *server = &looking->servers.at[i];

        (void)json_array_append_new(rows, server_json(server));
        if (!invocation->json)
            (void)printf("%s  %s  %zu tool%s, %s\n", server->at.name, server->at.url,
                         server->tool_count, server->tool_count == 1 ? "" : "s",
                         server->digest == NULL ? "not pinned yet: custody mcp pin NAME"
                                                : server->digest);
    }
    if (invocation->json)
        command_print_json(json_incref(rows));
    else if (looking->servers.count == 0)
        (void)puts("policy (mcp) lists no server");
    json_decref(rows);
    return EXIT_YES;
}

static int list_tools(const struct invocation *invocation, const struct looking *looking)
{
    AUTO_BUF struct buf manifest = buf_with_limit(MCP_MANIFEST_BYTES_MAX);
    const struct gateway_server *server = looking->server;
    char digest[MCP_DIGEST_BYTES] = "";
    struct fault fault = {0};
    bool there = digest_now(looking, &manifest, digest, &fault);
    bool whole = there && server->digest != NULL && strcmp(digest, server->digest) == 0;

    if (invocation->json) {
        json_t *tools = json_array(), *shown = server_json(server);

        for (size_t i = 0; i < looking->asked.count; i++)
            (void)json_array_append_new(tools,
                                        tool_json(server, &looking->asked.tools[i], whole));
        (void)json_object_set_new(shown, "now", there ? json_string(digest) : json_null());
        (void)json_object_set_new(shown, "as_pinned", json_boolean(whole));
        (void)json_object_set_new(shown, "has", tools);
        command_print_json(shown);
    } else {
        print_tools(looking, whole);
        if (!there)
            (void)printf("%s\n", fault.why);
        else if (!whole)
            (void)printf("not as pinned: `custody mcp pin %s` accepts them\n",
                         server->at.name);
    }
    return whole ? EXIT_YES : EXIT_NO;
}

static int run_list(const struct invocation *invocation)
{
    const char *name = invocation->argument_count > 0 ? invocation->arguments[0] : NULL;
    struct looking looking = {0};
    struct fault fault = {0};
    int code;

    if (!look(&looking, name, &fault))
        code = command_fail(invocation, &fault);
    else
        code = name == NULL ? list_servers(invocation, &looking)
                            : list_tools(invocation, &looking);
    look_end(&looking);
    return code;
}

const struct command command_mcp_list = {
    .name = "mcp list",
    .arguments = "[NAME]",
    .arguments_max = 1,
    .prints_json = true,
    .summary = "Lists policy's MCP servers, or asks one of them for its tools",
    .text =
        "With NAME the server is asked, with its key, from this host. Each of its tools is "
        "shown with its description and whether\n"
        "policy lists it, and whether it is as it was pinned. Exit 1: not all are.",
    .run = run_list,
};

/* ---- pin ---- */

static bool keep(const struct looking *looking, struct slice manifest, const char *digest,
                 struct fault *fault)
{
    AUTO_FREE char *path = xformat(SERVERS_FOLDER "/%s", digest);
    int home = looking->session.home.fd;

    if (mkdirat(home, SERVERS_FOLDER, 0755) < 0 && errno != EEXIST)
        return fault_errno(fault, "make the folder " SERVERS_FOLDER);
    return file_exists(home, path) || file_create(home, path, manifest, 0644, fault);
}

static int run_pin(const struct invocation *invocation)
{
    AUTO_BUF struct buf manifest = buf_with_limit(MCP_MANIFEST_BYTES_MAX);
    struct looking looking = {0};
    char digest[MCP_DIGEST_BYTES];
    struct fault fault = {0};
    int code = EXIT_YES;

    if (!look(&looking, invocation->arguments[0], &fault) ||
        !digest_now(&looking, &manifest, digest, &fault) ||
        !keep(&looking, buf_slice(&manifest), digest, &fault)) {
        code = command_fail(invocation, &fault);
    } else if (invocation->json) {
        command_print_json(json_pack(
            "{s:s, s:s, s:b}", "name", looking.server->at.name, "digest", digest, "as_pinned",
            looking.server->digest != NULL && strcmp(looking.server->digest, digest) == 0));
    } else {
        print_tools(&looking, looking.server->digest != NULL &&
                                  strcmp(looking.server->digest, digest) == 0);
        (void)printf(
            "\nTo accept what these tools say of themselves, put into policy.yaml, at "
            "the entry of %s in mcp:\n\n    digest: sha256:%s\n",
            looking.server->at.name, digest);
    }
    look_end(&looking);
    return code;
}

const struct command command_mcp_pin = {
    .name = "mcp pin",
    .arguments = "NAME",
    .arguments_min = 1,
    .arguments_max = 1,
    .prints_json = true,
    .summary = "Shows the tools of an MCP server, and the digest by which policy accepts them",
    .text =
        "Asks the server, with its key, from this host; prints what its listed tools say of "
        "themselves and the digest to put\n"
        "into policy.yaml, and keeps the list of their digests (mcp/DIGEST in the state "
        "folder), so that a run can say which\n"
        "tool has changed. The policy itself is not touched.",
    .run = run_pin,
};
