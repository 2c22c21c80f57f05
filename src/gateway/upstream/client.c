#include "gateway/upstream/client.h"

#include <stdlib.h>

#define ROOM_BYTES (64 * 1024)
#define READS_AT_ONCE 8
#define IDLE_MAX 256 /* connections of one origin */
#define IDLE_US (INT64_C(60) * 1000 * 1000)

struct client {
    struct loop *loop;
    const struct clock *clock;
    struct resolver *resolver;
    struct origin *origins;
    uint8_t room[ROOM_BYTES];
};

struct origin {
    struct client *client;
    struct link_place place;
    uint64_t body_limit;
    struct wire *idle; /* last used first */
    size_t idle_count;
    struct origin *next;
};

/* A connection. */
struct wire {
    struct origin *origin;
    struct link *link;
    struct http1_response *response;
    struct transfer *transfer; /* NULL: idle */
    struct loop_timer *again;  /* TLS may have read ahead */
    bool busy, dead;           /* one of its events is being handled; freed behind it */
    int64_t idle_us;
    struct wire *next, **previous; /* in idle */
};

struct transfer {
    struct origin *origin;
    struct wire *wire;
    struct slice head, body;
    size_t sent;
    enum transfer_phase phase;
    bool reused, paused, told_head;
    struct loop_timer *later; /* an end that was found at once */
    int64_t moved_us;
    const struct transfer_events *events;
    void *self;
};

static void wire_opened(void *self);
static void wire_failed(void *self, enum link_failure why);
static void wire_ready(void *self, uint32_t events);

static const struct link_events wire_events = {wire_opened, wire_failed, wire_ready};

/* ---- connections ---- */

static void leave_idle(struct wire *wire)
{
    *wire->previous = wire->next;
    if (wire->next != NULL)
        wire->next->previous = wire->previous;
    wire->previous = NULL;
    wire->origin->idle_count--;
}

static void wire_free(struct wire *wire)
{
    if (wire->previous != NULL)
        leave_idle(wire);
    loop_timer_cancel(wire->again);
    wire->again = NULL;
    link_free(wire->link);
    wire->link = NULL;
    wire->dead = true;
    if (wire->busy)
        return;
    http1_response_free(wire->response);
    free(wire);
}

static void keep(struct wire *wire)
{
    struct origin *origin = wire->origin;

    if (origin->idle_count == IDLE_MAX) {
        wire_free(wire);
        return;
    }
    http1_response_reset(wire->response, false);
    wire->idle_us = clock_monotonic_us(origin->client->clock);
    wire->next = origin->idle;
    wire->previous = &origin->idle;
    if (wire->next != NULL)
        wire->next->previous = &wire->next;
    origin->idle = wire;
    origin->idle_count++;
    link_await(wire->link, true, false);
}

/* ---- transfers ---- */

static void moved(struct transfer *transfer, enum transfer_phase phase)
{
    transfer->phase = phase;
    transfer->moved_us = clock_monotonic_us(transfer->origin->client->clock);
}

static bool all_sent(const struct transfer *transfer)
{
    return transfer->sent == transfer->head.len + transfer->body.len;
}

static struct wire *detach(struct transfer *transfer)
{
    struct wire *wire = transfer->wire;

    transfer->wire = NULL;
    if (wire != NULL)
        wire->transfer = NULL;
    return wire;
}

static void finish(struct transfer *transfer, enum transfer_end end)
{
    const struct transfer_events *events = transfer->events;
    void *self = transfer->self;

    transfer_cancel(transfer);
    events->ended(self, end);
}

static bool open_wire(struct transfer *transfer)
{
    struct origin *origin = transfer->origin;
    struct wire *wire = xalloc(sizeof(*wire));
    struct fault fault = {0};

    *wire = (struct wire){.origin = origin, .transfer = transfer};
    if (!link_new(origin->client->loop, origin->client->resolver, &origin->place, &wire_events,
                  wire, &wire->link, &fault)) {
        free(wire);
        return false;
    }
    wire->response = http1_response_new(origin->body_limit);
    transfer->wire = wire;
    transfer->sent = 0;
    moved(transfer, TRANSFER_CONNECTING);
    return true;
}

