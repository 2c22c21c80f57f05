#include "gateway/mcp/manifest.h"

#include <string.h>

#include "gateway/call/digest.h"

_Static_assert(MCP_DIGEST_BYTES == DIGEST_TEXT_BYTES, "one form of digests");

bool mcp_manifest_line(struct buf *manifest, const char *name, const char *digest,
                       struct fault *fault)
{
    return buf_add_format(manifest, fault, "%s  %s\n", digest, name);
}

bool mcp_manifest_digest(struct slice manifest, char ret_digest[MCP_DIGEST_BYTES],
                         struct fault *fault)
{
    return digest_text(manifest, ret_digest) || fault_set(fault, FAULT_HOST, "no SHA-256");
}

/* One line: "DIGEST  NAME". */
static bool read_line(struct slice line, const char *name, char ret_digest[MCP_DIGEST_BYTES])
{
    size_t digits = MCP_DIGEST_BYTES - 1;

    if (line.len < digits + 2 || line.at[digits] != ' ' || line.at[digits + 1] != ' ' ||
        !slice_equal(slice_part(line, digits + 2, line.len), slice_of(name)))
        return false;
    memcpy(ret_digest, line.at, digits);
    ret_digest[digits] = 0;
    return true;
}

bool mcp_manifest_read(struct slice manifest, const char *digest, size_t count,
                       const char *const *names, char (*ret_digests)[MCP_DIGEST_BYTES],
                       struct fault *fault)
{
    char found[MCP_DIGEST_BYTES];
    struct slice line;

    if (!mcp_manifest_digest(manifest, found, fault))
        return false;
    if (strcmp(found, digest) != 0)
        return fault_set(fault, FAULT_INVALID, "the kept list of tools is another one");
    for (size_t i = 0; i < count; i++)
        if (!slice_cut(&manifest, '\n', &line) || !read_line(line, names[i], ret_digests[i]))
            return fault_set(fault, FAULT_INVALID,
                             "the kept list of tools is that of other tools");
    return true;
}
