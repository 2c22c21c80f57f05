/* The answer of a call on its way to the client. */
#include "base/scope.h"
#include "gateway/dialect/dialect.h"
#include "gateway/door/connection.h"
#include "os/clock_real.h"

/* What is added to an answer: values for stand-ins, with escapes; and what waited. */
#define GROWTH_BYTES (8UL * REPLY_BYTES_MAX)
#define KEPT_BYTES_MAX (64 * 1024)

static bool head_valid(const struct call_head *head)
{
    return call_text_valid(head->content_type, sizeof(head->content_type)) &&
           call_text_valid(head->retry_after, sizeof(head->retry_after)) &&
           call_text_valid(head->request_id, sizeof(head->request_id)) &&
           head->status >= 200 && head->status <= 599;
}

static bool push_head(struct connection *connection, size_t length)
{
    const struct call_head *head = &connection->head;
    struct http1_header headers[4];
    size_t count = 0;
    struct fault fault = {0};

    if (head->content_type[0] != 0)
        headers[count++] =
            (struct http1_header){SLICE("content-type"), slice_of(head->content_type)};
    if (head->retry_after[0] != 0)
        headers[count++] =
            (struct http1_header){SLICE("retry-after"), slice_of(head->retry_after)};
    if (head->request_id[0] != 0)
        headers[count++] =
            (struct http1_header){SLICE("request-id"), slice_of(head->request_id)};
    if (head->stream)
        headers[count++] = (struct http1_header){SLICE("cache-control"), SLICE("no-cache")};
    connection->headed = true;
    connection->chunked = head->stream;
    return http1_response_head(&connection->out, head->status, headers, count, length,
                               connection->keep_alive, &fault);
}

bool connection_reply_begin(struct connection *connection, const struct call_head *head)
{
    struct door *door = connection->door;

    if (!head_valid(head))
        return false;
    connection->head = *head;
    if (connection->plan.translation != NULL) {
        connection->translator =
            translator_new(connection->plan.translation, head->status, head->stream,
                           clock_now_us(&clock_real) / 1000000);
        if (!head->stream)
            call_text(connection->head.content_type, sizeof(connection->head.content_type),
                      SLICE("application/json"));
    }
    connection->reply = reply_new(reply_kind_of(slice_of(connection->head.content_type), head->stream),
                                  &door->config.scan, stand_ins_now(door->stand_ins),
                                  door->config.cut_answers &
                                      ~door->config.models[connection->plan.open.model].allow);
    return !head->stream || push_head(connection, HTTP1_CHUNKED);
}

void connection_reply_free(struct connection *connection)
{
    reply_free(connection->reply);
    connection->reply = NULL;
    mcp_answer_free(connection->mcp_answer);
    connection->mcp_answer = NULL;
    connection->told_seen = false;
    translator_free(connection->translator);
    connection->translator = NULL;
}

void connection_reply_cut(struct connection *connection, int status, const char *code,
                          const char *message)
{
    enum dialect dialect = connection->plan.dialect;
    int64_t sequence = connection->reply == NULL ? -1 : reply_sequence(connection->reply);
    struct buf event = buf_with_limit(4096);
    struct fault fault = {0};

    if (connection->plan.mcp.is_mcp) {
        connection_mcp_cut(connection, status, code, message);
        return;
    }
    if (!connection->headed) {
        connection->plan.status = status;
        (void)!dialect_error(dialect, status, code, message, &event, &fault);
        connection->keep_alive = false;
        connection_answer(connection, status, buf_slice(&event));
    } else {
        if (connection->chunked &&
            dialect_stream_error(dialect, code, message, sequence < 0 ? -1 : sequence + 1,
                                 &event, &fault))
            (void)!http1_chunk(&connection->out, buf_slice(&event), &fault);
        connection_finish(connection, false);
    }
    buf_free(&event);
}

/* What the model wrote and policy does not let it have: it is told, once. */
static void report(struct connection *connection, bool is_cut)
{
    struct door *door = connection->door;
    const struct reply_found *found = reply_found(connection->reply);
    struct buf room = buf_with_limit(16384);
    struct record record;
    struct fault fault = {0};

    if (plan_record_answer(&door->config, connection->request, &connection->plan,
                           found->classes, found->rules, is_cut, &room, &record))
        (void)!door->config.ledger.record(door->config.ledger.self, &record, NULL, &fault);
    buf_free(&room);
}

/* Ends the answer: by policy, or because it cannot be looked through. */
static void broken(struct connection *connection, const struct fault *why)
{
    bool is_cut = why->kind == FAULT_DENIED;
    AUTO_FREE char *message =
        xformat("custody: %s", is_cut ? why->why
                                      : "the provider's answer cannot be "
                                        "looked through");

    report(connection, is_cut);
    connection_reply_cut(connection, is_cut ? 400 : 502, is_cut ? "data-class" : "answer",
                         message);
}

bool connection_push(struct connection *connection, struct slice bytes, struct fault *fault)
{
    struct buf *out = &connection->out;

    if (bytes.len == 0)
        return true;
    if (out->limit - out->len < bytes.len + 64)
        out->limit = out->len + bytes.len + 64;
    return connection->chunked ? http1_chunk(out, bytes, fault) : buf_add(out, bytes, fault);
}

/* What came, as the client's dialect has it, goes on to be looked at. What came before it broke
 * goes on, too. */
static bool feed(struct connection *connection, struct slice bytes, bool is_end,
                 struct buf *out, struct fault *fault)
{
    AUTO_BUF struct buf room = buf_with_limit(GROWTH_BYTES);
    struct fault broken = {0};
    bool ok;

    if (connection->translator == NULL)
        return reply_feed(connection->reply, bytes, out, fault);
    ok = is_end ? translator_end(connection->translator, &room, &broken)
                : translator_feed(connection->translator, bytes, &room, &broken);
    if (!reply_feed(connection->reply, buf_slice(&room), out, fault))
        return false;
    if (!ok)
        *fault = broken;
    return ok;
}

bool connection_reply_take(struct connection *connection, struct slice bytes)
{
    struct buf *going = &connection->door->going;
    struct fault fault = {0}, full = {0};
    bool ok = feed(connection, bytes, false, going, &fault);
    bool pushed = connection_push(connection, buf_slice(going), &full);

    buf_clear(going);
    if (going->room > KEPT_BYTES_MAX)
        buf_free(going);
    connection_count(connection, reply_held(connection->reply) +
                                     translator_held(connection->translator));
    if (connection->door->body_bytes > DOOR_BODIES_BYTES_MAX)
        pushed = pushed && fault_set(&full, FAULT_LIMIT, "too many large answers at once");
    if (!ok || !pushed)
        broken(connection, ok ? &full : &fault);
    return ok && pushed;
}

void connection_reply_end(struct connection *connection)
{
    struct buf out = buf_with_limit(GROWTH_BYTES);
    struct fault fault = {0};
    bool ok = feed(connection, SLICE(""), true, &out, &fault) &&
              reply_end(connection->reply, &out, &fault) &&
              (connection->headed || push_head(connection, out.len)) &&
              connection_push(connection, buf_slice(&out), &fault) &&
              (!connection->chunked || http1_chunk_end(&connection->out, &fault));

    buf_free(&out);
    if (!ok) {
        broken(connection, &fault);
        return;
    }
    report(connection, false);
    connection_finish(connection, true);
}
