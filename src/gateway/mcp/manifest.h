/*
 * gateway/mcp/manifest.h - the list that pins what a server's allowed tools say of themselves: a
 * line each, "DIGEST  NAME", ascending by name. Policy has the digest of the list: `sha256sum`
 * over the file that `custody mcp pin` keeps gives the same.
 */
#ifndef CUSTODY_GATEWAY_MCP_MANIFEST_H
#define CUSTODY_GATEWAY_MCP_MANIFEST_H

#include "base/bytes.h"
#include "base/fault.h"

#define MCP_TOOL_NAME_BYTES 129 /* with its NUL */
#define MCP_DIGEST_BYTES 65     /* hexadecimal, with its NUL */
#define MCP_TOOLS_MAX 256       /* that a policy allows of one server */
#define MCP_MANIFEST_BYTES_MAX (MCP_TOOLS_MAX * (MCP_TOOL_NAME_BYTES + MCP_DIGEST_BYTES + 2))

MUST_USE bool mcp_manifest_line(struct buf *manifest, const char *name, const char *digest,
                                struct fault *fault);
MUST_USE bool mcp_manifest_digest(struct slice manifest, char ret_digest[MCP_DIGEST_BYTES],
                                  struct fault *fault);
/* FAULT_INVALID: no such list, that of other tools, or not the one that `digest` pins. */
MUST_USE bool mcp_manifest_read(struct slice manifest, const char *digest, size_t count,
                                const char *const *names,
                                char (*ret_digests)[MCP_DIGEST_BYTES], struct fault *fault);

#endif
