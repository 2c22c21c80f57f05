/* Messages of JSON-RPC, and the form of which digests are made: what is read is one of the four
 * kinds; the canonical form is JSON, and its own. */
#include <stdlib.h>

#include "gateway/mcp/canonical.h"
#include "gateway/mcp/message.h"
#include "gateway/mcp/method.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_kind(const struct mcp_message *message)
{
    bool asks = message->kind == MCP_REQUEST || message->kind == MCP_NOTIFICATION;

    if (asks != (message->method[0] != 0) ||
        (message->kind == MCP_RESULT) != (message->result.len > 0) ||
        (message->kind == MCP_ERROR) != (message->error.len > 0) ||
        (message->kind == MCP_NOTIFICATION && message->id.len > 0) ||
        (message->kind == MCP_REQUEST && message->id.len == 0))
        abort();
    if (message->id.len > 0 && !mcp_id_equal(message->id, message->id))
        abort();
    for (size_t i = 0; message->method[i] != 0; i++)
        if (message->method[i] <= ' ' || message->method[i] > '~')
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = slice_of_bytes(data, size);
    struct buf once = buf_with_limit(6 * size + 64), twice = buf_with_limit(6 * size + 64);
    struct mcp_message message;
    enum mcp_method method;
    struct fault fault = {0};

    if (mcp_message_read(text, &message, &fault)) {
        check_kind(&message);
        if ((message.kind == MCP_REQUEST || message.kind == MCP_NOTIFICATION) &&
            mcp_method_find(&message, &method))
            (void)!mcp_params_check(method, message.params, &fault);
    }
    if (mcp_canonical(text, &once, &fault) &&
        (!json_walk(buf_slice(&once), NULL, &fault) ||
         !mcp_canonical(buf_slice(&once), &twice, &fault) ||
         !slice_equal(buf_slice(&once), buf_slice(&twice))))
        abort();
    buf_free(&once);
    buf_free(&twice);
    return 0;
}
