#include "gateway/call/exchange.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/utf8.h"
#include "base/scope.h"
#include "gateway/mcp/visit.h"

#define PACKETS_AT_ONCE 16
#define CALL_LEN_BYTES 4 /* before each packet of a batch */
/* To the door, and what may lie in its socket: a slow reader holds up its provider soon. */
#define PACKET_BYTES_MAX (32 * 1024)
#define SOCKET_BYTES_MAX (64 * 1024)
#define HEAD_BYTES_MAX (64 * 1024)
#define KEPT_BYTES_MAX 1024 /* of an empty queue */
#define QUEUE_BYTES_MAX (4 * EXCHANGE_ANSWER_BYTES_MAX)

static void on_ready(void *self, uint32_t events);

bool exchange_new(struct door_peer *door, int socket, struct fault *fault)
{
    struct gateway *gateway = door->gateway;
    struct exchange *exchange = xalloc(sizeof(*exchange));
    int room = SOCKET_BYTES_MAX;

    *exchange = (struct exchange){.gateway = gateway,
                                  .door = door,
                                  .kind = &exchange_model,
                                  .state = EXCHANGE_SPARE,
                                  .socket = socket,
                                  .out = buf_with_limit(QUEUE_BYTES_MAX),
                                  .head = buf_with_limit(HEAD_BYTES_MAX),
                                  .renamed = buf_with_limit(GATEWAY_BODY_BYTES_MAX + 1024),
                                  .usage = usage_none()};
    if (!loop_watch(gateway->loop, socket, EPOLLIN, on_ready, exchange, &exchange->watch,
                    fault)) {
        free(exchange);
        return false;
    }
    (void)setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
    exchange->next = gateway->exchanges;
    exchange->previous = &gateway->exchanges;
    if (exchange->next != NULL)
        exchange->next->previous = &exchange->next;
    gateway->exchanges = exchange;
    gateway->exchange_count++;
    door->spares++;
    return true;
}

static void release_body(struct exchange *exchange)
{
    exchange->gateway->body_bytes -= exchange->body.len;
    buf_free(&exchange->body);
    buf_free(&exchange->renamed);
    buf_free(&exchange->target);
}

void exchange_forget_request(struct exchange *exchange)
{
    buf_free_secret(&exchange->head);
    buf_free(&exchange->headers);
    release_body(exchange);
    exchange->sent = SLICE("");
    free(exchange->receipts);
    free(exchange->lineage);
    exchange->receipts = NULL;
    exchange->lineage = NULL;
}

void exchange_leave_ready(struct exchange *exchange)
{
    for (struct exchange **at = &exchange->gateway->ready; *at != NULL;
         at = &(*at)->ready_next)
        if (*at == exchange) {
            *at = exchange->ready_next;
            return;
        }
}

/* What belongs to the call, and not to its socket. */
static void release(struct exchange *exchange)
{
    if (exchange->state == EXCHANGE_READY)
        exchange_leave_ready(exchange);
    transfer_cancel(exchange->transfer);
    loop_timer_cancel(exchange->again);
    exchange_forget_request(exchange);
    accounts_release(exchange);
    answer_free(&exchange->answer);
    visit_release(exchange);
}

void exchange_free(struct exchange *exchange)
{
    struct gateway *gateway = exchange->gateway;
    struct door_peer *door = exchange->door;

    release(exchange);
    loop_unwatch(exchange->watch);
    (void)close(exchange->socket);
    if (exchange->state == EXCHANGE_SPARE)
        door->spares--;
    buf_free(&exchange->out);
    *exchange->previous = exchange->next;
    if (exchange->next != NULL)
        exchange->next->previous = exchange->previous;
    free(exchange);
    if (gateway->exchange_count-- == CALLS_AT_ONCE_MAX)
        gateway_top_up(door);
}

