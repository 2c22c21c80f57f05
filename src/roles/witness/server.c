/*
 * One request a connection, ten seconds from its first byte to the last of the answer: a slow
 * peer costs a descriptor and no more. Requests are judged one by one, each to its end.
 */
#include "roles/witness/server.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/scope.h"
#include "os/loop.h"
#include "wire/http1.h"

#define CONNECTIONS_MAX 512
#define CONNECTION_US 10000000
#define READ_BYTES 8192
#define OUT_BYTES_MAX (NOTE_BYTES_MAX + 4096)

struct server {
    int listener;
    struct witness *witness;
    struct loop *loop;
    struct connection *connections;
    size_t count;
    bool is_alone; /* the holder of the key has ended */
};

struct connection {
    struct server *server;
    struct connection *next;
    int fd;
    struct loop_watch *watch;
    struct loop_timer *timer;
    struct http1_request *request;
    struct buf out;
    bool answered; /* what still comes is read and forgotten, so that the answer arrives */
};

static void drop(struct connection *connection)
{
    struct connection **at = &connection->server->connections;

    while (*at != connection)
        at = &(*at)->next;
    *at = connection->next;
    connection->server->count--;
    loop_timer_cancel(connection->timer);
    loop_unwatch(connection->watch);
    (void)close(connection->fd);
    http1_request_free(connection->request);
    buf_free(&connection->out);
    free(connection);
}

static void on_late(void *self)
{
    struct connection *connection = self;

    connection->timer = NULL;
    drop(connection);
}

static void judge(struct server *server, const struct http1_request *request,
                  struct witness_answer *ret_answer)
{
    struct slice method = http1_request_method(request);
    struct slice path = http1_request_path(request);

    *ret_answer = (struct witness_answer){
        .status = 404, .type = "text/plain; charset=utf-8", .body = buf_with_limit(1024)};
    if (slice_equal(path, SLICE("/add-checkpoint"))) {
        if (slice_equal(method, SLICE("POST")))
            witness_add_checkpoint(server->witness, http1_request_body(request), ret_answer);
        else
            ret_answer->status = 405;
    } else if (slice_equal(method, SLICE("GET"))) {
        witness_get_checkpoint(server->witness, path, ret_answer);
    }
}

static bool write_answer(struct connection *connection, const struct witness_answer *answer,
                         struct fault *fault)
{
    const struct http1_header headers[] = {
        {SLICE("content-type"), slice_of(answer->type)},
        {SLICE("cache-control"), SLICE("no-store")},
    };

    return http1_response_head(&connection->out, answer->status, headers, COUNT(headers),
                               answer->body.len, false, fault) &&
           buf_add(&connection->out, buf_slice(&answer->body), fault);
}

/* False: the connection is gone. */
static bool flush(struct connection *connection)
{
    struct fault ignored = {0};

    while (connection->out.len > 0) {
        ssize_t sent = send(connection->fd, connection->out.at, connection->out.len,
                            MSG_NOSIGNAL | MSG_DONTWAIT);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && errno == EAGAIN)
            return loop_watch_change(connection->watch, EPOLLIN | EPOLLOUT, &ignored);
        if (sent < 0)
            return false;
        buf_drop_front(&connection->out, (size_t)sent);
    }
    return shutdown(connection->fd, SHUT_WR) == 0 &&
           loop_watch_change(connection->watch, EPOLLIN, &ignored);
}

static bool answer(struct connection *connection, int refused)
{
    struct witness_answer answer = {.status = refused, .type = "text/plain; charset=utf-8"};
    struct fault ignored = {0};
    bool ok;

    connection->answered = true;
    if (refused == 0)
        judge(connection->server, connection->request, &answer);
    ok = write_answer(connection, &answer, &ignored);
    witness_answer_free(&answer);
    return ok && flush(connection);
}

/* False: the connection is over. */
static bool take(struct connection *connection, struct slice bytes)
{
    struct fault fault = {0};
    size_t used;

    if (connection->answered)
        return true;
    if (!http1_request_feed(connection->request, bytes, &used, &fault))
        return answer(connection, http1_request_status(connection->request));
    if (http1_request_done(connection->request))
        return answer(connection, 0);
    if (http1_request_head_done(connection->request) &&
        http1_request_wants_continue(connection->request))
        return answer(connection, 417);
    return true;
}

static void on_ready(void *self, uint32_t events)
{
    struct connection *connection = self;
    uint8_t chunk[READ_BYTES];
    ssize_t got;

    if ((events & EPOLLOUT) != 0 && !flush(connection)) {
        drop(connection);
        return;
    }
    got = recv(connection->fd, chunk, sizeof(chunk), MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0 || !take(connection, slice_of_bytes(chunk, (size_t)got)))
        drop(connection);
}

static void add(struct server *server, int fd)
{
    struct connection *connection = xalloc(sizeof(*connection));
    struct fault ignored = {0};

    *connection = (struct connection){.server = server,
                                      .next = server->connections,
                                      .fd = fd,
                                      .request = http1_request_new(WITNESS_BODY_BYTES_MAX),
                                      .out = buf_with_limit(OUT_BYTES_MAX)};
    server->connections = connection;
    server->count++;
    if (!loop_watch(server->loop, fd, EPOLLIN, on_ready, connection, &connection->watch,
                    &ignored) ||
        !loop_timer(server->loop, CONNECTION_US, on_late, connection, &connection->timer,
                    &ignored))
        drop(connection);
}

static void on_listener(void *self, uint32_t events)
{
    struct server *server = self;
    int fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    (void)events;
    if (fd < 0)
        return;
    if (server->count == CONNECTIONS_MAX) /* each of them ends within ten seconds */
        (void)close(fd);
    else
        add(server, fd);
}

static void on_signal(void *self, uint32_t events)
{
    struct server *server = self;

    (void)events;
    loop_stop(server->loop);
}

/* It speaks only when it is asked, and is heard at once: what shows here is its end. */
static void on_guard(void *self, uint32_t events)
{
    struct server *server = self;

    (void)events;
    server->is_alone = true;
    loop_stop(server->loop);
}

bool witness_server_run(int listener, int signals, int guard, struct witness *witness,
                        struct fault *fault)
{
    struct server server = {.listener = listener, .witness = witness};
    struct loop_watch *listening = NULL, *signalled = NULL, *guarded = NULL;
    bool ok;

    if (!loop_new(&server.loop, fault))
        return false;
    ok = loop_watch(server.loop, listener, EPOLLIN, on_listener, &server, &listening, fault) &&
         loop_watch(server.loop, signals, EPOLLIN, on_signal, &server, &signalled, fault) &&
         loop_watch(server.loop, guard, EPOLLIN, on_guard, &server, &guarded, fault) &&
         loop_run(server.loop, fault);
    if (ok && server.is_alone)
        ok = fault_set(fault, FAULT_IO,
                       "the process that holds the witness's key has ended; start it again");
    while (server.connections != NULL)
        drop(server.connections);
    loop_unwatch(listening);
    loop_unwatch(signalled);
    loop_unwatch(guarded);
    loop_free(server.loop);
    return ok;
}
