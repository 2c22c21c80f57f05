#include "roles/mcp/servers.h"

#include <stdlib.h>

#include "base/scope.h"
#include "gateway/mcp/manifest.h"
#include "os/file.h"

/* Of one server. */
struct kept {
    struct gateway_tool *tools;
    char (*digests)[MCP_DIGEST_BYTES];
};

struct gateway_model servers_provider(const struct policy_model *from)
{
    return (struct gateway_model){.name = from->name,
                                  .model = from->model,
                                  .url = from->url,
                                  .api_version = from->api_version,
                                  .region = from->region,
                                  .key_file = from->key_file,
                                  .key_environment = from->key_environment,
                                  .ca_file = from->ca,
                                  .pins = from->pins,
                                  .pin_count = from->pin_count,
                                  .proxy = from->proxy,
                                  .proxy_credentials = from->proxy_credentials,
                                  .translate = from->translate,
                                  .residency = from->residency,
                                  .contract = from->contract,
                                  .expires_us = from->expires_us,
                                  .allow = from->allow,
                                  .allow_redacted = from->allow_redacted,
                                  .kept_away = from->kept_away};
}

/* What was accepted, tool by tool; where that is not kept here, the one digest is all there is. */
static bool read_kept(const struct policy_server *from, int home, struct kept *kept)
{
    AUTO_FREE char *path = xformat(SERVERS_FOLDER "/%s", from->digest);
    AUTO_BUF struct buf manifest = buf_with_limit(MCP_MANIFEST_BYTES_MAX);
    struct fault none = {0};

    return file_exists(home, path) && file_read(home, path, &manifest, &none) &&
           mcp_manifest_read(buf_slice(&manifest), from->digest, from->tool_count, from->tools,
                             kept->digests, &none);
}

static struct gateway_server make(const struct policy_server *from, int home,
                                  struct kept *kept)
{
    bool known;

    kept->tools = xalloc_array(from->tool_count + 1, sizeof(*kept->tools));
    kept->digests = xalloc_array(from->tool_count + 1, sizeof(*kept->digests));
    known = from->digest != NULL && read_kept(from, home, kept);
    for (size_t i = 0; i < from->tool_count; i++)
        kept->tools[i] = (struct gateway_tool){.name = from->tools[i],
                                               .digest = known ? kept->digests[i] : NULL};
    return (struct gateway_server){.at = servers_provider(&from->at),
                                   .tools = kept->tools,
                                   .tool_count = from->tool_count,
                                   .digest = from->digest};
}

bool servers_make(const struct policy *policy, int home, struct servers *ret_servers,
                  struct fault *fault)
{
    struct servers servers = {.count = policy->server_count};
    struct kept *kept = xalloc_array(servers.count + 1, sizeof(*kept));

    servers.at = xalloc_array(servers.count + 1, sizeof(*servers.at));
    servers.owned = kept;
    for (size_t i = 0; i < servers.count; i++)
        servers.at[i] = make(&policy->servers[i], home, &kept[i]);
    for (size_t i = 0; i < servers.count; i++)
        if (!gateway_server_check(&servers.at[i], fault)) {
            servers_free(&servers);
            return false;
        }
    *ret_servers = servers;
    return true;
}

void servers_free(struct servers *servers)
{
    struct kept *kept = servers->owned;

    for (size_t i = 0; i < servers->count; i++) {
        free(kept[i].tools);
        free(kept[i].digests);
    }
    free(kept);
    free(servers->at);
    *servers = (struct servers){0};
}
