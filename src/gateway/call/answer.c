/* What comes back from the provider. Its bytes are not ours to trust: everything has a limit.
 */
#include <stdlib.h>
#include <strings.h>

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
     "ca)"},
    {"upstream-cut", "failed", 502, "custody: the model's provider broke off its answer"},
    {"upstream-encoded", "failed", 502,
     "custody: the model's provider sent a compressed answer unasked"},
    {"timeout", "failed", 504, "custody: the model's provider did not answer in time"},
    {"too-large", "failed", 502, "custody: the answer of the model's provider is too large"},
    {"budget", "refused", 400,
     "custody: the budget is used up, so the answer was cut off here (policy: budgets)"},
    {"failed", "failed", 502, "custody: the call could not be made"},
};

static const struct {
    CURLcode code;
    const char *reason;
} results[] = {
    {CURLE_OPERATION_TIMEDOUT, "timeout"},
    {CURLE_COULDNT_RESOLVE_HOST, "upstream-unreachable"},
    {CURLE_COULDNT_CONNECT, "upstream-unreachable"},
    {CURLE_PEER_FAILED_VERIFICATION, "upstream-tls"},
    {CURLE_SSL_CONNECT_ERROR, "upstream-tls"},
    {CURLE_SSL_CACERT_BADFILE, "upstream-tls"},
    {CURLE_SSL_ISSUER_ERROR, "upstream-tls"},
    {CURLE_PARTIAL_FILE, "upstream-cut"},
    {CURLE_RECV_ERROR, "upstream-cut"},
    {CURLE_SEND_ERROR, "upstream-cut"},
    {CURLE_GOT_NOTHING, "upstream-cut"},
    {CURLE_WEIRD_SERVER_REPLY, "upstream-cut"},
    {CURLE_UNSUPPORTED_PROTOCOL, "upstream-cut"},
    {CURLE_OUT_OF_MEMORY, "failed"},
};

static const struct ending *ending_of(const char *reason)
{
    for (size_t i = 0; i < COUNT(endings); i++)
        if (strcmp(endings[i].reason, reason) == 0)
            return &endings[i];
    return &endings[COUNT(endings) - 1];
}

static const char *reason_of(CURLcode code)
{
    for (size_t i = 0; i < COUNT(results); i++)
        if (results[i].code == code)
            return results[i].reason;
    return "upstream-cut";
}

void answer_free(struct answer *answer)
{
    buf_free(&answer->held);
    sse_free(answer->sse);
    answer->sse = NULL;
}

static bool name_is(struct slice name, const char *want)
{
    return name.len == strlen(want) && strncasecmp((const char *)name.at, want, name.len) == 0;
}

size_t answer_on_header(char *bytes, size_t size, size_t count, void *self)
{
    struct answer *answer = &((struct exchange *)self)->answer;
    struct slice line = slice_of_bytes(bytes, size * count);
    size_t colon = slice_find_byte(line, ':', 0);
    struct slice name = slice_part(line, 0, colon), value;

    if (slice_starts_with(line, SLICE("HTTP/"))) { /* another one came before: 100 Continue */
        answer->content_type[0] = answer->retry_after[0] = answer->request_id[0] = 0;
        answer->encoded = false;
    }
    if (colon == SIZE_MAX)
        return size * count;
    value = slice_trim(slice_part(line, colon + 1, line.len));
    if (name_is(name, "content-type"))
        call_text(answer->content_type, sizeof(answer->content_type), value);
    else if (name_is(name, "retry-after"))
        call_text(answer->retry_after, sizeof(answer->retry_after), value);
    else if (name_is(name, "x-request-id") || name_is(name, "request-id"))
        call_text(answer->request_id, sizeof(answer->request_id), value);
    else if (name_is(name, "content-encoding"))
        answer->encoded = !name_is(value, "identity");
    return size * count;
}

static void decide(struct exchange *exchange)
{
    struct answer *answer = &exchange->answer;

    if (answer->begun)
        return;
    answer->begun = true;
    (void)exchange->gateway->transport->easy_getinfo(exchange->easy, CURLINFO_RESPONSE_CODE,
                                                     &answer->status);
    answer->stream = answer->status >= 200 && answer->status < 300 &&
                     strncasecmp(answer->content_type, "text/event-stream", 17) == 0;
    answer->held =
        buf_with_limit(answer->stream ? EXCHANGE_STREAM_BYTES_MAX : EXCHANGE_ANSWER_BYTES_MAX);
    if (answer->stream)
        answer->sse = sse_new(EXCHANGE_ANSWER_BYTES_MAX);
}

