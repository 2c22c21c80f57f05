/* What comes back from the provider. Its bytes are not ours to trust: everything has a limit.
 */
#include <strings.h>

#include "base/scope.h"
#include "gateway/dialect/dialect.h"
#include "gateway/call/exchange.h"

/* Every way a call ends. Statuses: 502 and 504 are retried by clients for some seconds, which
 * is right for a provider that cannot be reached; what policy refuses is 400, which every
 * client stops on. */
static const struct ending endings[] = {
    {"complete", "ok", 0, NULL},
    {"upstream-status", "failed", 0, NULL},
    {"client-abort", "cancelled", 0, NULL},
    {"run-ended", "cancelled", 502, "custody: the run has ended"},
    {"upstream-unreachable", "failed", 502, "custody: the model's provider cannot be reached"},
    {"upstream-tls", "failed", 502,
     "custody: the certificate of the model's provider cannot be verified (policy: models, "
     "ca, pins)"},
    {"upstream-proxy", "failed", 502,
     "custody: the proxy does not let us through to the model's provider (policy: proxy)"},
    {"upstream-broken", "failed", 502,
     "custody: the model's provider sent something that is not HTTP/1.1"},
    {"upstream-cut", "failed", 502, "custody: the model's provider broke off its answer"},
    {"upstream-error", "failed", 0, NULL}, /* said in the stream: the client has it */
    {"upstream-encoded", "failed", 502,
     "custody: the model's provider sent a compressed answer unasked"},
    {"timeout", "failed", 504, "custody: the model's provider did not answer in time"},
    {"too-large", "failed", 502, "custody: the answer of the model's provider is too large"},
    {"budget", "refused", 400,
     "custody: the budget is used up, so the answer was cut off here (policy: budgets)"},
    {"failed", "failed", 502, "custody: the call could not be made"},
};

static const struct ending *ending_of(const char *reason)
{
    for (size_t i = 0; i < COUNT(endings); i++)
        if (strcmp(endings[i].reason, reason) == 0)
            return &endings[i];
    return &endings[COUNT(endings) - 1];
}

void answer_free(struct answer *answer)
{
    buf_free(&answer->held);
    sse_free(answer->sse);
    answer->sse = NULL;
    frames_free(answer->frames);
    answer->frames = NULL;
}

/* For a further try; what the client has been told stays. */
static void forget(struct exchange *exchange)
{
    bool headed = exchange->answer.headed, early = exchange->answer.early;

    answer_free(&exchange->answer);
    exchange->answer = (struct answer){.headed = headed, .early = early};
    exchange->usage = usage_none();
    exchange->first_byte_us = 0;
    exchange->certificate[0] = 0;
}

static void copy_header(const struct http1_response *response, const char *name, char *to,
                        size_t room)
{
    struct slice value = http1_response_header(response, name);

    if (value.at != NULL)
        call_text(to, room, value);
}

/* Whole seconds; a date is left to the client. -1: none. */
static int64_t number_of(struct slice value, int64_t unit)
{
    int64_t number = 0;

    if (!slice_is_digits(value) || value.len > 9)
        return -1;
    for (size_t i = 0; i < value.len; i++)
        number = number * 10 + (value.at[i] - '0');
    return number * unit;
}

static void read_hints(const struct http1_response *response, struct answer *answer)
{
    struct slice should = http1_response_header(response, "x-should-retry");

    answer->retry_after_ms = number_of(http1_response_header(response, "retry-after-ms"), 1);
    if (answer->retry_after_ms < 0)
        answer->retry_after_ms =
            number_of(http1_response_header(response, "retry-after"), 1000);
    answer->retry_told =
        slice_equal(should, SLICE("true")) || slice_equal(should, SLICE("false"));
    answer->retry = slice_equal(should, SLICE("true"));
}

static bool is_encoded(const struct http1_response *response)
{
    struct slice encoding = http1_response_header(response, "content-encoding");

    return encoding.at != NULL && !slice_equal(encoding, SLICE("identity"));
}

