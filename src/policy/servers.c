/* Remote MCP servers: which tools of which agents may use, and what their descriptions are. */
#include <stdlib.h>
#include <string.h>

#include "base/scope.h"
#include "policy/builder.h"
#include "wire/url.h"

#define S POLICY_SEP
#define LIST "mcp"
#define DIGEST_DIGITS 64
#define NAME_BYTES_MAX 40
#define NAME_LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"

static int compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool build_tools(struct builder *builder, size_t index, struct policy_server *server)
{
    AUTO_FREE char *tools = xformat(LIST S "#%zu" S "tools", index);

    server->tools =
        builder_texts_of(builder, builder->organisation, tools, &server->tool_count);
    if (server->tool_count == 0) /* a person may want to see first which there are */
        return true;
    qsort(server->tools, server->tool_count, sizeof(server->tools[0]), compare);
    for (size_t i = 1; i < server->tool_count; i++)
        if (strcmp(server->tools[i - 1], server->tools[i]) == 0)
            return fault_set(builder->fault, FAULT_INVALID,
                             "policy.yaml: " LIST "[%zu]: tool %s is there twice", index,
                             server->tools[i]);
    return true;
}

/* "sha256:DIGITS", or the digits alone. */
static bool build_digest_of(struct builder *builder, size_t index,
                            struct policy_server *server)
{
    const char *text = builder_text_of(builder, builder->organisation, LIST, index, "digest");

    if (text == NULL)
        return true;
    if (strncmp(text, "sha256:", 7) == 0)
        text += 7;
    if (strlen(text) != DIGEST_DIGITS || strspn(text, "0123456789abcdef") != DIGEST_DIGITS)
        return fault_set(builder->fault, FAULT_INVALID,
                         "policy.yaml: " LIST "[%zu]: a digest is sha256: and 64 hexadecimal "
                         "digits, as `custody mcp pin` prints it",
                         index);
    server->digest = text;
    return true;
}

/* It stands in a path and in the files of agents. */
static bool build_name(struct builder *builder, size_t index, struct policy_server *server)
{
    struct url url;
    char *name;

    if (server->at.url == NULL)
        return fault_set(builder->fault, FAULT_INVALID,
                         "policy.yaml: " LIST "[%zu] needs a url", index);
    if (server->at.name != NULL)
        return strspn(server->at.name, NAME_LETTERS) == strlen(server->at.name) &&
                       strlen(server->at.name) <= NAME_BYTES_MAX
                   ? true
                   : fault_set(builder->fault, FAULT_INVALID,
                               "policy.yaml: " LIST
                               "[%zu]: a name is up to %d letters, digits, "
                               "- and _, which is what agents take",
                               index, NAME_BYTES_MAX);
    if (!url_parse(slice_of(server->at.url), &url, builder->fault))
        return fault_in(builder->fault, "policy.yaml: " LIST "[%zu]", index);
    name = slice_dup(slice_part(url.host, 0, NAME_BYTES_MAX));
    for (char *at = name; *at != 0; at++)
        if (*at == '.' || *at == ':')
            *at = '-';
    server->at.name = builder_own(builder, name);
    return true;
}

bool build_servers(struct builder *builder)
{
    struct policy *policy = builder->policy;

    policy->server_count = builder_list_length(builder->organisation, LIST);
    policy->servers =
        builder_own(builder, xalloc_array(policy->server_count, sizeof(*policy->servers)));
    for (size_t i = 0; i < policy->server_count; i++) {
        struct policy_server *server = &policy->servers[i];

        if (!build_provider(builder, LIST, i, &server->at) ||
            !build_name(builder, i, server) || !build_tools(builder, i, server) ||
            !build_digest_of(builder, i, server))
            return false;
        for (size_t j = 0; j < i; j++)
            if (strcmp(policy->servers[j].at.name, server->at.name) == 0)
                return fault_set(builder->fault, FAULT_INVALID,
                                 "policy.yaml: MCP server %s is there twice: give each a name",
                                 server->at.name);
    }
    return true;
}