/* The call is over, its socket is clean: the door has it back already. */
static void recycle(struct exchange *exchange)
{
    release(exchange);
    *exchange = (struct exchange){.gateway = exchange->gateway,
                                  .door = exchange->door,
                                  .kind = &exchange_model,
                                  .state = EXCHANGE_SPARE,
                                  .socket = exchange->socket,
                                  .watch = exchange->watch,
                                  .out = exchange->out,
                                  .head = exchange->head,
                                  .renamed = exchange->renamed,
                                  .usage = usage_none(),
                                  .next = exchange->next,
                                  .previous = exchange->previous};
    exchange->door->spares++;
}

static void settle(struct exchange *exchange)
{
    if (exchange->is_reusable && !exchange->door_gone && !exchange->door->closing)
        recycle(exchange);
    else
        exchange_free(exchange);
}

static void set_full(struct exchange *exchange, bool full)
{
    struct fault fault = {0};

    if (exchange->is_full == full)
        return;
    exchange->is_full = full;
    if (!loop_watch_change(exchange->watch, EPOLLIN | (full ? EPOLLOUT : 0U), &fault))
        exchange->door_gone = true;
}

static void queue(struct exchange *exchange, uint8_t type, struct slice bytes)
{
    uint32_t len = (uint32_t)bytes.len + (type != 0);
    struct fault fault = {0};

    if (!buf_add(&exchange->out, slice_of_bytes(&len, sizeof(len)), &fault) ||
        (type != 0 && !buf_add_byte(&exchange->out, type, &fault)) ||
        !buf_add(&exchange->out, bytes, &fault))
        exchange->door_gone = true; /* a door that reads nothing at all */
}

void exchange_push(struct exchange *exchange, uint8_t type, struct slice bytes)
{
    do {
        struct slice piece = slice_part(bytes, 0, PACKET_BYTES_MAX - CALL_LEN_BYTES - 1);

        if (!exchange->door_gone)
            queue(exchange, type, piece);
        bytes = slice_part(bytes, piece.len, bytes.len);
    } while (bytes.len > 0);
}

/* As many whole packets as fit into one; returns their bytes. */
static size_t batch_len(struct slice queued)
{
    struct slice rest = queued, packet;
    size_t len = 0;

    while (call_next(&rest, &packet) && queued.len - rest.len <= PACKET_BYTES_MAX)
        len = queued.len - rest.len;
    return len;
}

static enum call_sent send_queued(const struct exchange *exchange, size_t *ret_len)
{
    struct slice queued =
        slice_part(buf_slice(&exchange->out), exchange->out_at, exchange->out.len);
    struct slice rest, packet;

    *ret_len = batch_len(queued);
    rest = slice_part(queued, 0, *ret_len);
    if (call_next(&rest, &packet) && rest.len == 0)
        return call_send(exchange->socket, 0, packet);
    return call_send(exchange->socket, CALL_BATCH, slice_part(queued, 0, *ret_len));
}

void exchange_flush(struct exchange *exchange)
{
    if (exchange->out_at < exchange->out.len)
        exchange->told_us = clock_monotonic_us(exchange->gateway->config.clock);
    while (exchange->out_at < exchange->out.len && !exchange->door_gone) {
        size_t len;
        enum call_sent sent = send_queued(exchange, &len);

        if (sent == CALL_FULL) {
            set_full(exchange, true);
            return;
        }
        exchange->door_gone = sent == CALL_GONE;
        exchange->out_at += len;
    }
    exchange->out_at = 0;
    if (exchange->out.room > KEPT_BYTES_MAX)
        buf_free(&exchange->out);
    buf_clear(&exchange->out);
    set_full(exchange, false);
}

void exchange_drain(struct exchange *exchange)
{
    exchange->is_reusable = exchange->state >= EXCHANGE_READY;
    if (exchange->state == EXCHANGE_READY)
        exchange_leave_ready(exchange);
    exchange->state = EXCHANGE_DRAINED;
    exchange_flush(exchange);
    if (exchange->out.len == 0 || exchange->door_gone)
        settle(exchange);
    else
        release_body(exchange);
}

