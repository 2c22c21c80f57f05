/* The answer of a tool server on its way to the agent. */
#include "base/scope.h"
#include "gateway/door/connection.h"

#define GROWTH_BYTES (2UL * MCP_MESSAGE_BYTES_MAX + 65536) /* what waits, written anew */

static bool push_head(struct connection *connection, int status, const char *type,
                      size_t length, struct fault *fault)
{
    const struct call_head *head = &connection->head;
    struct http1_header headers[3];
    size_t count = 0;

    if (type != NULL)
        headers[count++] = (struct http1_header){SLICE("content-type"), slice_of(type)};
    if (head->session[0] != 0 && connection->plan.mcp.method == MCP_INITIALIZE)
        headers[count++] =
            (struct http1_header){SLICE("mcp-session-id"), slice_of(head->session)};
    if (length == HTTP1_CHUNKED)
        headers[count++] = (struct http1_header){SLICE("cache-control"), SLICE("no-cache")};
    connection->headed = true;
    connection->chunked = length == HTTP1_CHUNKED;
    return http1_response_head(&connection->out, status, headers, count, length,
                               connection->keep_alive, fault);
}

/* Says, once, what was found: the gateway writes it into the outcome. */
static void tell_gateway(struct connection *connection)
{
    const struct mcp_answer *answer = connection->mcp_answer;
    struct call_seen seen = {.packet = CALL_SEEN};

    if (connection->told_seen || answer == NULL || connection->call == NULL)
        return;
    connection->told_seen = true;
    seen.answered = mcp_answer_done(answer);
    seen.classes = mcp_answer_classes(answer);
    if (mcp_answer_refusal(answer)->reason != NULL)
        call_text(seen.reason, sizeof(seen.reason),
                  slice_of(mcp_answer_refusal(answer)->reason));
    seen.failed = mcp_answer_refusal(answer)->is_failure;
    (void)call_send(connection->call->fd, 0, slice_of_bytes(&seen, sizeof(seen)));
}

void connection_mcp_cut(struct connection *connection, int status, const char *code,
                        const char *message)
{
    AUTO_BUF struct buf body = buf_with_limit(4096);
    AUTO_BUF struct buf event = buf_with_limit(8192);
    struct fault fault = {0};

    (void)!mcp_call_error(&connection->plan.mcp, &status, code, message, &body, &fault);
    if (!connection->headed) {
        connection_answer(connection, status, buf_slice(&body));
        return;
    }
    if (connection->plan.mcp.id.len > 0 && connection->chunked &&
        mcp_answer_event(buf_slice(&body), &event, &fault))
        (void)!connection_push(connection, buf_slice(&event), &fault);
    if (connection->chunked)
        (void)!http1_chunk_end(&connection->out, &fault);
    connection_finish(connection, false);
}

static void record_refusal(struct connection *connection)
{
    struct door *door = connection->door;
    const struct mcp_answer *answer = connection->mcp_answer;
    const struct mcp_refusal *refusal = mcp_answer_refusal(answer);
    const struct mcp_call *call = &connection->plan.mcp;
    struct plan found = {.reason = refusal->reason, .status = connection->head.status};
    struct buf room = buf_with_limit(16384);
    struct record record;
    struct fault fault = {0};

    if (strcmp(refusal->reason, "data-class") == 0) {
        found.classes = mcp_answer_classes(answer) & door->config.cut_answers;
        found.rule = mcp_answer_rule(answer, class_of_mask(found.classes));
    }
    found.mcp = (struct mcp_call){.is_mcp = true,
                                  .name = call->name,
                                  .tool = refusal->tool != NULL ? refusal->tool : call->tool};
    memcpy(found.mcp.digest, refusal->digest, sizeof(found.mcp.digest));
    plan_record(&door->config, connection->request, &found, &room, &record);
    (void)!door->config.ledger.record(door->config.ledger.self, &record, NULL, &fault);
    buf_free(&room);
}

/* The server has said what must not reach the agent, or has failed. */
static void refused(struct connection *connection, int status)
{
    const struct mcp_refusal *refusal = mcp_answer_refusal(connection->mcp_answer);
    AUTO_FREE char *message = xformat("custody: %s", refusal->text);

    if (!refusal->is_failure)
        record_refusal(connection);
    tell_gateway(connection);
    connection_mcp_cut(connection, status, refusal->reason, message);
}

static void gone(struct connection *connection)
{
    connection_mcp_cut(connection, 502, "gateway", "custody: the gateway has gone");
}

