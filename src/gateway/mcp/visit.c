#include "gateway/mcp/visit.h"

#include <stdlib.h>

#include "base/scope.h"

/* A tool may work for long; what is open all the time (GET) is bounded by total_ms alone. */
#define TOOL_MS (INT64_C(600) * 1000)
#define LATE_US                                                                               \
    (INT64_C(2) * 1000 * 1000) /* for what follows an answer: the end of a stream */
#define VISITS_AT_ONCE_MAX 256 /* streams that stay open among them */

static const struct visit_ending endings[] = {
    {"complete", "ok", NULL},
    {"client-abort", "cancelled", NULL},
    {"run-ended", "cancelled", "custody: the run has ended"},
    {"upstream-unreachable", "failed", "custody: the MCP server cannot be reached"},
    {"upstream-tls", "failed",
     "custody: the certificate of the MCP server cannot be verified (policy: mcp, ca, pins)"},
    {"upstream-proxy", "failed",
     "custody: the proxy does not let us through to the MCP server (policy: proxy)"},
    {"upstream-broken", "failed",
     "custody: the MCP server sent something that is not HTTP/1.1"},
    {"upstream-cut", "failed", "custody: the MCP server broke off its answer"},
    {"upstream-encoded", "failed", "custody: the MCP server sent a compressed answer unasked"},
    {"timeout", "failed", "custody: the MCP server did not answer in time"},
    {"too-large", "failed", "custody: the answer of the MCP server is too large"},
    {"failed", "failed", "custody: the MCP server could not be asked"},
};

static const struct visit_ending *ending_of(const char *reason)
{
    for (size_t i = 0; i < COUNT(endings); i++)
        if (strcmp(endings[i].reason, reason) == 0)
            return &endings[i];
    return &endings[COUNT(endings) - 1];
}

void visit_release(struct exchange *exchange)
{
    if (exchange->visit == NULL)
        return;
    exchange->gateway->visit_count--;
    free(exchange->visit);
    exchange->visit = NULL;
}

/* ---- what the door says ---- */

static bool open_valid(const struct gateway *gateway, const struct call_mcp *open)
{
    const struct gateway_config *config = &gateway->config;
    bool has_body;

    if (open->server >= config->server_count || open->method >= MCP_METHOD_COUNT)
        return false;
    has_body = mcp_method_row((enum mcp_method)open->method)->verb == MCP_POST;
    return (open->method == MCP_TOOLS_CALL
                ? open->tool < config->servers[open->server].tool_count
                : open->tool == MCP_NO_TOOL) &&
           open->body_bytes <= GATEWAY_BODY_BYTES_MAX && (open->body_bytes > 0) == has_body &&
           (has_body || (open->replaced == 0 && open->lineage_bytes == 0)) &&
           open->lineage_bytes <= DOOR_LINEAGE_BYTES_MAX &&
           call_text_valid(open->session, sizeof(open->session)) &&
           call_text_valid(open->version, sizeof(open->version)) &&
           (open->session[0] == 0 || mcp_session_valid(slice_of(open->session))) &&
           (open->version[0] == 0 || mcp_version_known(slice_of(open->version)));
}

bool visit_take(struct exchange *exchange, struct slice packet)
{
    struct gateway *gateway = exchange->gateway;
    struct visit *visit;

    if (packet.len != sizeof(visit->open))
        return false;
    visit = xalloc(sizeof(*visit));
    visit->kept_all = true;
    memcpy(&visit->open, packet.at, sizeof(visit->open));
    exchange->visit = visit;
    gateway->visit_count++;
    exchange->kind = &visit_kind;
    if (!open_valid(gateway, &visit->open))
        return false;
    exchange->open = (struct call_open){.classes = visit->open.classes,
                                        .redacted = visit->open.redacted,
                                        .replaced = visit->open.replaced,
                                        .lineage_bytes = visit->open.lineage_bytes,
                                        .body_bytes = visit->open.body_bytes,
                                        .leaves = visit->open.leaves,
                                        .scanned_bytes = visit->open.scanned_bytes};
    exchange->provider = &gateway->servers[visit->open.server];
    return true;
}

