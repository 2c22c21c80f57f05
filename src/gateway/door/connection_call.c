/* The part of a connection that talks to the gateway. */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/scope.h"
#include "gateway/door/connection.h"
#include "gateway/dialect/dialect.h"

#define PACKETS_AT_ONCE 16
#define SMALL_BYTES 4096
#define OPEN_BYTES_MAX 8192 /* of what a call is, with its headers */
#define OUT_BYTES_HIGH                                                                        \
    (64 * 1024) /* more is not read from the gateway until the client has taken it */

void connection_call_close(struct connection *connection)
{
    if (connection->call_whole)
        door_keep_spare(connection->door, connection->call);
    else if (connection->call != NULL)
        call_line_close(connection->call);
    connection->call = NULL;
    connection->call_whole = false;
}

/* The gateway has gone, or speaks nonsense. */
static void call_lost(struct connection *connection)
{
    connection_reply_cut(connection, 502, "gateway", "custody: the gateway has gone");
}

void connection_call_watch(struct connection *connection)
{
    bool full = connection->out.len - connection->out_at >= OUT_BYTES_HIGH;

    if (!connection->dead && connection->call != NULL &&
        connection->state == CONNECTION_ANSWER &&
        !call_line_await(connection->call, full ? 0 : EPOLLIN))
        call_lost(connection);
}

static void send_body(struct connection *connection)
{
    struct slice body = buf_slice(&connection->plan.body);

    while (connection->sent_bytes < body.len) {
        struct slice piece = slice_part(body, connection->sent_bytes,
                                        connection->sent_bytes + CALL_PIECE_BYTES);
        enum call_sent sent = call_send(connection->call->fd, 0, piece);

        if (sent == CALL_FULL) {
            if (!call_line_await(connection->call, EPOLLIN | EPOLLOUT))
                call_lost(connection);
            return;
        }
        if (sent == CALL_GONE) { /* a refusal may be waiting */
            connection->state = CONNECTION_ANSWER;
            connection_call_watch(connection);
            return;
        }
        connection->sent_bytes += piece.len;
    }
    buf_free(&connection->plan.body);
    connection->state = CONNECTION_ANSWER;
    connection_call_watch(connection);
}

/* What was replaced, for the intent. Empty: nothing. */
static struct slice receipts_of(const struct connection *connection)
{
    static struct receipts_packet {
        uint8_t packet;
        uint8_t at[CALL_RECEIPTS_MAX * sizeof(struct call_receipt)];
    } packet = {.packet = CALL_RECEIPTS};
    const struct redaction *redaction = &connection->plan.redaction;
    size_t count = call_receipts(connection->plan.open.replaced);

    for (size_t i = 0; i < count; i++) {
        const struct redacted_value *value = &redaction->values[i];
        struct call_receipt receipt = {
            .at = value->at, .len = value->len, .class = (uint32_t)value->class};

        call_text(receipt.rule, sizeof(receipt.rule), slice_of(value->rule));
        memcpy(receipt.commitment, value->commitment, sizeof(receipt.commitment));
        memcpy(packet.at + i * sizeof(receipt), &receipt, sizeof(receipt));
    }
    return slice_of_bytes(&packet, count == 0 ? 0 : 1 + count * sizeof(struct call_receipt));
}

/* Which lines of which files are in it; with its type. Empty: none. */
static bool add_lineage(const struct connection *connection, struct buf *packet)
{
    struct slice lineage = buf_slice(&connection->plan.lineage);
    struct fault fault = {0};

    return lineage.len == 0 ||
           (buf_add_byte(packet, CALL_LINEAGE, &fault) && buf_add(packet, lineage, &fault));
}

/* What the call is. */
static bool add_open(const struct plan *plan, struct buf *packet)
{
    struct fault fault = {0};

    if (plan->mcp.is_mcp)
        return buf_add(packet, slice_of_bytes(&plan->mcp.open, sizeof(plan->mcp.open)), &fault);
    return buf_add(packet, slice_of_bytes(&plan->open, sizeof(plan->open)), &fault) &&
           buf_add(packet, buf_slice(&plan->headers), &fault);
}

/* In one packet: what the call is, what is in it, and the body or the first piece of it. */
static enum call_sent send_beginning(struct connection *connection)
{
    AUTO_BUF struct buf open = buf_with_limit(OPEN_BYTES_MAX);
    AUTO_BUF struct buf lineage = buf_with_limit(CALL_PIECE_BYTES);
    struct slice packets[CALL_BATCH_MAX], receipts = receipts_of(connection), piece;
    size_t count = 1;
    enum call_sent sent;