static void on_head(void *self, const struct http1_response *response)
{
    struct exchange *exchange = self;
    struct answer *answer = &exchange->answer;

    answer->begun = true;
    answer->status = http1_response_status(response);
    exchange->first_byte_us = clock_monotonic_us(exchange->gateway->config.clock);
    call_text(exchange->certificate, sizeof(exchange->certificate),
              slice_of(transfer_certificate(exchange->transfer)));
    copy_header(response, "content-type", answer->content_type, sizeof(answer->content_type));
    copy_header(response, "retry-after", answer->retry_after, sizeof(answer->retry_after));
    copy_header(response, "x-request-id", answer->request_id, sizeof(answer->request_id));
    copy_header(response, "request-id", answer->request_id, sizeof(answer->request_id));
    copy_header(response, "x-amzn-requestid", answer->request_id, sizeof(answer->request_id));
    read_hints(response, answer);
    if (exchange->provider->model->service == SERVICE_BEDROCK && answer->status < 300 &&
        slice_equal(slice_of(answer->content_type), SLICE(FRAMES_CONTENT_TYPE))) {
        answer->frames = frames_new(EXCHANGE_ANSWER_BYTES_MAX);
        call_text(answer->content_type, sizeof(answer->content_type),
                  SLICE("text/event-stream"));
    }
    answer->stream = answer->status < 300 &&
                     strncasecmp(answer->content_type, "text/event-stream", 17) == 0;
    answer->held =
        buf_with_limit(answer->stream ? EXCHANGE_STREAM_BYTES_MAX : EXCHANGE_ANSWER_BYTES_MAX);
    if (answer->stream)
        answer->sse = sse_new(EXCHANGE_ANSWER_BYTES_MAX);
    if (is_encoded(response))
        answer_end(exchange, "upstream-encoded");
}

static void push_head(struct exchange *exchange)
{
    struct answer *answer = &exchange->answer;
    struct call_head head = {.packet = CALL_HEAD,
                             .stream = answer->stream,
                             .status = answer->status,
                             .length = answer->stream ? 0 : answer->held.len};

    if (answer->headed)
        return;
    answer->headed = true;
    memcpy(head.content_type, answer->content_type, sizeof(head.content_type));
    memcpy(head.retry_after, answer->retry_after, sizeof(head.retry_after));
    memcpy(head.request_id, answer->request_id, sizeof(head.request_id));
    exchange_push(exchange, 0, slice_of_bytes(&head, sizeof(head)));
}

static void pass(struct exchange *exchange, struct slice *events)
{
    if (events->len == 0)
        return;
    push_head(exchange);
    exchange->answer.passed = true;
    exchange_push(exchange, CALL_DATA, *events);
    *events = SLICE("");
}

/* An event as it came. `events` are those before it that lie in `bytes` beside one another. */
static void pass_event(struct exchange *exchange, struct slice raw, struct slice bytes,
                       struct slice *events)
{
    bool within = raw.at >= bytes.at && raw.at < bytes.at + bytes.len;

    if (!within || events->at + events->len != raw.at)
        pass(exchange, events);
    if (events->len == 0)
        *events = raw;
    else
        events->len += raw.len;
    if (!within)
        pass(exchange, events);
}

/* Forwards each event as soon as it is whole, as it came; many in one packet. */
static bool forward_events(struct exchange *exchange, struct slice bytes, struct fault *fault)
{
    struct answer *answer = &exchange->answer;
    struct slice rest = bytes, events = SLICE("");

    while (rest.len > 0) {
        size_t used;
        bool event, extra = false;

        if (!sse_feed(answer->sse, rest, &used, &event, fault))
            return false;
        rest = slice_part(rest, used, rest.len);
        if (!event)
            continue;
        if (sse_data(answer->sse).len > 0) {
            answer->events++;
            extra = usage_take_event(exchange->provider->model->dialect, sse_name(answer->sse),
                                     sse_data(answer->sse), &exchange->usage);
        }
        if (!extra || !exchange->open.strip_usage)
            pass_event(exchange, sse_raw(answer->sse), bytes, &events);
    }
    pass(exchange, &events);
    return true;
}

