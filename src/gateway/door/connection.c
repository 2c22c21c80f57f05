#include "gateway/door/connection.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/dialect/dialect.h"
#include "os/clock_real.h"

#define READS_AT_ONCE 8
#define REQUEST_US (INT64_C(120) * 1000 * 1000) /* for a whole request to arrive */
#define IDLE_US (INT64_C(600) * 1000 * 1000)    /* between requests */
#define LINGER_US (INT64_C(2) * 1000 * 1000)
#define OUT_BYTES_MAX (1024 * 1024)
#define IN_BYTES_MAX (256 * 1024)
#define KEPT_BYTES_MAX 1024 /* of what is for the client, once it has it all */

static void on_ready(void *self, uint32_t events);

static void deadline_in(struct connection *connection, int64_t delay_us)
{
    connection->deadline_us = delay_us == 0 ? 0 : clock_monotonic_us(&clock_real) + delay_us;
}

bool connection_new(struct door *door, int fd, struct fault *fault)
{
    struct connection *connection = xalloc(sizeof(*connection));
    int on = 1;

    *connection =
        (struct connection){.door = door,
                            .fd = fd,
                            .events = EPOLLIN | EPOLLRDHUP,
                            .sorted = door->config.egress == NULL,
                            .first = buf_with_limit(HANDED_BYTES_MAX + DOOR_SCRATCH_BYTES),
                            .in = buf_with_limit(IN_BYTES_MAX),
                            .out = buf_with_limit(OUT_BYTES_MAX)};
    if (!loop_watch(door->loop, fd, connection->events, on_ready, connection,
                    &connection->watch, fault)) {
        free(connection);
        return false;
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    connection->request = http1_request_new(GATEWAY_BODY_BYTES_MAX);
    connection->next = door->connections;
    connection->previous = &door->connections;
    if (connection->next != NULL)
        connection->next->previous = &connection->next;
    door->connections = connection;
    door->connection_count++;
    deadline_in(connection, IDLE_US);
    return true;
}

void connection_count(struct connection *connection, size_t bytes)
{
    connection->door->body_bytes += bytes;
    connection->door->body_bytes -= connection->counted_bytes;
    connection->counted_bytes = bytes;
}

void connection_close(struct connection *connection)
{
    struct door *door = connection->door;
    struct fault fault = {0};

    if (connection->dead)
        return;
    connection->dead = true;
    connection_count(connection, 0);
    connection_call_close(connection);
    loop_unwatch(connection->watch);
    (void)close(connection->fd);
    *connection->previous = connection->next;
    if (connection->next != NULL)
        connection->next->previous = connection->previous;
    door->connection_count--;
    connection->next = door->dead;
    door->dead = connection;
    if (door->burial == NULL &&
        !loop_timer(door->loop, 0, connection_bury, door, &door->burial, &fault))
        door->burial = NULL;
}

void connection_bury(void *self)
{
    struct door *door = self;

    door->burial = NULL;
    while (door->dead != NULL) {
        struct connection *connection = door->dead;

        door->dead = connection->next;
        http1_request_free(connection->request);
        buf_free(&connection->first);
        buf_free(&connection->in);
        buf_free(&connection->out);
        plan_clear(&connection->plan);
        connection_reply_free(connection);
        free(connection);
    }
}

static void watch(struct connection *connection)
{
    uint32_t events = EPOLLRDHUP;
    struct fault fault = {0};

    if ((connection->state == CONNECTION_READING && !connection->closing) ||
        connection->state == CONNECTION_LINGER)
        events |= EPOLLIN;
    if (connection->state == CONNECTION_LINGER)
        events &= ~(uint32_t)EPOLLRDHUP;
    if (connection->out.len > 0)
        events |= EPOLLOUT;
    if (events != connection->events && loop_watch_change(connection->watch, events, &fault))
        connection->events = events;
}

static void linger(struct connection *connection)
{
    connection_call_close(connection);
    connection_count(connection, 0);
    http1_request_reset(connection->request);
    plan_clear(&connection->plan);
    connection_reply_free(connection);
    connection->state = CONNECTION_LINGER;
    deadline_in(connection, LINGER_US);
    if (shutdown(connection->fd, SHUT_WR) < 0)
        deadline_in(connection, 1);
    watch(connection);
}

void connection_flush(struct connection *connection)
{
    if (connection->dead)
        return;
    while (connection->out_at < connection->out.len) {
        ssize_t sent =
            send(connection->fd, connection->out.at + connection->out_at,
                 connection->out.len - connection->out_at, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && errno == EAGAIN)
            break;
        if (sent < 0) {
            connection_close(connection);
            return;
        }
        connection->out_at += (size_t)sent;
    }
    if (connection->out_at == connection->out.len) {
        if (connection->out.room > KEPT_BYTES_MAX)
            buf_free(&connection->out);
        buf_clear(&connection->out);
        connection->out_at = 0;
        if (connection->closing && connection->state != CONNECTION_LINGER) {
            linger(connection);
            return;
        }
    } else if (connection->out_at > OUT_BYTES_MAX / 4) {
        buf_drop_front(&connection->out, connection->out_at);
        connection->out_at = 0;
    }
    watch(connection);
}

static void begin_next(struct connection *connection)
{
    connection_count(connection, 0);
    http1_request_reset(connection->request);
    plan_clear(&connection->plan);
    connection_reply_free(connection);
    connection->plan = (struct plan){0};
    connection->state = CONNECTION_READING;
    connection->headed = connection->told_continue = false;
    connection->sent_bytes = 0;
    deadline_in(connection, IDLE_US);
}

void connection_finish(struct connection *connection, bool whole)
{
    connection_call_close(connection);
    if (!whole || !connection->keep_alive)
        connection->closing = true;
    if (!connection->closing)
        begin_next(connection);
    connection_flush(connection);
}

void connection_answer(struct connection *connection, int status, struct slice body)
{
    struct http1_header type = {SLICE("content-type"), SLICE("application/json")};
    struct fault fault = {0};

    if (!http1_response_head(&connection->out, status, &type, 1, body.len,
                             connection->keep_alive, &fault) ||
        !buf_add(&connection->out, body, &fault))
        connection->keep_alive = false; /* a client that reads nothing */
    connection_finish(connection, true);
}

void connection_refuse(struct connection *connection)
{
    struct door *door = connection->door;
    struct plan *plan = &connection->plan;
    struct buf body = buf_with_limit(8192), room = buf_with_limit(16384);
    struct record record;
    struct fault fault = {0};

    plan_record(&door->config, connection->request, plan, &room, &record);
    /* The refusal stands, recorded or not: without a ledger nothing at all passes. */
    (void)!door->config.ledger.record(door->config.ledger.self, &record, NULL, &fault);
    connection->keep_alive = connection->keep_alive && http1_request_done(connection->request);
    if (plan->mcp.is_mcp)
        (void)!mcp_call_error(&plan->mcp, &plan->status, plan->reason, plan->message, &body,
                              &fault);
    else
        (void)!dialect_error(plan->dialect, plan->status, plan->reason, plan->message, &body,
                             &fault);
    connection_answer(connection, plan->status, buf_slice(&body));
    buf_free(&body);
    buf_free(&room);
}

static void act(struct connection *connection)
{
    connection->keep_alive = http1_request_keep_alive(connection->request);
    deadline_in(connection, 0);
    if (mcp_is_path(http1_request_path(connection->request)))
        mcp_plan_request(&connection->door->config, connection->door->memory,
                         connection->request, &connection->plan);
    else
        plan_request(&connection->door->config, connection->request, &connection->plan);
    if (connection->plan.kind == PLAN_CALL) {
        connection_call(connection);
        return;
    }
    if (connection->plan.kind == PLAN_MODELS)
        connection_answer(connection, 200, buf_slice(&connection->plan.body));
    else
        connection_refuse(connection);
}

/* Head-only checks, once the head is there; false: refused. */
static bool head_fits(struct connection *connection)
{
    struct fault fault = {0};

    if (!http1_request_head_done(connection->request) ||
        http1_request_done(connection->request))
        return true;
    if (connection->plan.reason == NULL) {
        if (mcp_is_path(http1_request_path(connection->request)))
            mcp_plan_head(connection->request, &connection->plan);
        else
            plan_head(connection->request, &connection->plan);
    }
    if (connection->plan.kind == PLAN_REFUSE)
        return false;
    if (http1_request_wants_continue(connection->request) && !connection->told_continue) {
        connection->told_continue = true;
        return buf_add_text(&connection->out, "HTTP/1.1 100 Continue\r\n\r\n", &fault);
    }
    return true;
}

/* Feeds what was read. False: the request is refused (connection->plan says why). */
static bool feed(struct connection *connection, struct slice bytes, size_t *ret_used)
{
    struct fault fault = {0};

    if (!http1_request_begun(connection->request))
        deadline_in(connection, REQUEST_US);
    if (!http1_request_feed(connection->request, bytes, ret_used, &fault)) {
        plan_broken(connection->request, http1_request_status(connection->request), fault.why,
                    &connection->plan);
        return false;
    }
    connection_count(connection, http1_request_body(connection->request).len);
    if (connection->door->body_bytes > DOOR_BODIES_BYTES_MAX) {
        plan_broken(connection->request, 413, "too many large requests at once",
                    &connection->plan);
        connection->plan.reason = "busy";
        return false;
    }
    return head_fits(connection);
}

/* Takes bytes to the end of a request; what is behind it waits in `in`. */
static void take_bytes(struct connection *connection, struct slice bytes)
{
    struct fault fault = {0};
    size_t used;

    if (!feed(connection, bytes, &used)) {
        connection->keep_alive = false;
        buf_clear(&connection->in);
        connection_refuse(connection);
        return;
    }
    bytes = slice_part(bytes, used, bytes.len);
    if (bytes.len > 0 && !buf_add(&connection->in, bytes, &fault))
        connection->keep_alive = false; /* cannot be: one read is smaller than the limit */
    if (http1_request_done(connection->request))
        act(connection);
    else
        connection_flush(connection);
}

static bool may_read(const struct connection *connection)
{
    return !connection->dead && connection->state == CONNECTION_READING &&
           !connection->closing;
}

/* Pipelined requests are answered one after another. */
static void take_pipelined(struct connection *connection)
{
    while (may_read(connection) && connection->in.len > 0) {
        struct buf in = connection->in;

        connection->in = buf_with_limit(IN_BYTES_MAX);
        take_bytes(connection, buf_slice(&in));
        buf_free(&in);
    }
}

/* Bytes of a connection of which it is not known yet whose it is. True: they are the door's. */
static bool sort(struct connection *connection, struct slice *bytes)
{
    const struct door_egress *egress = connection->door->config.egress;
    struct fault fault = {0};
    enum handed whose;

    if (!buf_add(&connection->first, *bytes, &fault))
        return true; /* cannot be: undecided bytes and one read have room */
    *bytes = buf_slice(&connection->first);
    whose = handed_read(egress, *bytes);
    if (whose == HANDED_UNKNOWN)
        return false;
    connection->sorted = true;
    if (whose == HANDED_NO)
        return true;
    (void)!handed_on(egress, connection->fd, *bytes,
                     &fault); /* who is gone has ended the run */
    connection_close(connection);
    return false;
}

static void swallow(struct connection *connection)
{
    struct door *door = connection->door;

    for (int i = 0; i < READS_AT_ONCE; i++) {
        ssize_t got = recv(connection->fd, door->scratch, sizeof(door->scratch), MSG_DONTWAIT);

        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (got <= 0) {
            connection_close(connection);
            return;
        }
    }
}

static void read_request(struct connection *connection)
{
    struct door *door = connection->door;

    for (int i = 0; i < READS_AT_ONCE && may_read(connection); i++) {
        ssize_t got = recv(connection->fd, door->scratch, sizeof(door->scratch), MSG_DONTWAIT);
        struct slice bytes;

        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (got <= 0) {
            connection_close(connection);
            return;
        }
        bytes = slice_of_bytes(door->scratch, (size_t)got);
        if (!connection->sorted && !sort(connection, &bytes))
            continue;
        take_bytes(connection, bytes);
        buf_free(&connection->first);
        take_pipelined(connection);
    }
}

static void on_ready(void *self, uint32_t events)
{
    struct connection *connection = self;

    if (connection->state == CONNECTION_LINGER) {
        swallow(connection);
        return;
    }
    /* A client that has closed, or half closed, has gone: its call is cancelled. */
    if ((events & (EPOLLERR | EPOLLHUP)) != 0 ||
        ((events & EPOLLRDHUP) != 0 && connection->state != CONNECTION_READING)) {
        connection_close(connection);
        return;
    }
    if ((events & EPOLLOUT) != 0) {
        connection_flush(connection);
        connection_call_watch(connection);
    }
    if (may_read(connection))
        read_request(connection);
    else if (!connection->dead)
        watch(connection); /* more requests wait until this one is answered */
}

void connection_resume(struct connection *connection)
{
    if (!connection->dead && connection->state == CONNECTION_WAITING)
        connection_call(connection);
    take_pipelined(connection);
}
