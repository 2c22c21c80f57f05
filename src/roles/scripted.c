#include "roles/scripted.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

#include <jansson.h>

#include "base/scope.h"
#include "os/file.h"
#include "os/loop.h"
#include "wire/http1.h"

#define CONNECTIONS_MAX 256
#define OUT_BYTES_MAX (64 * 1024 * 1024)
#define LOG_BYTES_MAX (96 * 1024 * 1024)

struct connection {
    struct server *server;
    struct connection *next;
    int fd;
    struct loop_watch *watch;
    struct loop_timer *timer; /* the answer's delay or pace; NULL: none runs */
    struct http1_request *request;
    struct script_answer answer;
    bool answering;  /* an answer is under way; nothing is read */
    bool last;       /* close behind it */
    size_t answered; /* bytes of answer.body that are in `out` */
    struct buf out;
};

struct server {
    const struct scripted *settings;
    struct loop *loop;
    int signals;
    struct connection *connections;
    size_t count;
};

bool scripted_listen(uint16_t port, int *ret_listener, uint16_t *ret_port, struct fault *fault)
{
    AUTO_CLOSE int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int yes = 1;

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) < 0 ||
        bind(fd, (struct sockaddr *)&address, len) < 0 || listen(fd, 64) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) < 0)
        return fault_errno(fault, "listen on 127.0.0.1:%u", (unsigned)port);
    *ret_port = ntohs(address.sin_port);
    *ret_listener = take_fd(&fd);
    return true;
}

static void connection_free(struct connection *connection)
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
    script_answer_free(&connection->answer);
    buf_free(&connection->out);
    free(connection);
}

static json_t *text_or_note(struct slice text)
{
    json_t *value = json_stringn((const char *)text.at, text.len);

    return value != NULL ? value : json_string("(not UTF-8)");
}

static json_t *headers_of(const struct http1_request *request)
{
    json_t *headers = json_array();

    for (size_t i = 0; i < http1_request_header_count(request); i++) {
        struct http1_header header = http1_request_header_at(request, i);

        (void)json_array_append_new(headers, json_pack("[o,o]", text_or_note(header.name),
                                                       text_or_note(header.value)));
    }
    return headers;
}

/* One line a request; what cannot be written is lost, the answer is not. */
static void log_exchange(const struct connection *connection)
{
    const struct http1_request *request = connection->request;
    const struct script_answer *answer = &connection->answer;
    struct slice body = http1_request_body(request);
    AUTO_BUF struct buf line = buf_with_limit(LOG_BYTES_MAX);
    AUTO_FREE char *text = NULL;
    struct fault ignored = {0};
    json_t *parsed, *record;

    if (connection->server->settings->log < 0)
        return;
    parsed = json_loadb((const char *)body.at, body.len, 0, NULL);
    record =
        json_pack("{s:o,s:o,s:o,s:o,s:s,s:i,s:i,s:o}", "method",
                  text_or_note(http1_request_method(request)), "target",
                  text_or_note(http1_request_path(request)), "headers", headers_of(request),
                  "body", parsed != NULL ? parsed : text_or_note(body), "dialect",
                  answer->dialect, "turn", answer->turn, "status", answer->status, "answer",
                  text_or_note(buf_slice(&answer->body)));
    text = json_dumps(record, JSON_COMPACT);
    json_decref(record);
    if (text == NULL || !buf_add_text(&line, text, &ignored) ||
        !buf_add_byte(&line, '\n', &ignored))
        return;
    (void)!file_write_all(connection->server->settings->log, buf_slice(&line), &ignored);
}

static bool put_head(struct connection *connection, struct fault *fault)
{
    const struct script_answer *answer = &connection->answer;
    const struct http1_header headers[] = {
        {SLICE("content-type"), slice_of(answer->content_type)},
        {SLICE("cache-control"), SLICE("no-cache")},
        {SLICE("x-custody-scripted"), SLICE("true")},
    };

    return http1_response_head(&connection->out, answer->status, headers, COUNT(headers),
                               answer->streamed ? HTTP1_CHUNKED : answer->body.len,
                               !connection->last, fault);
}

