/*
 * gateway/mcp/canonical.h - one form of a JSON value, however it was written: so that a digest
 * of it changes with what it says and with nothing else.
 *
 * As RFC 8785, with two differences that need no floating point: members are ordered by the
 * UTF-8 bytes of their names, and a number stays as it is written.
 */
#ifndef CUSTODY_GATEWAY_MCP_CANONICAL_H
#define CUSTODY_GATEWAY_MCP_CANONICAL_H

#include "wire/json.h"

/* Appends the canonical form. FAULT_INVALID: not JSON as json.h wants it. */
MUST_USE bool mcp_canonical(struct slice value, struct buf *out, struct fault *fault);

#endif
