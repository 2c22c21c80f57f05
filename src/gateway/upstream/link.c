#include "gateway/upstream/link.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/scope.h"
#include "gateway/upstream/dial.h"
#include "wire/http1_response.h"

#define CONNECT_BYTES_MAX (16 * 1024)
#define RECORD_BYTES (16 * 1024) /* of TLS */

enum link_state {
    LINK_RESOLVING,
    LINK_DIALLING,
    LINK_TUNNEL, /* CONNECT is sent, or its answer awaited */
    LINK_HANDSHAKE,
    LINK_OPEN,
};

struct link {
    struct loop *loop;
    struct resolver *resolver;
    const struct link_place *place;
    const struct link_events *events;
    void *self;
    enum link_state state;
    struct resolver_wait *wait;
    struct dial *dial;
    struct loop_timer *later; /* literal addresses are not asked for */
    struct addresses addresses;
    int fd;
    struct loop_watch *watch;
    uint32_t awaited;
    struct buf connect; /* CONNECT's head, until it is sent */
    size_t connect_at;
    struct http1_response *answer; /* to it */
    struct tls_stream *tls;
};

static void on_ready(void *self, uint32_t events);

void link_free(struct link *link)
{
    if (link == NULL)
        return;
    resolver_forget(link->wait);
    dial_cancel(link->dial);
    loop_timer_cancel(link->later);
    loop_unwatch(link->watch);
    tls_close(link->tls);
    scope_close(&link->fd);
    buf_free_secret(&link->connect);
    http1_response_free(link->answer);
    free(link);
}

static void fail(struct link *link, enum link_failure why)
{
    link->events->failed(link->self, why);
}

/* Nothing at all: a hang-up would be told for ever. */
static void await(struct link *link, uint32_t events)
{
    struct fault fault = {0};
    bool ok = true;

    if (link->awaited == events)
        return;
    if (events == 0) {
        loop_unwatch(link->watch);
        link->watch = NULL;
    } else if (link->watch != NULL) {
        ok = loop_watch_change(link->watch, events, &fault);
    } else {
        ok = loop_watch(link->loop, link->fd, events, on_ready, link, &link->watch, &fault);
    }
    if (ok)
        link->awaited = events;
}

void link_await(struct link *link, bool readable, bool writable)
{
    await(link, (readable ? EPOLLIN : 0U) | (writable ? EPOLLOUT : 0U));
}

/* ---- TLS ---- */

static void shake_hands(struct link *link)
{
    struct fault fault = {0};

    switch (tls_handshake(link->tls, &fault)) {
    case TLS_DONE:
        link->state = LINK_OPEN;
        await(link, EPOLLIN);
        link->events->opened(link->self);
        return;
    case TLS_WANTS_READ:
        await(link, EPOLLIN);
        return;
    case TLS_WANTS_WRITE:
        await(link, EPOLLOUT);
        return;
    case TLS_END:
    case TLS_BROKEN:
        fail(link, fault.kind == FAULT_DENIED ? LINK_UNTRUSTED : LINK_UNREACHABLE);
        return;
    }
}

/* The way to the host is open: by a tunnel, or at once. */
static void begin_talk(struct link *link)
{
    struct fault fault = {0};

    if (link->place->tls == NULL) {
        link->state = LINK_OPEN;
        await(link, EPOLLIN);
        link->events->opened(link->self);
        return;
    }
    link->state = LINK_HANDSHAKE;
    if (tls_open(link->place->tls, link->fd, &link->tls, &fault))
        shake_hands(link);
    else
        fail(link, LINK_UNTRUSTED);
}

/* ---- the proxy ---- */

static bool write_connect(struct link *link, struct fault *fault)
{
    const struct link_place *place = link->place;
    bool bracket = slice_find_byte(place->host, ':', 0) != SIZE_MAX;

    for (int i = 0; i < 2; i++)
        if (!buf_add_format(&link->connect, fault,
                            i == 0 ? "CONNECT %s%.*s%s:%u HTTP/1.1\r\n"
                                   : "Host: %s%.*s%s:%u\r\n",
                            bracket ? "[" : "", SLICE_ARGS(place->host), bracket ? "]" : "",
                            (unsigned)place->port))
            return false;
    return buf_add(&link->connect, place->proxy_header, fault) &&
           buf_add_text(&link->connect, "\r\n", fault);
}

static bool send_connect(struct link *link)
{
    while (link->connect_at < link->connect.len) {
        ssize_t put = send(link->fd, link->connect.at + link->connect_at,
                           link->connect.len - link->connect_at, MSG_NOSIGNAL);

        if (put < 0 && errno == EAGAIN) {
            await(link, EPOLLOUT);
            return true;
        }
        if (put < 0 && errno != EINTR)
            return false;
        link->connect_at += put > 0 ? (size_t)put : 0;
    }
    await(link, EPOLLIN);
    return true;
}

/* Byte by byte behind the head would be TLS's: a proxy says nothing before we do. */
static bool read_tunnel_answer(struct link *link, bool *ret_open)
{
    uint8_t room[4096];
    ssize_t got = recv(link->fd, room, sizeof(room), 0);
    struct fault fault = {0};
    struct slice piece;
    size_t used = 0;

    *ret_open = false;
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    if (got <= 0 || !http1_response_feed(link->answer, slice_of_bytes(room, (size_t)got),
                                         &used, &piece, &fault))
        return false;
    if (!http1_response_head_done(link->answer))
        return true;
    *ret_open = http1_response_done(link->answer) && used == (size_t)got &&
                http1_response_status(link->answer) < 300;
    return *ret_open;
}