void exchange_refuse(struct exchange *exchange, int status, const char *reason,
                     const char *message)
{
    struct call_fail fail = {.packet = CALL_FAIL, .status = status};

    exchange->kind->refused(exchange, reason);
    exchange->gateway->totals.refused += exchange->visit == NULL;
    call_text(fail.code, sizeof(fail.code), slice_of(reason));
    call_text(fail.message, sizeof(fail.message), slice_of(message));
    exchange_push(exchange, 0, slice_of_bytes(&fail, sizeof(fail)));
    exchange_drain(exchange);
}

/* The door is another process that reads hostile bytes: what it says is checked here too. */
static bool open_valid(const struct gateway *gateway, const struct call_open *open)
{
    if (open->packet != CALL_OPEN || open->model >= gateway->provider_count ||
        open->operation >= OPERATION_COUNT || open->spoken >= DIALECT_COUNT || open->body_bytes == 0 ||
        open->body_bytes > GATEWAY_BODY_BYTES_MAX || open->output_tokens < 0 ||
        (uint64_t)open->model_at + open->model_len > open->body_bytes ||
        open->lineage_bytes > DOOR_LINEAGE_BYTES_MAX ||
        !call_text_valid(open->asked, sizeof(open->asked)))
        return false;
    return (operation_rule((enum operation)open->operation)->served_by &
            DIALECT_BIT(gateway->providers[open->model].model->dialect)) != 0;
}

/* What is behind `open`. */
static bool take_headers(struct exchange *exchange, struct slice headers)
{
    struct fault fault = {0};
    size_t bytes = 0;

    for (int i = 0; i < CALL_HEADER_COUNT; i++) {
        if (exchange->open.header_bytes[i] >= CALL_HEADER_BYTES)
            return false;
        bytes += exchange->open.header_bytes[i];
    }
    exchange->headers = buf_with_limit(CALL_HEADERS_BYTES);
    return headers.len == bytes && call_printable(headers) &&
           buf_add(&exchange->headers, headers, &fault);
}

static bool take_model(struct exchange *exchange, struct slice packet)
{
    const struct gateway *gateway = exchange->gateway;

    if (packet.len < sizeof(exchange->open))
        return false;
    memcpy(&exchange->open, packet.at, sizeof(exchange->open));
    if (!take_headers(exchange, slice_part(packet, sizeof(exchange->open), packet.len)))
        return false;
    if (!open_valid(gateway, &exchange->open))
        return false;
    exchange->provider = &gateway->providers[exchange->open.model];
    return true;
}

/* False: the exchange is gone, or wants nothing more now. */
static bool take_open(struct exchange *exchange, struct slice packet)
{
    struct gateway *gateway = exchange->gateway;
    bool ok;

    exchange->door->spares--;
    gateway_top_up(exchange->door);
    ok = packet.at[0] == CALL_MCP ? visit_take(exchange, packet)
                                  : take_model(exchange, packet);
    exchange->state = exchange->open.replaced > 0        ? EXCHANGE_RECEIPTS
                      : exchange->open.lineage_bytes > 0 ? EXCHANGE_LINEAGE
                                                         : EXCHANGE_BODY;
    if (!ok) {
        exchange_free(exchange);
        return false;
    }
    exchange->started_us = clock_monotonic_us(gateway->config.clock);
    exchange->body = buf_with_limit((size_t)exchange->open.body_bytes);
    if (exchange->open.body_bytes == 0) {
        exchange->kind->ready(exchange);
        return false;
    }
    if (exchange->open.body_bytes <= CALL_BODIES_BYTES_MAX - gateway->body_bytes)
        return true;
    exchange_refuse(exchange, 429, "busy", "custody: too many large requests at once");
    return false;
}

/* False: the exchange is gone, or wants nothing more now. */
static bool take_body(struct exchange *exchange, struct slice piece)
{
    struct gateway *gateway = exchange->gateway;
    struct fault fault = {0};

    /* How long it gets was said, and found to fit. */
    if (!buf_reserve(&exchange->body, exchange->body.limit - exchange->body.len, &fault) ||
        !buf_add(&exchange->body, piece, &fault)) {
        exchange_free(exchange);
        return false;
    }
    gateway->body_bytes += piece.len;
    if (exchange->body.len < exchange->open.body_bytes)
        return true;
    exchange->kind->ready(exchange);
    return false;
}