static bool head_valid(const struct call_head *head)
{
    return call_text_valid(head->content_type, sizeof(head->content_type)) &&
           call_text_valid(head->session, sizeof(head->session)) && head->status >= 200 &&
           head->status <= 599;
}

static bool take_head(struct connection *connection, struct slice packet)
{
    struct door *door = connection->door;
    const struct mcp_call *call = &connection->plan.mcp;
    struct fault fault = {0};
    enum mcp_start start;

    if (packet.len != sizeof(connection->head) || connection->mcp_answer != NULL) {
        gone(connection);
        return false;
    }
    memcpy(&connection->head, packet.at, sizeof(connection->head));
    if (!head_valid(&connection->head)) {
        gone(connection);
        return false;
    }
    connection->mcp_answer = mcp_answer_new(
        call, door->memory, &door->config.scan,
        door->config.cut_answers & ~mcp_memory_server(door->memory, call->server)->at.allow);
    start =
        mcp_answer_head(connection->mcp_answer, &connection->head, &connection->mcp_status);
    connection->mcp_is_empty = start == MCP_START_EMPTY;
    if (start == MCP_START_REFUSED) {
        refused(connection, connection->mcp_status);
        return false;
    }
    if (start != MCP_START_STREAM || push_head(connection, connection->mcp_status,
                                               "text/event-stream", HTTP1_CHUNKED, &fault))
        return true;
    gone(connection);
    return false;
}

static bool take_data(struct connection *connection, struct slice bytes)
{
    AUTO_BUF struct buf out = buf_with_limit(GROWTH_BYTES);
    struct fault fault = {0};
    bool ok;

    if (connection->mcp_answer == NULL) {
        gone(connection);
        return false;
    }
    ok = mcp_answer_feed(connection->mcp_answer, bytes, &out);
    if (!connection_push(connection, buf_slice(&out), &fault)) {
        gone(connection);
        return false;
    }
    if (!ok) {
        refused(connection, 502);
        return false;
    }
    connection_count(connection, mcp_answer_held(connection->mcp_answer));
    if (connection->door->body_bytes > DOOR_BODIES_BYTES_MAX) {
        connection_mcp_cut(connection, 502, "busy", "custody: too many large answers at once");
        return false;
    }
    if (mcp_answer_done(connection->mcp_answer))
        tell_gateway(connection);
    return true;
}

static void take_end(struct connection *connection)
{
    AUTO_BUF struct buf out = buf_with_limit(GROWTH_BYTES);
    struct fault fault = {0};

    if (connection->mcp_answer == NULL) {
        gone(connection);
        return;
    }
    if (!mcp_answer_end(connection->mcp_answer, &out)) {
        refused(connection, 502);
        return;
    }
    tell_gateway(connection);
    if (!connection->headed &&
        !push_head(connection, connection->mcp_status,
                   connection->mcp_is_empty ? NULL : "application/json", out.len, &fault)) {
        gone(connection);
        return;
    }
    if (!connection_push(connection, buf_slice(&out), &fault) ||
        (connection->chunked && !http1_chunk_end(&connection->out, &fault)))
        gone(connection);
    else
        connection_finish(connection, true);
}

static void take_failure(struct connection *connection, struct slice packet)
{
    struct call_fail fail;

    if (packet.len != sizeof(fail)) {
        gone(connection);
        return;
    }
    memcpy(&fail, packet.at, sizeof(fail));
    if (fail.status < 400 || fail.status > 599 ||
        !call_text_valid(fail.code, sizeof(fail.code)) ||
        !call_text_valid(fail.message, sizeof(fail.message)))
        gone(connection);
    else
        connection_mcp_cut(connection, fail.status, fail.code, fail.message);
}

bool connection_mcp_packet(struct connection *connection, struct slice packet)
{
    switch ((enum call_packet)packet.at[0]) {
    case CALL_HEAD:
        return take_head(connection, packet);
    case CALL_DATA:
        return take_data(connection, slice_part(packet, 1, packet.len));
    case CALL_END:
        take_end(connection);
        return false;
    case CALL_FAIL:
        take_failure(connection, packet);
        return false;
    case CALL_SOCKET:
    case CALL_OPEN:
    case CALL_RECEIPTS:
    case CALL_LINEAGE:
    case CALL_BATCH:
    case CALL_MCP:
    case CALL_SEEN:
        break;
    }
    gone(connection);
    return false;
}
