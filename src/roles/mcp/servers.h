/*
 * roles/mcp/servers.h - the policy's MCP servers as gateway and door take them, with what
 * `custody mcp pin` has kept of their tools: mcp/DIGEST in the state folder.
 */
#ifndef CUSTODY_ROLES_MCP_SERVERS_H
#define CUSTODY_ROLES_MCP_SERVERS_H

#include "gateway/gateway.h"
#include "policy/policy.h"

#define SERVERS_FOLDER "mcp"

struct servers {
    struct gateway_server *at; /* borrows from the policy */
    size_t count;
    void *owned;
};

/* FAULT_INVALID names the entry that is unfit. */
MUST_USE bool servers_make(const struct policy *policy, int home, struct servers *ret_servers,
                           struct fault *fault);
void servers_free(struct servers *servers);

/* What of an entry is as a model's. */
struct gateway_model servers_provider(const struct policy_model *from);

#endif