    if (!add_open(&connection->plan, &open) || !add_lineage(connection, &lineage) ||
        lineage.len + receipts.len > CALL_PIECE_BYTES / 2)
        return CALL_FULL; /* cannot be: both have smaller limits */
    piece = slice_part(buf_slice(&connection->plan.body), 0,
                       CALL_PIECE_BYTES - lineage.len - receipts.len);
    packets[0] = buf_slice(&open);
    if (receipts.len > 0)
        packets[count++] = receipts;
    if (lineage.len > 0)
        packets[count++] = buf_slice(&lineage);
    if (piece.len > 0)
        packets[count++] = piece;
    sent = call_send_batch(connection->call->fd, packets, count);
    if (sent == CALL_SENT) {
        connection->sent_bytes = piece.len;
        buf_free(&connection->plan.headers);
    }
    return sent;
}

void connection_call(struct connection *connection)
{
    struct door *door = connection->door;
    enum call_sent sent = CALL_GONE;

    if (connection->state != CONNECTION_WAITING)
        connection->turn = ++door->turns;
    connection->state = CONNECTION_WAITING;
    if (door->gateway_gone) {
        call_lost(connection);
        return;
    }
    if (door->spare_count == 0) {
        door->has_waiting = true;
        connection_flush(connection); /* sets what is waited for */
        return;
    }
    connection->state = CONNECTION_SENDING;
    stand_ins_take(door->stand_ins, &connection->plan.redaction);
    while (sent == CALL_GONE && door->spare_count > 0) { /* one may have been closed since */
        connection_call_close(connection);
        connection->call = spares_take(door, connection);
        sent = send_beginning(connection);
    }
    if (sent != CALL_SENT) {
        call_lost(connection);
        return;
    }
    send_body(connection);
}

static void take_failure(struct connection *connection, const struct call_fail *fail)
{
    struct buf body = buf_with_limit(4096);
    struct fault fault = {0};
    int status = fail->status >= 400 && fail->status <= 599 ? fail->status : 502;

    if (!call_text_valid(fail->code, sizeof(fail->code)) ||
        !call_text_valid(fail->message, sizeof(fail->message)) ||
        !dialect_error(connection->plan.dialect, status, fail->code, fail->message, &body,
                       &fault))
        call_lost(connection);
    else
        connection_answer(connection, status, buf_slice(&body));
    buf_free(&body);
}

/* The gateway has taken the whole request, and says that this was the end. */
static void note_end(struct connection *connection)
{
    connection->call_whole = connection->sent_bytes == connection->plan.open.body_bytes;
}

/* False: the call is over. */
static bool take_packet(struct connection *connection, struct slice packet)
{
    struct slice rest = slice_part(packet, 1, packet.len);
    bool ok = false;

    if (connection->plan.mcp.is_mcp)
        return connection_mcp_packet(connection, packet);
    switch ((enum call_packet)packet.at[0]) {
    case CALL_HEAD: {
        struct call_head head;

        if (packet.len == sizeof(head) && connection->reply == NULL) {
            memcpy(&head, packet.at, sizeof(head));
            ok = connection_reply_begin(connection, &head);
        }
        break;
    }
    case CALL_DATA:
        if (connection->reply != NULL)
            return connection_reply_take(connection, rest);
        break;
    case CALL_END:
        note_end(connection);
        if (connection->reply != NULL) {
            connection_reply_end(connection);
            return false;
        }
        break;
    case CALL_FAIL: {
        struct call_fail fail;

        if (packet.len == sizeof(fail) && connection->reply == NULL) {
            memcpy(&fail, packet.at, sizeof(fail));
            note_end(connection);
            take_failure(connection, &fail);
            return false;
        }
        break;
    }
    case CALL_SOCKET:
    case CALL_OPEN:
    case CALL_RECEIPTS:
    case CALL_LINEAGE:
    case CALL_BATCH:
    case CALL_MCP:
    case CALL_SEEN:
        break;
    }
    if (!ok)
        call_lost(connection);
    return ok;
}

static bool take_packets(struct connection *connection, struct slice packets)
{
    struct slice rest = slice_part(packets, 1, packets.len), packet;

    if (packets.at[0] != CALL_BATCH)
        return take_packet(connection, packets);
    while (call_next(&rest, &packet))
        if (!take_packet(connection, packet))
            return false;
    return true;
}

static void receive(struct connection *connection)
{
    struct door *door = connection->door;

    for (int i = 0;
         i < PACKETS_AT_ONCE && connection->out.len - connection->out_at < OUT_BYTES_HIGH;
         i++) {
        ssize_t got = call_receive(connection->call->fd, door->scratch, sizeof(door->scratch));

        if (got < 0 && errno == EAGAIN)
            break;
        if (got <= 0) {
            call_lost(connection);
            return;
        }
        if (!take_packets(connection, slice_of_bytes(door->scratch, (size_t)got)))
            return;
        if (got < SMALL_BYTES) /* most likely the only one: the loop tells of others */
            break;
    }
    connection_flush(connection);
    connection_call_watch(connection);
}

void connection_call_ready(struct connection *connection, uint32_t events)
{
    if (connection->state == CONNECTION_SENDING && (events & EPOLLIN) == 0) {
        send_body(connection);
        return;
    }
    connection->state = CONNECTION_ANSWER; /* an answer before the body's end is a refusal */
    receive(connection);
    connection_resume(connection); /* the next request may be here already */
}