/* Sends what the socket takes. One that takes nothing any more may still have an answer. */
static void push(struct wire *wire)
{
    struct transfer *transfer = wire->transfer;
    enum link_io io = LINK_MOVED;

    while (!all_sent(transfer) && io == LINK_MOVED) {
        struct slice head = slice_part(transfer->head, transfer->sent, transfer->head.len);
        size_t at = transfer->sent + head.len - transfer->head.len, put = 0;

        io = link_write(wire->link, head, slice_part(transfer->body, at, transfer->body.len),
                        &put);
        transfer->sent += put;
        if (put > 0 && transfer->phase != TRANSFER_READING)
            moved(transfer, TRANSFER_SENDING);
    }
    if (io != LINK_LATER && transfer->phase != TRANSFER_READING)
        moved(transfer, TRANSFER_WAITING);
    link_await(wire->link, !transfer->paused, io == LINK_LATER);
}

static void wire_opened(void *self)
{
    struct wire *wire = self;

    push(wire);
}

static void wire_failed(void *self, enum link_failure why)
{
    static const enum transfer_end ends[] = {[LINK_UNREACHABLE] = TRANSFER_UNREACHABLE,
                                             [LINK_REFUSED] = TRANSFER_PROXY,
                                             [LINK_UNTRUSTED] = TRANSFER_UNTRUSTED};
    struct wire *wire = self;

    finish(wire->transfer, ends[why]);
}

/* The connection has ended under it. */
static void lost(struct wire *wire, enum link_io io)
{
    struct transfer *transfer = wire->transfer;
    struct fault fault = {0};

    if (io == LINK_END && http1_response_end(wire->response, &fault)) {
        finish(transfer, TRANSFER_WHOLE);
        return;
    }
    if (!transfer->reused || http1_response_begun(wire->response)) {
        finish(transfer, TRANSFER_CUT);
        return;
    }
    wire_free(detach(transfer)); /* it was closed while nobody used it */
    transfer->reused = false;
    if (!open_wire(transfer))
        finish(transfer, TRANSFER_UNREACHABLE);
}

/* What is left over belongs to nobody: such a connection is not used again. */
static void take_end(struct wire *wire, bool left_over)
{
    struct transfer *transfer = wire->transfer;

    if (!left_over && all_sent(transfer) && http1_response_keep_alive(wire->response))
        keep(detach(transfer));
    finish(transfer, TRANSFER_WHOLE);
}

static void take(struct wire *wire, struct slice bytes)
{
    struct transfer *transfer = wire->transfer;

    moved(transfer, TRANSFER_READING);
    while (wire->transfer == transfer) {
        struct slice piece;
        struct fault fault = {0};
        size_t used;

        if (!http1_response_feed(wire->response, bytes, &used, &piece, &fault)) {
            finish(transfer, fault.kind == FAULT_LIMIT ? TRANSFER_TOO_LARGE : TRANSFER_BROKEN);
            return;
        }
        bytes = slice_part(bytes, used, bytes.len);
        if (!transfer->told_head && http1_response_head_done(wire->response)) {
            transfer->told_head = true;
            transfer->events->head(transfer->self, wire->response);
        } else if (piece.len > 0) {
            transfer->events->bytes(transfer->self, piece);
        }
        if (wire->transfer != transfer)
            return;
        if (http1_response_done(wire->response)) {
            take_end(wire, bytes.len > 0);
            return;
        }
        if (bytes.len == 0) {
            transfer->events->settled(transfer->self);
            return;
        }
    }
}

static void on_again(void *self)
{
    struct wire *wire = self;

    wire->again = NULL;
    wire_ready(wire, EPOLLIN);
}

static void read_more(struct wire *wire)
{
    struct client *client = wire->origin->client;
    struct fault fault = {0};

    for (int i = 0; i < READS_AT_ONCE; i++) {
        size_t got = 0;
        enum link_io io;

        if (wire->dead || wire->transfer == NULL || wire->transfer->paused)
            return;
        io = link_read(wire->link, client->room, sizeof(client->room), &got);
        if (io == LINK_LATER)
            return;
        if (io != LINK_MOVED) {
            lost(wire, io);
            return;
        }
        take(wire, slice_of_bytes(client->room, got));
        if (!wire->dead && got < sizeof(client->room) && !link_reads_ahead(wire->link))
            return;
    }
    if (!wire->dead && wire->again == NULL)
        (void)!loop_timer(client->loop, 0, on_again, wire, &wire->again, &fault);
}

/* Between two requests nothing is said but a session ticket, or the end. */
static void read_idle(struct wire *wire)
{
    struct client *client = wire->origin->client;
    size_t got = 0;

    if (link_read(wire->link, client->room, sizeof(client->room), &got) != LINK_LATER)
        wire_free(wire);
}

