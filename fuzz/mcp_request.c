/* What an agent sends to a tool server's address at the door: any bytes. What goes on is one
 * message of the protocol, of a method that is allowed, for a tool that is. */
#include <stdlib.h>

#include "gateway/door/plan.h"
#include "gateway/mcp/message.h"

#define BODY_LIMIT 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned find_mark(void *self, struct slice text, const char *ret_rules[CLASS_COUNT],
                          unsigned *ret_guesses)
{
    (void)self;
    *ret_guesses = 0;
    if (slice_find(text, SLICE("MARK"), 0) == SIZE_MAX)
        return 0;
    ret_rules[CLASS_PHI] = "phi.mark";
    return CLASS_BIT(CLASS_PHI);
}

static const struct gateway_tool tools[] = {{.name = "echo"}, {.name = "look"}};
static const char digest[] =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
static const struct gateway_server servers[] = {
    {.at = {.name = "tickets"}, .tools = tools, .tool_count = COUNT(tools), .digest = digest}};

static void check_call(const struct plan *plan)
{
    const struct mcp_method_row *row = mcp_method_row(plan->mcp.method);
    struct slice sent = buf_slice(&plan->body);
    struct mcp_message message;
    struct fault fault = {0};

    if (plan->mcp.open.server != 0 || plan->mcp.open.method != plan->mcp.method ||
        plan->mcp.open.body_bytes != sent.len ||
        !call_text_valid(plan->mcp.open.session, sizeof(plan->mcp.open.session)))
        abort();
    if (row->verb != MCP_POST) {
        if (sent.len != 0)
            abort();
        return;
    }
    if (!mcp_message_read(sent, &message, &fault) ||
        slice_find(sent, SLICE("MARK"), 0) != SIZE_MAX)
        abort();
    if (plan->mcp.method != MCP_ANSWER &&
        (message.kind != row->kind || strcmp(message.method, row->name) != 0))
        abort();
    if ((message.kind == MCP_REQUEST) != (plan->mcp.id.len > 0) ||
        !slice_equal(message.kind == MCP_REQUEST ? message.id : SLICE(""),
                     buf_slice(&plan->mcp.id)))
        abort();
    /* nothing was listed: no tool may be called */
    if (plan->mcp.method == MCP_TOOLS_CALL || plan->mcp.open.tool != MCP_NO_TOOL)
        abort();
    if (plan->mcp.method == MCP_INITIALIZE) {
        struct json_value value;

        if (json_member(message.params, "capabilities", &value, &fault) && value.raw.len != 2)
            abort();
    }
}

static void check_refusal(const struct plan *plan)
{
    struct buf body = buf_with_limit(8192);
    int status = plan->status;
    struct mcp_message message;
    struct fault fault = {0};

    if (plan->status < 400 || plan->status > 599 || plan->reason == NULL ||
        plan->message[0] == 0 ||
        !mcp_call_error(&plan->mcp, &status, plan->reason, plan->message, &body, &fault) ||
        !mcp_message_read(buf_slice(&body), &message, &fault) || message.kind != MCP_ERROR ||
        (plan->mcp.id.len > 0 && !mcp_id_equal(message.id, buf_slice(&plan->mcp.id))))
        abort();
    buf_free(&body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct mcp_memory *memory;
    struct http1_request *request = http1_request_new(BODY_LIMIT);
    struct door_config config = {
        .servers = servers, .server_count = COUNT(servers), .scan = {.classes = find_mark}};
    struct plan plan = {0};
    struct fault fault = {0};
    size_t used;

    if (memory == NULL) {
        memory = mcp_memory_new(servers, COUNT(servers));
        (void)!mcp_session_add(memory, 0, SLICE("known"));
    }
    if (http1_request_feed(request, slice_of_bytes(data, size), &used, &fault) &&
        http1_request_done(request) && mcp_is_path(http1_request_path(request))) {
        mcp_plan_request(&config, memory, request, &plan);
        if (plan.kind == PLAN_CALL)
            check_call(&plan);
        else if (plan.kind == PLAN_REFUSE)
            check_refusal(&plan);
        else
            abort();
    }
    plan_clear(&plan);
    http1_request_free(request);
    return 0;
}
