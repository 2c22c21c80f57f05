/*
 * gateway/mcp/packet.h - packets of one request to a tool server, between door and gateway;
 * what is not here is as in gateway/call.h.
 *
 *   door -> gateway   CALL_MCP instead of CALL_OPEN; of a GET or DELETE no body follows.
 *                     CALL_SEEN when the answer has been looked at: then the outcome is written
 *   gateway -> door   CALL_HEAD as soon as there is one, CALL_DATA ..., CALL_END, or at any
 *                     time CALL_FAIL
 *
 * A call's socket serves one request to a tool server, and no call after it.
 */
#ifndef CUSTODY_GATEWAY_MCP_PACKET_H
#define CUSTODY_GATEWAY_MCP_PACKET_H

#include "gateway/call.h"
#include "gateway/mcp/memory.h"
#include "gateway/mcp/method.h"

#define MCP_VERSION_BYTES 16
#define MCP_REASON_BYTES 32
#define MCP_NO_TOOL UINT32_MAX

struct call_mcp {
    uint8_t packet;
    uint32_t server;  /* index of the policy's entry */
    uint32_t method;  /* enum mcp_method */
    uint32_t tool;    /* index of the entry's tool, or MCP_NO_TOOL */
    uint32_t classes; /* as in struct call_open, these and the next ones */
    uint32_t redacted, replaced, lineage_bytes;
    uint64_t body_bytes, leaves, scanned_bytes;
    char session[MCP_SESSION_BYTES]; /* "": none */
    char version[MCP_VERSION_BYTES]; /* of MCP-Protocol-Version; "": none */
};

struct call_seen {
    uint8_t packet;
    bool answered;                 /* the agent has what it asked for */
    bool failed;                   /* the server has: `reason` is none of policy's */
    uint32_t classes;              /* that were found in what came */
    char reason[MCP_REASON_BYTES]; /* why it was kept from the agent; "": it was not */
};

#endif