/* What came, as the client's dialect has it; `room` may hold it. */
static bool in_dialect(struct exchange *exchange, struct slice *piece, struct buf *room,
                       struct fault *fault)
{
    if (exchange->answer.frames == NULL)
        return true;
    if (!frames_feed(exchange->answer.frames, *piece, room, fault))
        return false;
    *piece = buf_slice(room);
    return true;
}

static void on_bytes(void *self, struct slice piece)
{
    AUTO_BUF struct buf room = buf_with_limit(2 * EXCHANGE_ANSWER_BYTES_MAX);
    struct exchange *exchange = self;
    struct answer *answer = &exchange->answer;
    struct fault fault = {0};

    answer->bytes += piece.len;
    if (!in_dialect(exchange, &piece, &room, &fault)) {
        answer_end(exchange, fault.kind == FAULT_LIMIT ? "too-large" : "upstream-cut");
        return;
    }
    if (!buf_add(&answer->held, piece, &fault) ||
        (answer->stream && !forward_events(exchange, piece, &fault)))
        answer_end(exchange, "too-large");
    else if (!accounts_meter(exchange))
        answer_end(exchange, "budget");
}

/* What came together goes on together. What the client has begun to get is not asked for again. */
static void on_settled(void *self)
{
    struct exchange *exchange = self;

    exchange_flush(exchange);
    if (exchange->answer.passed && exchange->head.at != NULL &&
        transfer_let_go(exchange->transfer))
        exchange_forget_request(exchange);
    if (exchange->door_gone)
        answer_end(exchange, "client-abort");
    else if (exchange->out.len > 0) /* the client is behind: so is the provider, then */
        transfer_pause(exchange->transfer, true);
}

static void tell_client(struct exchange *exchange, const struct ending *ending)
{
    enum dialect dialect = operation_rule((enum operation)exchange->open.operation)->dialect;
    struct call_fail fail = {.packet = CALL_FAIL, .status = ending->status};
    struct buf event = buf_with_limit(4096);
    struct fault fault = {0};
    int64_t sequence = exchange->usage.sequence;

    if (!exchange->answer.headed) {
        call_text(fail.code, sizeof(fail.code), slice_of(ending->reason));
        call_text(fail.message, sizeof(fail.message), slice_of(ending->message));
        exchange_push(exchange, 0, slice_of_bytes(&fail, sizeof(fail)));
        return;
    }
    /* The status line has gone: the error is an event of the client's dialect. */
    if (dialect_stream_error(dialect, ending->reason, ending->message,
                             sequence < 0 ? -1 : sequence + 1, &event, &fault))
        exchange_push(exchange, CALL_DATA, buf_slice(&event));
    exchange_push(exchange, CALL_END, SLICE(""));
    buf_free(&event);
}

void answer_comfort(struct exchange *exchange)
{
    struct call_head head = {.packet = CALL_HEAD, .stream = true, .status = 200};
    struct answer *answer = &exchange->answer;

    if (!answer->headed) {
        answer->headed = answer->early = true;
        call_text(head.content_type, sizeof(head.content_type), SLICE("text/event-stream"));
        exchange_push(exchange, 0, slice_of_bytes(&head, sizeof(head)));
    }
    exchange_push(exchange, CALL_DATA, SLICE(": waiting\n\n"));
    exchange_flush(exchange);
}

/* An answer that is no stream, for a client that has been told one would come. */
static void deliver_late(struct exchange *exchange)
{
    AUTO_FREE char *message = xformat("custody: the model's provider answered with HTTP %d%s",
                                      exchange->answer.status,
                                      exchange->answer.status < 300 ? ", and no stream" : "");
    const struct ending late = {"upstream-status", "failed", 502, message};

    tell_client(exchange, &late);
}

