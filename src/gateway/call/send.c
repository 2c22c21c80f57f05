/* What goes to the provider: never before its intent is on disk. */
#include <stdio.h>

#include "base/scope.h"
#include "gateway/call/digest.h"
#include "gateway/call/exchange.h"
#include "gateway/dialect/target.h"

#define TARGET_BYTES_MAX 4096

/* Again for each provider that is tried. */
static bool set_target(struct exchange *exchange, struct fault *fault)
{
    buf_free(&exchange->target);
    exchange->target = buf_with_limit(TARGET_BYTES_MAX);
    return target_path(exchange->provider->model, (enum operation)exchange->open.operation,
                       exchange->open.stream, &exchange->target, fault);
}

/* Contract and budget. One that is refused is READY no more. */
static void admit(struct exchange *exchange)
{
    const char *refused = accounts_refuses(exchange);
    struct fault fault = {0};

    if (refused != NULL) {
        AUTO_FREE char *message = xformat("custody: %s", route_says(refused));

        exchange_refuse(exchange, 400, refused, message);
        return;
    }
    if (!set_target(exchange, &fault)) {
        (void)fault_in(&fault, "custody");
        exchange_refuse(exchange, 400, "no-such-call", fault.why);
        return;
    }
    if (!accounts_reserve(exchange, &fault)) {
        (void)fault_in(&fault, "custody");
        exchange_refuse(exchange, 400, "budget", fault.why);
    }
}

static void refuse_for_ledger(struct exchange *exchange, const struct fault *why)
{
    AUTO_FREE char *message = xformat(
        "custody: the record of this call cannot be written, so it is refused: %s", why->why);

    accounts_release(exchange);
    exchange_refuse(exchange, 400, "ledger", message);
}

/* What an intent names is on disk before it: one wait for the folder of all of them. */
static bool keep_prompts(struct gateway *gateway, struct fault *fault)
{
    for (struct exchange *at = gateway->ready; at != NULL; at = at->ready_next)
        if (!accounts_keep(at, fault))
            return false;
    return gateway->ready == NULL ||
           gateway->config.sealer.sync(gateway->config.sealer.self, fault);
}

/* Writes the intents: all but the last are queued, the last is waited for, and it is behind
 * them. */
static bool record_intents(struct gateway *gateway, struct fault *fault)
{
    for (struct exchange *at = gateway->ready; at != NULL; at = at->ready_next)
        if (!accounts_intent(at, at->ready_next == NULL, fault))
            return false;
    return true;
}

/*
 * The same for each try under one intent, and for no other call: a provider that knows the header
 * answers a request once, though it comes twice. The intent commits to the body.
 */
static bool add_idempotency(const struct exchange *exchange, struct buf *head,
                            struct fault *fault)
{
    char text[256], hex[DIGEST_TEXT_BYTES];
    int len = snprintf(text, sizeof(text), "%.128s %llu", exchange->door->identity->run,
                       (unsigned long long)exchange->intent);

    if (!digest_text(slice_of_bytes(text, (size_t)len), hex))
        return fault_set(fault, FAULT_HOST, "no SHA-256");
    return buf_add_text(head, "Idempotency-Key: ", fault) &&
           buf_add(head, slice_of_bytes(hex, 32), fault) && buf_add_text(head, "\r\n", fault);
}

static bool write_head(struct exchange *exchange, struct fault *fault)
{
    enum service service = exchange->provider->model->service;
    struct buf *head = &exchange->head;
    char length[64];

    buf_clear(head);
    (void)snprintf(length, sizeof(length), "Content-Length: %zu\r\n", exchange->sent.len);
    if (!buf_reserve(head, 4096, fault) || !buf_add_text(head, "POST ", fault) ||
        !buf_add(head, buf_slice(&exchange->target), fault) ||
        !buf_add_text(head, " HTTP/1.1\r\n", fault) ||
        !buf_add(head, buf_slice(&exchange->provider->fields), fault) ||
        !buf_add_text(head, "Content-Type: application/json\r\n", fault) ||
        !buf_add_text(head, length, fault) || !add_idempotency(exchange, head, fault))
        return false;
    if (!provider_sign(exchange->provider, buf_slice(&exchange->target), exchange->sent,
                       clock_now_us(exchange->gateway->config.clock), head, fault))
        return false;
    /* Bedrock has them in the body, or not at all. */
    for (unsigned i = 0; service != SERVICE_BEDROCK && i < CALL_HEADER_COUNT; i++) {
        struct slice value = call_header(&exchange->open, buf_slice(&exchange->headers),
                                         (enum call_header)i);

        if (value.len > 0 && (!buf_add_text(head, call_header_names[i], fault) ||
                              !buf_add_text(head, ": ", fault) ||
                              !buf_add(head, value, fault) ||
                              !buf_add_text(head, "\r\n", fault)))
            return false;
    }
    return buf_add_text(head, "\r\n", fault);
}

static bool start(struct exchange *exchange, struct fault *fault)
{
    if (!accounts_body(exchange, &exchange->renamed, &exchange->sent, fault) ||
        !write_head(exchange, fault))
        return false;
    send_again(exchange);
    return true;
}

void send_again(void *self)
{
    struct exchange *exchange = self;

    exchange->again = NULL;
    exchange->tries++;
    exchange->transfer = transfer_begin(exchange->provider->pool, buf_slice(&exchange->head),
                                        exchange->sent, &answer_events, exchange);
}

void send_ready(struct exchange *exchange)
{
    struct gateway *gateway = exchange->gateway;
    struct fault fault = {0};

    exchange->state = EXCHANGE_READY;
    exchange->ready_next = gateway->ready;
    gateway->ready = exchange;
    /* Calls that became ready in the same round of the loop share one wait for the disk. */
    if (gateway->batch == NULL &&
        !loop_timer(gateway->loop, 0, send_batch, gateway, &gateway->batch, &fault))
        exchange_refuse(exchange, 502, "failed", fault.why);
}

void send_batch(void *self)
{
    struct gateway *gateway = self;
    struct exchange *at, *next;
    struct fault fault = {0};
    bool recorded;

    gateway->batch = NULL;
    for (at = gateway->ready; at != NULL; at = next) {
        next = at->ready_next;
        admit(at);
    }
    recorded = keep_prompts(gateway, &fault) && record_intents(gateway, &fault);
    for (at = gateway->ready; at != NULL; at = next) {
        next = at->ready_next;
        if (!recorded) {
            refuse_for_ledger(at, &fault);
            continue;
        }
        gateway->totals.calls++;
        exchange_leave_ready(at);
        at->state = EXCHANGE_SENT;
        if (!start(at, &fault))
            answer_end(at, "failed");
    }
}