/* ---- the end ---- */

static void stop(struct exchange *exchange)
{
    transfer_cancel(exchange->transfer);
    exchange->transfer = NULL;
}

static void tell_client(struct exchange *exchange, const struct visit_ending *ending)
{
    struct call_fail fail = {.packet = CALL_FAIL, .status = 502};

    call_text(fail.code, sizeof(fail.code), slice_of(ending->reason));
    call_text(fail.message, sizeof(fail.message), slice_of(ending->message));
    exchange_push(exchange, 0, slice_of_bytes(&fail, sizeof(fail)));
}

static void finish(struct exchange *exchange, const struct visit_ending *ending)
{
    struct gateway_totals *totals = &exchange->gateway->totals;

    stop(exchange);
    totals->visits_failed +=
        strcmp(ending->outcome, "ok") != 0 && strcmp(ending->outcome, "cancelled") != 0;
    visit_record_outcome(exchange, ending);
    exchange_drain(exchange);
}

static void end(struct exchange *exchange, const char *reason)
{
    const struct visit *visit = exchange->visit;
    const struct visit_ending *ending = ending_of(reason);
    const struct visit_ending kept = {visit->seen.reason,
                                      visit->seen.failed ? "failed" : "refused", NULL};

    if (visit->seen.reason[0] != 0)
        ending = &kept;
    else if (visit->seen.answered)
        ending = ending_of("complete");
    else if (ending->message != NULL && !exchange->door_gone)
        tell_client(exchange, ending);
    finish(exchange, ending);
}

static bool seen_valid(const struct call_seen *seen)
{
    return seen->packet == CALL_SEEN && call_text_valid(seen->reason, sizeof(seen->reason)) &&
           strspn(seen->reason, "abcdefghijklmnopqrstuvwxyz-") == strlen(seen->reason);
}

/* False: the exchange is gone, or wants nothing more now. */
static bool hear(struct exchange *exchange, struct slice packet)
{
    struct visit *visit = exchange->visit;

    if (packet.len != sizeof(visit->seen) || visit->seen.packet != 0) {
        end(exchange, "client-abort");
        return false;
    }
    memcpy(&visit->seen, packet.at, sizeof(visit->seen));
    visit->ended_us = clock_monotonic_us(exchange->gateway->config.clock);
    if (!seen_valid(&visit->seen)) {
        visit->seen = (struct call_seen){0};
        end(exchange, "client-abort");
        return false;
    }
    if (!visit->ended && visit->seen.reason[0] == 0)
        return true; /* the end of the stream comes soon */
    end(exchange, visit->seen.answered ? "complete" : "client-abort");
    return false;
}

static const char *overdue(const struct exchange *exchange, int64_t now_us)
{
    const struct gateway_limits *limits = &exchange->gateway->limits;
    const struct visit *visit = exchange->visit;
    const struct transfer *transfer = exchange->transfer;
    int64_t patience_ms = TOOL_MS;

    if (now_us - exchange->started_us > limits->total_ms * 1000)
        return "timeout";
    if (visit->seen.packet != 0)
        return now_us - visit->ended_us > LATE_US ? "complete" : NULL;
    if (transfer == NULL || exchange->out.len > 0)
        return NULL;
    if (transfer_phase(transfer) == TRANSFER_CONNECTING)
        patience_ms = limits->connect_ms;
    else if (visit->open.method == MCP_STREAM && visit->headed)
        return NULL;
    if (now_us - transfer_moved_us(transfer) <= patience_ms * 1000)
        return NULL;
    return transfer_phase(transfer) == TRANSFER_CONNECTING ? "upstream-unreachable"
                                                           : "timeout";
}