static void deliver(struct exchange *exchange, const struct ending *ending)
{
    struct answer *answer = &exchange->answer;
    struct slice rest = answer->stream ? sse_pending(answer->sse) : buf_slice(&answer->held);

    if (exchange->door_gone)
        return;
    if (ending->message != NULL) {
        tell_client(exchange, ending);
        return;
    }
    if (answer->early && !answer->stream) {
        deliver_late(exchange);
        return;
    }
    push_head(exchange);
    if (rest.len > 0) /* of a stream: some providers leave out the last blank line */
        exchange_push(exchange, CALL_DATA, rest);
    exchange_push(exchange, CALL_END, SLICE(""));
}

/* An error of Bedrock's becomes one of the client's dialect. */
static void translate_error(struct exchange *exchange)
{
    struct answer *answer = &exchange->answer;
    struct buf body = buf_with_limit(16384);
    struct fault fault = {0};

    if (exchange->provider->model->service == SERVICE_BEDROCK && !answer->stream &&
        answer->status >= 300 &&
        frames_error(answer->status, buf_slice(&answer->held), &body, &fault)) {
        buf_free(&answer->held);
        answer->held = take_buf(&body);
        call_text(answer->content_type, sizeof(answer->content_type),
                  SLICE("application/json"));
    }
    buf_free(&body);
}

static void stop(struct exchange *exchange)
{
    transfer_cancel(exchange->transfer);
    exchange->transfer = NULL;
    loop_timer_cancel(exchange->again);
    exchange->again = NULL;
}

static void go_elsewhere(struct exchange *exchange)
{
    forget(exchange);
    exchange->tries = 0;
    exchange->prompt = (struct record_seal){0};
    send_ready(exchange);
}

void answer_end(struct exchange *exchange, const char *reason)
{
    const struct ending *ending = ending_of(reason);

    stop(exchange);
    if (attempts_again(exchange, reason)) {
        forget(exchange);
        return;
    }
    if (strcmp(reason, "client-abort") == 0)
        exchange->door_gone = true;
    if (attempts_elsewhere(exchange, reason)) {
        accounts_outcome(exchange, ending);
        if (accounts_next(exchange)) {
            go_elsewhere(exchange);
            return;
        }
        deliver(exchange, ending);
    } else {
        deliver(exchange, ending);
        exchange_flush(exchange); /* the client first: it waits, and the ledger does not */
        accounts_outcome(exchange, ending);
    }
    exchange_drain(exchange);
}

/* A body that ends in the middle of an event, or before the dialect's own end, was cut. */
static const char *reason_of_whole(struct exchange *exchange)
{
    struct answer *answer = &exchange->answer;

    if (answer->stream)
        return exchange->usage.finished ? "complete"
               : exchange->usage.failed ? "upstream-error"
                                        : "upstream-cut";
    if (answer->status >= 300) {
        translate_error(exchange);
        return "upstream-status";
    }
    usage_take_body(exchange->provider->model->dialect, buf_slice(&answer->held),
                    &exchange->usage);
    return "complete";
}

static void on_ended(void *self, enum transfer_end end)
{
    static const char *const reasons[] = {
        [TRANSFER_UNREACHABLE] = "upstream-unreachable", [TRANSFER_PROXY] = "upstream-proxy",
        [TRANSFER_UNTRUSTED] = "upstream-tls",           [TRANSFER_CUT] = "upstream-cut",
        [TRANSFER_BROKEN] = "upstream-broken",           [TRANSFER_TOO_LARGE] = "too-large"};
    struct exchange *exchange = self;
    bool finished =
        exchange->answer.stream && (exchange->usage.finished || exchange->usage.failed);

    exchange->transfer = NULL;
    if (exchange->door_gone)
        answer_end(exchange, "client-abort");
    else if (end == TRANSFER_WHOLE || (end == TRANSFER_CUT && finished))
        answer_end(exchange, reason_of_whole(exchange));
    else
        answer_end(exchange, reasons[end]);
}

const struct transfer_events answer_events = {on_head, on_bytes, on_settled, on_ended};