/* The next event of a stream as one chunk, or the whole of a body; the end behind the last. */
static bool put_next(struct connection *connection, struct fault *fault)
{
    struct slice body = buf_slice(&connection->answer.body);
    size_t end = slice_find(body, SLICE("\n\n"), connection->answered);
    struct slice part =
        slice_part(body, connection->answered, end == SIZE_MAX ? body.len : end + 2);

    if (!connection->answer.streamed) {
        connection->answered = body.len;
        return buf_add(&connection->out, body, fault);
    }
    connection->answered += part.len;
    return http1_chunk(&connection->out, part, fault) &&
           (connection->answered < body.len || http1_chunk_end(&connection->out, fault));
}

static void read_on(struct connection *connection, struct slice bytes);

/* Sends what there is; false: the connection is gone. */
static bool flush(struct connection *connection)
{
    struct fault ignored = {0};
    uint32_t events = connection->answering ? 0 : EPOLLIN;

    while (connection->out.len > 0) {
        ssize_t sent = send(connection->fd, connection->out.at, connection->out.len,
                            MSG_NOSIGNAL | MSG_DONTWAIT);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && errno != EAGAIN) {
            connection_free(connection);
            return false;
        }
        if (sent < 0)
            break;
        buf_drop_front(&connection->out, (size_t)sent);
    }
    if (connection->out.len > 0)
        events |= EPOLLOUT;
    if (!loop_watch_change(connection->watch, events | EPOLLRDHUP, &ignored)) {
        connection_free(connection);
        return false;
    }
    return true;
}

static void finish(struct connection *connection)
{
    bool last = connection->last;

    script_answer_free(&connection->answer);
    connection->answer = (struct script_answer){0};
    connection->answering = false;
    connection->answered = 0;
    http1_request_reset(connection->request);
    if (last)
        (void)shutdown(connection->fd, SHUT_WR);
    read_on(connection, (struct slice){0});
}

static void on_due(void *self)
{
    struct connection *connection = self;
    struct fault ignored = {0};
    int pace_ms = connection->answer.streamed ? connection->answer.pace_ms : 0;
    bool ok = connection->answered > 0 || put_head(connection, &ignored);

    connection->timer = NULL;
    do
        ok = ok && put_next(connection, &ignored);
    while (ok && pace_ms == 0 && connection->answered < connection->answer.body.len);
    if (!ok) {
        connection_free(connection);
        return;
    }
    if (!flush(connection))
        return;
    if (connection->answered < connection->answer.body.len)
        ok = loop_timer(connection->server->loop, (int64_t)pace_ms * 1000, on_due, connection,
                        &connection->timer, &ignored);
    else if (connection->out.len == 0)
        finish(connection);
    if (!ok)
        connection_free(connection);
}

/* A request is whole, or what came is none: answers it. */
static void answer(struct connection *connection, int refused)
{
    struct fault ignored = {0};
    struct http1_request *request = connection->request;

    connection->answering = true;
    connection->last = refused != 0 || !http1_request_keep_alive(request);
    if (refused == 0 && (http1_request_wants_upgrade(request) ||
                         slice_equal(http1_request_method(request), SLICE("CONNECT"))))
        refused = 501;
    if (refused == 0) {
        script_answer(connection->server->settings->script, http1_request_method(request),
                      http1_request_path(request), http1_request_body(request),
                      &connection->answer);
        log_exchange(connection);
    } else {
        connection->last = true;
        connection->answer = (struct script_answer){.status = refused,
                                                    .content_type = "text/plain",
                                                    .body = buf_with_limit(256),
                                                    .dialect = ""};
        if (!buf_add_format(&connection->answer.body, &ignored, "%s\n",
                            http1_reason(refused))) {
            connection_free(connection);
            return;
        }
    }
    if (!loop_timer(connection->server->loop, (int64_t)connection->answer.delay_ms * 1000,
                    on_due, connection, &connection->timer, &ignored) ||
        !loop_watch_change(connection->watch, EPOLLRDHUP, &ignored))
        connection_free(connection);
}

/* Bytes behind the end of a request are not taken: no agent pipelines; the connection is
 * closed. */
