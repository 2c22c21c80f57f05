/*
 * gateway/mcp/message.h - one message of the Model Context Protocol: JSON-RPC 2.0, read
 * strictly. Bytes in, spans out.
 *
 * Stricter than the standard: no batches (the protocol has none since 2025-06-18), no member
 * that JSON-RPC does not know, no fraction in an id, no duplicate key at any depth.
 * Source: modelcontextprotocol.io, specification 2025-11-25, "Base Protocol".
 */
#ifndef CUSTODY_GATEWAY_MCP_MESSAGE_H
#define CUSTODY_GATEWAY_MCP_MESSAGE_H

#include "wire/json.h"

#define MCP_MESSAGE_BYTES_MAX (16U * 1024 * 1024)
#define MCP_METHOD_BYTES 64
#define MCP_ID_BYTES_MAX 256 /* as it is written */

enum mcp_kind {
    MCP_REQUEST,
    MCP_NOTIFICATION,
    MCP_RESULT,
    MCP_ERROR,
};

/* Spans borrow from the text; what is not there is empty. */
struct mcp_message {
    enum mcp_kind kind;
    struct slice
        id; /* a string with its quotes, or a whole number; of an error perhaps none */
    char method[MCP_METHOD_BYTES]; /* of a request or notification */
    struct slice params;           /* an object */
    struct slice result;           /* an object */
    struct slice error;            /* an object */
};

/* FAULT_INVALID: no such message. FAULT_LIMIT: it, or its id or method, is too long. */
MUST_USE bool mcp_message_read(struct slice text, struct mcp_message *ret_message,
                               struct fault *fault);

/* Whether two ids are the same value, however they are written. */
bool mcp_id_equal(struct slice a, struct slice b);

/*
 * Appends an error as JSON-RPC has it, on one line.
 *   id  as it was written; empty: null
 */
MUST_USE bool mcp_message_error(struct slice id, int code, const char *text, struct buf *out,
                                struct fault *fault);
/* Appends an answer around a result, or an error, that is JSON. */
MUST_USE bool mcp_message_result(struct slice id, struct slice result, struct buf *out,
                                 struct fault *fault);
MUST_USE bool mcp_message_failure(struct slice id, struct slice error, struct buf *out,
                                  struct fault *fault);

#endif