static void on_door_gone(struct exchange *exchange)
{
    if (exchange->state == EXCHANGE_SENT)
        exchange->kind->end(exchange, "client-abort");
    else
        exchange_free(exchange);
}

static bool take_lineage(struct exchange *exchange, struct slice packet)
{
    struct slice text = slice_part(packet, 1, packet.len);

    if (packet.at[0] != CALL_LINEAGE || text.len != exchange->open.lineage_bytes ||
        !utf8_is_printable(text))
        return false;
    exchange->lineage = slice_dup(text);
    return true;
}

/* What the door says of the body before it comes. */
static bool take_beside(struct exchange *exchange, struct slice packet)
{
    bool ok = exchange->state == EXCHANGE_RECEIPTS ? receipts_take(exchange, packet)
                                                   : take_lineage(exchange, packet);

    exchange->state = exchange->state == EXCHANGE_RECEIPTS && exchange->open.lineage_bytes > 0
                          ? EXCHANGE_LINEAGE
                          : EXCHANGE_BODY;
    return ok;
}

/* False: the exchange is gone, or wants nothing more now. */
static bool take_packet(struct exchange *exchange, struct slice packet)
{
    if (exchange->state == EXCHANGE_SPARE)
        return take_open(exchange, packet);
    if (exchange->state == EXCHANGE_BODY)
        return take_body(exchange, packet);
    if (exchange->state < EXCHANGE_BODY && take_beside(exchange, packet))
        return true;
    if (exchange->state == EXCHANGE_SENT && exchange->kind->hear != NULL)
        return exchange->kind->hear(exchange, packet);
    on_door_gone(exchange);
    return false;
}

/* What begins a call comes in one packet. */
static bool take_batch(struct exchange *exchange, struct slice batch)
{
    struct slice packet;

    while (batch.len > 0) {
        if (!call_next(&batch, &packet)) {
            exchange_free(exchange);
            return false;
        }
        if (!take_packet(exchange, packet))
            return false;
    }
    return true;
}

static void receive(struct exchange *exchange)
{
    static uint8_t room[CALL_PACKET_BYTES_MAX]; /* one loop, no threads of ours */

    for (int i = 0; i < PACKETS_AT_ONCE; i++) {
        ssize_t got = call_receive(exchange->socket, room, sizeof(room));
        struct slice packet = slice_of_bytes(room, got > 0 ? (size_t)got : 0);
        bool more;

        if (got < 0 && errno == EAGAIN)
            return;
        if (got <= 0) {
            on_door_gone(exchange);
            return;
        }
        if (exchange->state == EXCHANGE_SPARE && packet.at[0] == CALL_BATCH)
            more = take_batch(exchange, slice_part(packet, 1, packet.len));
        else
            more = take_packet(exchange, packet);
        if (!more)
            return;
    }
}

static void on_ready(void *self, uint32_t events)
{
    struct exchange *exchange = self;
    /* A door that has gone may have said something before. */
    bool hears = exchange->state == EXCHANGE_SENT && exchange->kind->hear != NULL &&
                 (events & EPOLLIN) != 0;

    if ((events & EPOLLOUT) != 0 && exchange->out.len > 0)
        exchange_flush(exchange);
    if (!hears && (exchange->door_gone || (events & (EPOLLHUP | EPOLLERR)) != 0)) {
        on_door_gone(exchange);
        return;
    }
    if (exchange->state == EXCHANGE_DRAINED && exchange->out.len == 0) {
        settle(exchange);
        return;
    }
    if (exchange->transfer != NULL && exchange->out.len == 0)
        transfer_pause(exchange->transfer, false);
    if ((events & EPOLLIN) != 0)
        receive(exchange);
}