static void read_on(struct connection *connection, struct slice bytes)
{
    struct fault fault = {0};
    size_t used = 0;

    if (bytes.len > 0) {
        if (!http1_request_feed(connection->request, bytes, &used, &fault)) {
            answer(connection, http1_request_status(connection->request));
            return;
        }
        if (http1_request_done(connection->request)) {
            answer(connection, used < bytes.len ? 400 : 0);
            return;
        }
        if (http1_request_head_done(connection->request) &&
            http1_request_wants_continue(connection->request)) {
            answer(connection, 417);
            return;
        }
    }
    (void)flush(connection);
}

static void on_ready(void *self, uint32_t events)
{
    struct connection *connection = self;
    uint8_t chunk[8192];
    ssize_t got;

    if ((events & (EPOLLERR | EPOLLHUP)) != 0) {
        connection_free(connection);
        return;
    }
    if ((events & EPOLLOUT) != 0) {
        if (!flush(connection))
            return;
        if (connection->answering && connection->out.len == 0 && connection->timer == NULL &&
            connection->answered >= connection->answer.body.len) {
            finish(connection);
            return;
        }
    }
    if (connection->answering) {
        if ((events & EPOLLRDHUP) != 0) /* nobody waits for the answer any more */
            connection_free(connection);
        return;
    }
    got = read(connection->fd, chunk, sizeof(chunk));
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0)
        connection_free(connection);
    else
        read_on(connection, slice_of_bytes(chunk, (size_t)got));
}

static void on_accept(void *self, uint32_t events)
{
    struct server *server = self;
    struct fault ignored = {0};
    struct connection *connection;
    int yes = 1;
    int fd = accept4(server->settings->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    (void)events;
    if (fd < 0)
        return;
    if (server->count >= CONNECTIONS_MAX) {
        (void)close(fd);
        return;
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    connection = xalloc(sizeof(*connection));
    connection->server = server;
    connection->fd = fd;
    connection->request = http1_request_new(SCRIPT_REQUEST_BYTES_MAX);
    connection->out = buf_with_limit(OUT_BYTES_MAX);
    connection->next = server->connections;
    server->connections = connection;
    server->count++;
    if (!loop_watch(server->loop, fd, EPOLLIN | EPOLLRDHUP, on_ready, connection,
                    &connection->watch, &ignored))
        connection_free(connection);
}

static void on_signal(void *self, uint32_t events)
{
    struct server *server = self;
    struct signalfd_siginfo taken;

    (void)events;
    (void)!read(server->signals, &taken,
                sizeof(taken)); /* else it would strike when unblocked */
    loop_stop(server->loop);
}

static bool serve_until(struct server *server, struct fault *fault)
{
    struct loop_watch *accepting = NULL, *ending = NULL;
    bool ok = loop_watch(server->loop, server->settings->listener, EPOLLIN, on_accept, server,
                         &accepting, fault) &&
              loop_watch(server->loop, server->signals, EPOLLIN, on_signal, server, &ending,
                         fault) &&
              loop_run(server->loop, fault);

    while (server->connections != NULL)
        connection_free(server->connections);
    loop_unwatch(accepting);
    loop_unwatch(ending);
    return ok;
}

bool scripted_serve(const struct scripted *scripted, struct fault *fault)
{
    struct server server = {.settings = scripted};
    AUTO_CLOSE int signals = -1;
    sigset_t ending, before;
    bool ok;

    (void)sigemptyset(&ending);
    (void)sigaddset(&ending, SIGTERM);
    (void)sigaddset(&ending, SIGINT);
    signals = signalfd(-1, &ending, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signals < 0)
        return fault_errno(fault, "watch signals");
    if (!loop_new(&server.loop, fault))
        return false;
    server.signals = signals;
    (void)sigprocmask(SIG_BLOCK, &ending, &before);
    ok = serve_until(&server, fault);
    loop_free(server.loop);
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    return ok;
}

int scripted_role(void *self)
{
    struct fault fault = {0};

    if (scripted_serve(self, &fault))
        return 0;
    (void)fprintf(stderr, "<3>scripted model: %s\n", fault.why);
    return fault_exit_code(fault.kind);
}