static void on_tunnel(struct link *link, uint32_t events)
{
    bool open = false;

    if ((events & EPOLLOUT) != 0 && !send_connect(link)) {
        fail(link, LINK_REFUSED);
        return;
    }
    if ((events & ~(uint32_t)EPOLLOUT) == 0)
        return;
    if (!read_tunnel_answer(link, &open)) {
        fail(link, LINK_REFUSED);
    } else if (open) {
        buf_free_secret(&link->connect);
        http1_response_free(link->answer);
        link->answer = NULL;
        begin_talk(link);
    }
}

/* ---- the way there ---- */

static void on_ready(void *self, uint32_t events)
{
    struct link *link = self;

    if (link->state == LINK_OPEN)
        link->events->ready(link->self, events);
    else if (link->state == LINK_HANDSHAKE)
        shake_hands(link);
    else
        on_tunnel(link, events);
}

static void on_dialled(void *self, int fd)
{
    struct link *link = self;
    struct fault fault = {0};

    link->dial = NULL;
    link->fd = fd;
    link->awaited = EPOLLIN;
    if (fd < 0 ||
        !loop_watch(link->loop, fd, link->awaited, on_ready, link, &link->watch, &fault)) {
        fail(link, LINK_UNREACHABLE);
    } else if (link->place->proxy_host.len == 0) {
        begin_talk(link);
    } else {
        link->state = LINK_TUNNEL;
        link->answer = http1_response_new(0);
        http1_response_reset(link->answer, true);
        if (!write_connect(link, &fault) || !send_connect(link))
            fail(link, LINK_REFUSED);
    }
}

static void dial(struct link *link)
{
    const struct link_place *place = link->place;
    uint16_t port = place->proxy_host.len > 0 ? place->proxy_port : place->port;
    struct fault fault = {0};

    link->state = LINK_DIALLING;
    if (place->loopback_only)
        addresses_keep_loopback(&link->addresses);
    if (!dial_begin(link->loop, &link->addresses, port, on_dialled, link, &link->dial, &fault))
        fail(link, LINK_UNREACHABLE);
}

static void on_later(void *self)
{
    struct link *link = self;

    link->later = NULL;
    dial(link);
}

static void on_resolved(void *self, const struct addresses *addresses)
{
    struct link *link = self;

    link->wait = NULL;
    link->addresses = *addresses;
    dial(link);
}

bool link_new(struct loop *loop, struct resolver *resolver, const struct link_place *place,
              const struct link_events *events, void *self, struct link **ret_link,
              struct fault *fault)
{
    struct slice host = place->proxy_host.len > 0 ? place->proxy_host : place->host;
    struct link *link = xalloc(sizeof(*link));
    bool ok;

    *link = (struct link){.loop = loop,
                          .resolver = resolver,
                          .place = place,
                          .events = events,
                          .self = self,
                          .fd = -1,
                          .connect = buf_with_limit(CONNECT_BYTES_MAX)};
    if (addresses_literal(host, &link->addresses))
        ok = loop_timer(loop, 0, on_later, link, &link->later, fault);
    else
        ok = resolver_ask(resolver, host, on_resolved, link, &link->wait, fault);
    if (!ok) {
        link_free(link);
        return false;
    }
    *ret_link = link;
    return true;
}

/* ---- bytes ---- */

static enum link_io io_of(struct link *link, enum tls_result result)
{
    switch (result) {
    case TLS_DONE:
        return LINK_MOVED;
    case TLS_WANTS_WRITE:
        await(link, link->awaited | EPOLLOUT);
        return LINK_LATER;
    case TLS_WANTS_READ:
        return LINK_LATER;
    case TLS_END:
        return LINK_END;
    case TLS_BROKEN:
        break;
    }
    return LINK_BROKEN;
}

enum link_io link_read(struct link *link, uint8_t *room, size_t room_len, size_t *ret_got)
{
    ssize_t got;

    if (link->tls != NULL)
        return io_of(link, tls_read(link->tls, room, room_len, ret_got));
    do
        got = recv(link->fd, room, room_len, 0);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return errno == EAGAIN ? LINK_LATER : LINK_BROKEN;
    *ret_got = (size_t)got;
    return got == 0 ? LINK_END : LINK_MOVED;
}

static enum link_io write_tls(struct link *link, struct slice head, struct slice body,
                              size_t *ret_put)
{
    static uint8_t joined[RECORD_BYTES]; /* one loop, no threads of ours */
    size_t rest;

    if (head.len == 0)
        return io_of(link, tls_write(link->tls, body, ret_put));
    head = slice_part(head, 0, sizeof(joined));
    body = slice_part(body, 0, sizeof(joined) - head.len);
    rest = body.len;
    memcpy(joined, head.at, head.len);
    if (rest > 0)
        memcpy(joined + head.len, body.at, rest);
    return io_of(link, tls_write(link->tls, slice_of_bytes(joined, head.len + rest), ret_put));
}

enum link_io link_write(struct link *link, struct slice head, struct slice body,
                        size_t *ret_put)
{
    struct iovec parts[] = {{.iov_base = (void *)(uintptr_t)head.at, .iov_len = head.len},
                            {.iov_base = (void *)(uintptr_t)body.at, .iov_len = body.len}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = COUNT(parts)};
    ssize_t put;

    if (link->tls != NULL)
        return write_tls(link, head, body, ret_put);
    do
        put = sendmsg(link->fd, &message, MSG_NOSIGNAL);
    while (put < 0 && errno == EINTR);
    if (put < 0)
        return errno == EAGAIN ? LINK_LATER : LINK_BROKEN;
    *ret_put = (size_t)put;
    return LINK_MOVED;
}

bool link_reads_ahead(const struct link *link)
{
    return link->tls != NULL;
}

const char *link_certificate(const struct link *link)
{
    return link->tls == NULL ? "" : tls_certificate(link->tls);
}