/* ---- what comes back ---- */

static void copy_header(const struct http1_response *response, const char *name, char *to,
                        size_t room)
{
    struct slice value = http1_response_header(response, name);

    if (value.at != NULL)
        call_text(to, room, value);
}

static void on_head(void *self, const struct http1_response *response)
{
    struct exchange *exchange = self;
    struct answer *answer = &exchange->answer;
    struct call_head head = {.packet = CALL_HEAD, .stream = true};
    struct slice encoding = http1_response_header(response, "content-encoding");
    struct slice session = http1_response_header(response, "mcp-session-id");

    answer->begun = true;
    answer->status = head.status = http1_response_status(response);
    answer->held = buf_with_limit(EXCHANGE_ANSWER_BYTES_MAX);
    exchange->first_byte_us = clock_monotonic_us(exchange->gateway->config.clock);
    call_text(exchange->certificate, sizeof(exchange->certificate),
              slice_of(transfer_certificate(exchange->transfer)));
    copy_header(response, "content-type", head.content_type, sizeof(head.content_type));
    copy_header(response, "retry-after", head.retry_after, sizeof(head.retry_after));
    if (mcp_session_valid(session))
        call_text(head.session, sizeof(head.session), session);
    if (encoding.at != NULL && !slice_equal(encoding, SLICE("identity"))) {
        end(exchange, "upstream-encoded");
        return;
    }
    exchange->visit->headed = true;
    exchange_push(exchange, 0, slice_of_bytes(&head, sizeof(head)));
}

static void on_bytes(void *self, struct slice piece)
{
    struct exchange *exchange = self;
    struct fault full = {0};

    exchange->answer.bytes += piece.len;
    if (exchange->visit->kept_all && !buf_add(&exchange->answer.held, piece, &full)) {
        exchange->visit->kept_all = false;
        buf_free(&exchange->answer.held);
    }
    exchange_push(exchange, CALL_DATA, piece);
}

static void on_settled(void *self)
{
    struct exchange *exchange = self;

    exchange_flush(exchange);
    if (exchange->door_gone)
        end(exchange, "client-abort");
    else if (exchange->out.len > 0) /* the client is behind: so is the server, then */
        transfer_pause(exchange->transfer, true);
}

static void on_ended(void *self, enum transfer_end how)
{
    static const char *const reasons[] = {
        [TRANSFER_WHOLE] = "complete",       [TRANSFER_UNREACHABLE] = "upstream-unreachable",
        [TRANSFER_PROXY] = "upstream-proxy", [TRANSFER_UNTRUSTED] = "upstream-tls",
        [TRANSFER_CUT] = "upstream-cut",     [TRANSFER_BROKEN] = "upstream-broken",
        [TRANSFER_TOO_LARGE] = "too-large"};
    struct exchange *exchange = self;

    exchange->transfer = NULL;
    exchange->visit->ended = true;
    exchange->visit->ended_us = clock_monotonic_us(exchange->gateway->config.clock);
    if (how != TRANSFER_WHOLE || exchange->door_gone || exchange->visit->seen.packet != 0) {
        end(exchange, exchange->door_gone ? "client-abort" : reasons[how]);
        return;
    }
    exchange_push(exchange, CALL_END, SLICE(""));
    exchange_flush(exchange); /* the outcome is written when the door has looked at it */
    if (exchange->door_gone)
        end(exchange, "client-abort");
}

static const struct transfer_events events = {on_head, on_bytes, on_settled, on_ended};

/* ---- what goes out ---- */

static bool write_target(const struct exchange *exchange, struct buf *out, struct fault *fault)
{
    const struct url *url = &exchange->provider->url;

    return (url->path.len == 0 ? buf_add_byte(out, '/', fault)
                               : buf_add(out, url->path, fault)) &&
           (url->query.len == 0 ||
            (buf_add_byte(out, '?', fault) && buf_add(out, url->query, fault)));
}

