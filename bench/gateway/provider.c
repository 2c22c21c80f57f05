/*
 * A provider on loopback: one process, epoll; answers Chat Completions with fixed texts, whole
 * or in chunks at a pace. It looks at a request no closer than it must.
 *
 * Usage: bench-gateway-provider --port P [--chunks N] [--gap-us T]
 *   chunks  of a stream, 200 bytes each; 0: the answer is whole
 *   gap-us  between two of them; 0: as the socket takes them
 */
#include "common.h"

#include <stdbool.h>
#include <sys/timerfd.h>

#define ROOM (256 * 1024)
#define CONNECTIONS_MAX 65536
#define CHUNK_BYTES 200

struct connection {
    char *room; /* head of a request; of the body only a count is kept */
    size_t len;
    size_t body_left;
    bool in_body, streams;
    long chunks_left;
    int64_t due_us;
};

static struct connection *connections[CONNECTIONS_MAX];
static int streaming[CONNECTIONS_MAX];
static int streaming_count;
static long chunks, gap_us;
static char whole[2048], head[512], chunk[512], last[1024];
static size_t whole_len, head_len, chunk_len, last_len;

static void make_texts(void)
{
    char data[CHUNK_BYTES + 64], fill[CHUNK_BYTES];
    const char *body =
        "{\"id\":\"c-1\",\"object\":\"chat.completion\",\"created\":1,\"model\":\"m\","
        "\"choices\":[{"
        "\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"Renamed the function "
        "and its two "
        "callers; the tests still "
        "pass.\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":250,"
        "\"completion_tokens\":20,\"total_tokens\":270}}";
    char end[512];
    size_t end_len;
    int len;

    whole_len = (size_t)snprintf(whole, sizeof(whole),
                                 "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                                 "Content-Length: %zu\r\n\r\n%s",
                                 strlen(body), body);
    head_len = (size_t)snprintf(head, sizeof(head),
                                "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                                "Transfer-Encoding: chunked\r\n\r\n");
    memset(fill, 'w', sizeof(fill));
    len = snprintf(
        data, sizeof(data),
        "data: {\"id\":\"c-1\",\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,"
        "\"delta\":{\"content\":\"%.*s\"},\"finish_reason\":null}]}\n\n",
        CHUNK_BYTES - 119, fill);
    chunk_len = (size_t)snprintf(chunk, sizeof(chunk), "%x\r\n%s\r\n", (unsigned)len, data);
    end_len = (size_t)snprintf(end, sizeof(end),
                               "data: {\"id\":\"c-1\",\"object\":\"chat.completion.chunk\","
                               "\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":"
                               "\"stop\"}]}\n\ndata: [DONE]\n\n");
    last_len = (size_t)snprintf(last, sizeof(last), "%zx\r\n%s\r\n0\r\n\r\n", end_len, end);
}

static void put(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t sent = send(fd, bytes, len, MSG_NOSIGNAL);

        if (sent < 0 && errno == EAGAIN) {
            usleep(50);
            continue;
        }
        if (sent <= 0)
            return;
        bytes += sent;
        len -= (size_t)sent;
    }
}

static void drop(int fd)
{
    free(connections[fd]->room);
    free(connections[fd]);
    connections[fd] = NULL;
    (void)close(fd);
}

static void answer(int fd)
{
    struct connection *at = connections[fd];

    at->len = 0;
    at->in_body = false;
    if (chunks == 0) {
        put(fd, whole, whole_len);
        return;
    }
    if (gap_us == 0) {
        put(fd, head, head_len);
        for (long i = 0; i < chunks; i++)
            put(fd, chunk, chunk_len);
        put(fd, last, last_len);
        return;
    }
    put(fd, head, head_len);
    put(fd, chunk, chunk_len);
    at->chunks_left = chunks - 1;
    at->due_us = now_us() + gap_us;
    at->streams = true;
    streaming[streaming_count++] = fd;
}

/* A head has come whole, up to `end`: how long is the body? */
static void take_head(struct connection *at, char *end)
{
    char *length;

    *end = 0;
    length = strcasestr(at->room, "\r\ncontent-length:");
    at->body_left = length == NULL ? 0 : strtoul(length + 17, NULL, 10);
    at->in_body = true;
}

static void readable(int fd)
{
    struct connection *at = connections[fd];

    for (;;) {
        ssize_t got = recv(fd, at->room + at->len, ROOM - at->len - 1, MSG_DONTWAIT);
        size_t used;

        if (got < 0 && errno == EAGAIN)
            return;
        if (got <= 0) {
            drop(fd);
            return;
        }
        if (at->in_body) {
            used = (size_t)got < at->body_left ? (size_t)got : at->body_left;
            at->body_left -= used;
        } else {
            char *end;

            at->len += (size_t)got;
            at->room[at->len] = 0;
            end = strstr(at->room, "\r\n\r\n");
            if (end == NULL)
                continue;
            used = at->len - (size_t)(end + 4 - at->room);
            take_head(at, end);
            at->body_left -= used < at->body_left ? used : at->body_left;
            at->len = 0;
        }
        if (at->in_body && at->body_left == 0) {
            answer(fd);
            return;
        }
    }
}

static void tick(void)
{
    int64_t now = now_us();

    for (int i = 0; i < streaming_count;) {
        int fd = streaming[i];
        struct connection *at = connections[fd];

        if (at == NULL || !at->streams) {
            streaming[i] = streaming[--streaming_count];
            continue;
        }
        if (at->due_us <= now) {
            at->due_us += gap_us;
            if (at->chunks_left-- > 0) {
                put(fd, chunk, chunk_len);
            } else {
                put(fd, last, last_len);
                at->streams = false;
                streaming[i] = streaming[--streaming_count];
                continue;
            }
        }
        i++;
    }
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = loopback((unsigned)number(argc, argv, "--port", "0"));
    int on = 1, listener = must(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), "socket");
    int epoll = must(epoll_create1(0), "epoll"), timer = -1;
    struct epoll_event ready[256];

    chunks = number(argc, argv, "--chunks", "0");
    gap_us = number(argc, argv, "--gap-us", "0");
    many_descriptors();
    make_texts();
    (void)setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    (void)must(bind(listener, (struct sockaddr *)&address, sizeof(address)), "bind");
    (void)must(listen(listener, 8192), "listen");
    (void)epoll_ctl(epoll, EPOLL_CTL_ADD, listener,
                    &(struct epoll_event){.events = EPOLLIN, .data.fd = listener});
    if (gap_us > 0) {
        struct itimerspec every = {{0, 1000000}, {0, 1000000}};

        timer = must(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK), "timer");
        (void)timerfd_settime(timer, 0, &every, NULL);
        (void)epoll_ctl(epoll, EPOLL_CTL_ADD, timer,
                        &(struct epoll_event){.events = EPOLLIN, .data.fd = timer});
    }
    for (;;) {
        int count = epoll_wait(epoll, ready, 256, -1);

        for (int i = 0; i < count; i++) {
            int fd = ready[i].data.fd;

            if (fd == timer) {
                uint64_t ticks;

                (void)!read(timer, &ticks, sizeof(ticks));
                tick();
            } else if (fd == listener) {
                int new;

                while ((new = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0 &&
                       new < CONNECTIONS_MAX) {
                    quick(new);
                    connections[new] = calloc(1, sizeof(struct connection));
                    connections[new]->room = malloc(ROOM);
                    (void)epoll_ctl(epoll, EPOLL_CTL_ADD, new,
                                    &(struct epoll_event){.events = EPOLLIN, .data.fd = new});
                }
            } else if (connections[fd] != NULL) {
                readable(fd);
            }
        }
    }
}
