/*
 * What a tool server sends: any bytes, cut anywhere. The first byte chooses what was asked and
 * how it answers. What the agent gets is whole messages, the same however the bytes were cut,
 * none with a mark that policy keeps from it, and no tool that is not listed.
 */
#include <stdlib.h>

#include "gateway/mcp/answer.h"

#define OUT_LIMIT (1024 * 1024)

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

/* "echo" as the corpus has it, and nothing else of it. */
static const struct gateway_tool tools[] = {
    {.name = "echo",
     .digest = "6cf6a2e45ab7ac3d6b5f1d8e11c2f2b1f0f3c9a5a1a0b8d7c6e5f4a3b2c1d0e9"},
    {.name = "look"}};
static const struct gateway_server servers[] = {
    {.at = {.name = "tickets"},
     .tools = tools,
     .tool_count = COUNT(tools),
     .digest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}};
static const struct door_scan scan = {.classes = find_mark};
static const enum mcp_method methods[] = {MCP_TOOLS_CALL, MCP_TOOLS_LIST,  MCP_INITIALIZE,
                                          MCP_STREAM,     MCP_INITIALIZED, MCP_PING};

static void check_message(struct slice text, bool is_answer_due)
{
    struct mcp_message message;
    struct fault fault = {0};

    if (!mcp_message_read(text, &message, &fault) ||
        slice_find(text, SLICE("MARK"), 0) != SIZE_MAX)
        abort();
    if (message.kind == MCP_REQUEST && strcmp(message.method, "ping") != 0)
        abort(); /* no server asks the agent for anything */
    if ((message.kind == MCP_RESULT || message.kind == MCP_ERROR) &&
        (!is_answer_due || !mcp_id_equal(message.id, SLICE("1"))))
        abort();
}

static void check_out(struct slice out, enum mcp_start start, enum mcp_method method)
{
    static const char head[] = "event: message\ndata: ";
    bool is_due = mcp_method_row(method)->kind == MCP_REQUEST;

    if (out.len > 0 && start == MCP_START_WHOLE)
        check_message(out, is_due);
    while (start == MCP_START_STREAM && out.len > 0) {
        size_t end = slice_find(out, SLICE("\n\n"), 0);

        if (!slice_starts_with(out, slice_of(head)) || end == SIZE_MAX)
            abort();
        check_message(slice_part(out, sizeof(head) - 1, end), is_due);
        out = slice_part(out, end + 2, out.len);
    }
}

/* Cut into pieces of `step` bytes. True: nothing was refused. */
static bool read_all(const struct mcp_call *call, const struct call_head *head,
                     struct slice bytes, size_t step, struct buf *out, bool *ret_done)
{
    struct mcp_memory *memory = mcp_memory_new(servers, COUNT(servers));
    struct mcp_answer *answer = mcp_answer_new(call, memory, &scan, CLASS_BIT(CLASS_PHI));
    int status;
    enum mcp_start start = mcp_answer_head(answer, head, &status);
    bool ok = start != MCP_START_REFUSED;

    for (size_t at = 0; ok && at < bytes.len; at += step)
        ok = mcp_answer_feed(answer, slice_part(bytes, at, at + step), out);
    ok = ok && mcp_answer_end(answer, out);
    if (!ok && mcp_answer_refusal(answer)->reason == NULL)
        abort();
    if (status < 200 || status > 599)
        abort();
    /* nothing is pinned as it is there: no list is shown */
    if (ok && call->method == MCP_TOOLS_LIST &&
        slice_find(buf_slice(out), SLICE("\"tools\":[{"), 0) != SIZE_MAX)
        abort();
    check_out(buf_slice(out), start, call->method);
    *ret_done = mcp_answer_done(answer);
    mcp_answer_free(answer);
    mcp_memory_free(memory);
    return ok;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf whole = buf_with_limit(OUT_LIMIT), cut = buf_with_limit(OUT_LIMIT);
    struct mcp_call call = {.is_mcp = true, .name = "tickets", .first = true};
    struct call_head head = {.status = 200, .content_type = "application/json"};
    bool whole_ok, cut_ok, whole_done, cut_done;
    struct fault fault = {0};

    if (size < 1)
        return 0;
    call.method = methods[data[0] % COUNT(methods)];
    call.id = buf_with_limit(MCP_ID_BYTES_MAX);
    if (mcp_method_row(call.method)->kind == MCP_REQUEST &&
        !buf_add_byte(&call.id, '1', &fault))
        abort();
    if ((data[0] & 0x40) != 0)
        memcpy(head.content_type, "text/event-stream", sizeof("text/event-stream"));
    if ((data[0] & 0x80) != 0)
        head.status = 100 + 4 * (data[0] & 0x3f);
    whole_ok =
        read_all(&call, &head, slice_of_bytes(data + 1, size - 1), size, &whole, &whole_done);
    cut_ok = read_all(&call, &head, slice_of_bytes(data + 1, size - 1), 1 + data[0] % 7, &cut,
                      &cut_done);
    if (whole_ok != cut_ok || whole_done != cut_done ||
        !slice_equal(buf_slice(&whole), buf_slice(&cut)))
        abort();
    mcp_call_clear(&call);
    buf_free(&whole);
    buf_free(&cut);
    return 0;
}