static bool add_line(struct buf *head, const char *name, const char *value,
                     struct fault *fault)
{
    return value[0] == 0 || buf_add_format(head, fault, "%s: %s\r\n", name, value);
}

static bool write_head(struct exchange *exchange, struct fault *fault)
{
    const struct call_mcp *open = &exchange->visit->open;
    enum mcp_verb verb = mcp_method_row((enum mcp_method)open->method)->verb;
    struct buf *head = &exchange->head;

    buf_clear(head);
    if (!buf_reserve(head, head->limit / 2, fault) ||
        !buf_add_format(head, fault, "%s ", mcp_verb_name(verb)) ||
        !write_target(exchange, head, fault) || !buf_add_text(head, " HTTP/1.1\r\n", fault) ||
        !buf_add(head, buf_slice(&exchange->provider->fields), fault) ||
        !add_line(head, "Accept",
                  verb == MCP_GET ? "text/event-stream"
                                  : "application/json, text/event-stream",
                  fault) ||
        !add_line(head, "Mcp-Session-Id", open->session, fault) ||
        !add_line(head, "MCP-Protocol-Version", open->version, fault))
        return false;
    if (verb == MCP_POST &&
        (!add_line(head, "Content-Type", "application/json", fault) ||
         !buf_add_format(head, fault, "Content-Length: %zu\r\n", exchange->body.len)))
        return false;
    return buf_add_text(head, "\r\n", fault);
}

/* Why policy does not let it go there; NULL: it does. */
static const char *refuses(const struct exchange *exchange)
{
    const struct route_call call = {.dialects =
                                        DIALECT_BIT(exchange->provider->model->dialect),
                                    .service = exchange->provider->model->service,
                                    .classes = exchange->open.classes,
                                    .redacted = exchange->open.redacted};

    if (exchange->gateway->visit_count > VISITS_AT_ONCE_MAX)
        return "busy";
    return exchange->provider->origin.len == 0
               ? "no-key"
               : route_refuses(exchange->provider->model, &call,
                               clock_now_us(exchange->gateway->config.clock));
}

static const struct {
    const char *reason, *message;
} refusals[] = {
    {"busy", "custody: too many requests to tool servers at once"},
    {"no-key",
     "custody: the key or CA file of this MCP server cannot be read (policy: mcp, key, "
     "ca)"},
    {"expired", "custody: the contract of this MCP server has expired (policy: mcp, expires)"},
    {"residency", "custody: policy (routing) does not let this class of data go to where this "
                  "MCP server is"},
};

static void refuse(struct exchange *exchange, const char *reason)
{
    const char *message = "custody: policy (mcp, allow) does not let this MCP server see this "
                          "class of data";

    for (size_t i = 0; i < COUNT(refusals); i++)
        if (strcmp(refusals[i].reason, reason) == 0)
            message = refusals[i].message;
    exchange_refuse(exchange, 400, reason, message);
}

static void ready(struct exchange *exchange)
{
    const char *refused = refuses(exchange);
    struct fault fault = {0};

    exchange->state = EXCHANGE_READY;
    if (refused != NULL) {
        refuse(exchange, refused);
        return;
    }
    if (!visit_record_intent(exchange, &fault)) {
        AUTO_FREE char *message = xformat("custody: the record of this request cannot be "
                                          "written, so it is refused: %s",
                                          fault.why);

        exchange_refuse(exchange, 400, "ledger", message);
        return;
    }
    exchange->gateway->totals.visits++;
    exchange->state = EXCHANGE_SENT;
    if (!write_head(exchange, &fault)) {
        end(exchange, "failed");
        return;
    }
    exchange->tries = 1;
    exchange->transfer = transfer_begin(exchange->provider->pool, buf_slice(&exchange->head),
                                        buf_slice(&exchange->body), &events, exchange);
}

const struct exchange_kind visit_kind = {ready, end, visit_record_refused, overdue, hear};