static void push_head(struct exchange *exchange)
{
    struct answer *answer = &exchange->answer;
    struct call_head head = {.packet = CALL_HEAD,
                             .stream = answer->stream,
                             .status = (int32_t)answer->status,
                             .length = answer->stream ? 0 : answer->held.len};

    if (answer->headed)
        return;
    answer->headed = true;
    memcpy(head.content_type, answer->content_type, sizeof(head.content_type));
    memcpy(head.retry_after, answer->retry_after, sizeof(head.retry_after));
    memcpy(head.request_id, answer->request_id, sizeof(head.request_id));
    exchange_push(exchange, 0, slice_of_bytes(&head, sizeof(head)));
}

/* Forwards each event as soon as it is whole, as it came; many in one packet. */
static bool forward_events(struct exchange *exchange, struct slice bytes, struct fault *fault)
{
    struct answer *answer = &exchange->answer;
    struct buf batch = buf_with_limit(2 * EXCHANGE_ANSWER_BYTES_MAX);
    bool ok = true;

    while (ok && bytes.len > 0) {
        size_t used;
        bool event, extra = false;

        ok = sse_feed(answer->sse, bytes, &used, &event, fault);
        if (!ok)
            break;
        bytes = slice_part(bytes, used, bytes.len);
        if (!event)
            continue;
        if (sse_data(answer->sse).len > 0) {
            answer->events++;
            extra = usage_take_event(exchange->provider->model->dialect, sse_name(answer->sse),
                                     sse_data(answer->sse), &exchange->usage);
        }
        if (!extra || !exchange->open.strip_usage)
            ok = buf_add(&batch, sse_raw(answer->sse), fault);
    }
    if (ok && batch.len > 0) {
        push_head(exchange);
        exchange_push(exchange, CALL_DATA, buf_slice(&batch));
    }
    buf_free(&batch);
    return ok;
}

size_t answer_on_bytes(char *bytes, size_t size, size_t count, void *self)
{
    struct exchange *exchange = self;
    struct answer *answer = &exchange->answer;
    struct slice piece = slice_of_bytes(bytes, size * count);
    struct fault fault = {0};
    bool ok;

    if (exchange->out.len > 0 && !exchange->door_gone) {
        exchange->paused = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    exchange->heard_us = clock_monotonic_us(exchange->gateway->config.clock);
    if (exchange->first_byte_us == 0)
        exchange->first_byte_us = exchange->heard_us;
    decide(exchange);
    if (answer->encoded) {
        exchange->broken = "upstream-encoded";
        return 0;
    }
    answer->bytes += piece.len;
    ok = buf_add(&answer->held, piece, &fault) &&
         (!answer->stream || forward_events(exchange, piece, &fault));
    if (!ok)
        exchange->broken = "too-large";
    else if (!accounts_meter(exchange)) {
        exchange->broken = "budget";
        ok = false;
    }
    return ok && !exchange->door_gone ? piece.len : 0;
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

void answer_end(struct exchange *exchange, const char *reason)
{
    const struct ending *ending = ending_of(reason);

    accounts_outcome(exchange, ending);
    if (exchange->easy != NULL) {
        multi_remove(exchange->gateway->multi, exchange->easy);
        exchange->gateway->transport->easy_cleanup(exchange->easy);
        exchange->easy = NULL;
    }
    exchange->paused = false;
    if (ending->message != NULL)
        tell_client(exchange, ending);
    if (strcmp(reason, "client-abort") == 0)
        exchange->door_gone = true;
    exchange_drain(exchange);
}

static const char *finish_stream(struct exchange *exchange)
{
    struct slice pending = sse_pending(exchange->answer.sse);

    /* A body that ends in the middle of an event, or before the dialect's own end, was cut. */
    if (!exchange->usage.finished)
        return "upstream-cut";
    push_head(exchange);
    if (pending.len > 0) /* some providers leave out the last blank line */
        exchange_push(exchange, CALL_DATA, pending);
    exchange_push(exchange, CALL_END, SLICE(""));
    return "complete";
}

static const char *finish_held(struct exchange *exchange)
{
    struct answer *answer = &exchange->answer;

    if (answer->status < 300)
        usage_take_body(exchange->provider->model->dialect, buf_slice(&answer->held),
                        &exchange->usage);
    push_head(exchange);
    if (answer->held.len > 0)
        exchange_push(exchange, CALL_DATA, buf_slice(&answer->held));
    exchange_push(exchange, CALL_END, SLICE(""));
    return answer->status < 300 ? "complete" : "upstream-status";
}

void answer_on_done(void *gateway, void *self, CURLcode result)
{
    struct exchange *exchange = self;
    struct answer *answer = &exchange->answer;

    (void)gateway;
    if (result == CURLE_OK)
        decide(exchange);
    if (exchange->door_gone) {
        answer_end(exchange, "client-abort");
    } else if (exchange->broken != NULL) {
        answer_end(exchange, exchange->broken);
    } else if (result != CURLE_OK && !(answer->stream && exchange->usage.finished)) {
        answer_end(exchange, reason_of(result));
    } else {
        answer_end(exchange, answer->stream ? finish_stream(exchange) : finish_held(exchange));
    }
}