static void wire_ready(void *self, uint32_t events)
{
    struct wire *wire = self;

    wire->busy = true;
    if (wire->transfer == NULL) {
        read_idle(wire);
    } else {
        if ((events & EPOLLOUT) != 0)
            push(wire);
        if ((events & ~(uint32_t)EPOLLOUT) != 0 || link_reads_ahead(wire->link))
            read_more(wire);
    }
    wire->busy = false;
    if (wire->dead)
        wire_free(wire);
}

static void on_later(void *self)
{
    struct transfer *transfer = self;

    transfer->later = NULL;
    finish(transfer, TRANSFER_UNREACHABLE);
}

struct transfer *transfer_begin(struct origin *origin, struct slice head, struct slice body,
                                const struct transfer_events *events, void *self)
{
    struct transfer *transfer = xalloc(sizeof(*transfer));
    struct wire *wire = origin->idle;
    struct fault fault = {0};

    *transfer = (struct transfer){
        .origin = origin, .head = head, .body = body, .events = events, .self = self};
    if (wire != NULL) {
        leave_idle(wire);
        wire->transfer = transfer;
        transfer->wire = wire;
        transfer->reused = true;
        push(wire);
    } else if (!open_wire(transfer) && !loop_timer(origin->client->loop, 0, on_later, transfer,
                                                   &transfer->later, &fault)) {
        abort(); /* timers do not fail */
    }
    return transfer;
}

void transfer_cancel(struct transfer *transfer)
{
    struct wire *wire;

    if (transfer == NULL)
        return;
    wire = detach(transfer);
    if (wire != NULL)
        wire_free(wire);
    loop_timer_cancel(transfer->later);
    free(transfer);
}

void transfer_pause(struct transfer *transfer, bool paused)
{
    struct wire *wire = transfer->wire;
    struct fault fault = {0};

    if (transfer->paused == paused)
        return;
    transfer->paused = paused;
    if (wire == NULL || transfer->phase == TRANSFER_CONNECTING)
        return;
    link_await(wire->link, !paused, !all_sent(transfer));
    transfer->moved_us = clock_monotonic_us(transfer->origin->client->clock);
    if (!paused && link_reads_ahead(wire->link) && wire->again == NULL)
        (void)!loop_timer(transfer->origin->client->loop, 0, on_again, wire, &wire->again,
                          &fault);
}

bool transfer_let_go(struct transfer *transfer)
{
    if (!transfer->told_head || !all_sent(transfer))
        return false;
    transfer->head = transfer->body = SLICE("");
    transfer->sent = 0;
    return true;
}

enum transfer_phase transfer_phase(const struct transfer *transfer)
{
    return transfer->phase;
}

int64_t transfer_moved_us(const struct transfer *transfer)
{
    return transfer->moved_us;
}

const char *transfer_certificate(const struct transfer *transfer)
{
    return transfer->wire == NULL || transfer->phase == TRANSFER_CONNECTING
               ? ""
               : link_certificate(transfer->wire->link);
}

/* ---- origins ---- */

struct client *client_new(struct loop *loop, const struct clock *clock,
                          struct resolver *resolver)
{
    struct client *client = xalloc(sizeof(*client));

    client->loop = loop;
    client->clock = clock;
    client->resolver = resolver;
    return client;
}

void client_free(struct client *client)
{
    if (client == NULL)
        return;
    while (client->origins != NULL) {
        struct origin *origin = client->origins;

        while (origin->idle != NULL)
            wire_free(origin->idle);
        client->origins = origin->next;
        free(origin);
    }
    free(client);
}

void client_patrol(struct client *client)
{
    int64_t before_us = clock_monotonic_us(client->clock) - IDLE_US;

    for (struct origin *origin = client->origins; origin != NULL; origin = origin->next) {
        struct wire *next;

        for (struct wire *at = origin->idle; at != NULL; at = next) {
            next = at->next;
            if (at->idle_us < before_us)
                wire_free(at);
        }
    }
}

struct origin *origin_new(struct client *client, const struct link_place *place,
                          uint64_t body_limit)
{
    struct origin *origin = xalloc(sizeof(*origin));

    *origin = (struct origin){.client = client, .place = *place, .body_limit = body_limit};
    origin->next = client->origins;
    client->origins = origin;
    return origin;
}
