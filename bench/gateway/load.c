/*
 * Asks for chat completions over kept connections and says how long it took.
 *
 * Usage: bench-gateway-load --port P [--path PATH] [--header LINE] [--connections N] [--bytes B]
 *          [--requests N | --seconds S] [--stream 1] [--warm N] [--text FILE] [--apart-us T]
 *          [--turn T]
 *   apart-us  between the beginnings of two connections; 0: all begin at once
 *   bytes  of a request's body. Each body is another one: a number and then a part of the text
 *          that begins somewhere else, so that nothing can be known from the request before.
 *   turn   0, or: a connection is a conversation, as agents have them. It begins at half of
 *          `bytes`, sends with each request all that was said before and a message of T bytes
 *          more, and begins anew when it has come to `bytes`.
 * Prints one JSON object: requests, errors, seconds, latencies in microseconds (to the first byte
 * and to the last), bytes received.
 */
#include "common.h"

#include <stdbool.h>

#define CONNECTIONS_MAX 8192
#define SAMPLES_MAX 4000000
#define READ_BYTES 65536
#define TAIL_BYTES 24 /* of a stream: its end, and what says that it is whole */
#define TEXT_BYTES_MAX (8 << 20)

struct client {
    int fd;
    char *request, *room;
    size_t request_len, sent;
    size_t body_len; /* of a conversation, so far; 0: none has begun */
    int64_t begun_ns, first_ns;
    bool waiting, headed, chunked;
    char tail[TAIL_BYTES];
    char head[4096];
    size_t head_len;
    long left; /* of a body with a length */
};

static struct client clients[CONNECTIONS_MAX];
static int64_t *totals, *firsts;
static size_t samples;
static long errors, done_count, started, warm, begun, apart_us;
static long bytes, turn, connections, requests, seconds;
static uint64_t received;
static bool stream;
static const char *path, *header;
static char *text;
static size_t text_len;
static int epoll;
static struct sockaddr_in address;
static int64_t begin_ns, end_ns;

/* The file as the inside of a JSON string, and once more behind itself. */
static void read_text(const char *file)
{
    static char raw[TEXT_BYTES_MAX];
    int fd = must(open(file, O_RDONLY), file);
    ssize_t len = must((int)read(fd, raw, sizeof(raw)), file);
    size_t half;

    (void)close(fd);
    text = malloc(4 * (size_t)len + 1);
    for (ssize_t i = 0; i < len; i++) {
        bool escaped = raw[i] == '\n' || raw[i] == '"' || raw[i] == '\\';

        if (escaped)
            text[text_len++] = '\\';
        text[text_len++] = raw[i] == '\n'                   ? 'n'
                           : escaped                        ? raw[i]
                           : raw[i] < 0x20 || raw[i] > 0x7e ? ' '
                                                            : raw[i];
    }
    if (text_len == 0)
        exit(2);
    half = text_len;
    memcpy(text + half, text, half);
}

/* `len` bytes of the text, begun and ended between two characters. */
static void copy_text(char *to, size_t len, size_t from)
{
    size_t slashes = 0;
    bool odd = false;

    while (slashes < from && text[from - 1 - slashes] == '\\')
        slashes++;
    from += slashes % 2;
    for (size_t part; len > 0; to += part, len -= part) {
        part = len < text_len ? len : text_len;
        memcpy(to, text + from % text_len, part);
    }
    for (const char *at = to; at[-1] == '\\'; at--)
        odd = !odd;
    if (odd)
        to[-1] = ' ';
}

/* A body of `bytes` bytes: a number, then text. */
static void make_request(struct client *client)
{
    static unsigned long serial;
    const char *end = "\"}]}";
    size_t least = 128, body_len = (size_t)bytes < least ? least : (size_t)bytes, at;

    if (client->request == NULL)
        client->request = malloc(body_len + 1024);
    at = (size_t)snprintf(client->request, 1024,
                          "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: "
                          "application/json\r\nAuthorization: Bearer agent\r\n%s%s"
                          "Content-Length: %zu\r\n\r\n",
                          path, header, header[0] == 0 ? "" : "\r\n", body_len);
    client->request_len = at + body_len;
    at += (size_t)snprintf(client->request + at, 512,
                           "{\"model\":\"main-model\",%s\"messages\":[{\"role\":\"user\","
                           "\"content\":\"%016lu ",
                           stream ? "\"stream\":true," : "", ++serial);
    copy_text(client->request + at, client->request_len - at - strlen(end),
              serial * 7919 % text_len);
    memcpy(client->request + client->request_len - strlen(end), end, strlen(end));
}

#define BODY_AT 1024 /* in the room of a conversation: its head is put before that */
#define BODY_END "]}"
#define MESSAGE_END "\"}"

static void say(struct client *client, size_t len)
{
    static unsigned long serial;
    char *at = client->request + BODY_AT + client->body_len - strlen(BODY_END);
    size_t head = (size_t)snprintf(at, 256, ",{\"role\":\"%s\",\"content\":\"%016lu ",
                                  serial % 2 == 0 ? "user" : "assistant", serial + 1);

    serial++;
    copy_text(at + head, len - head - strlen(MESSAGE_END), serial * 7919 % text_len);
    memcpy(at + len - strlen(MESSAGE_END), MESSAGE_END BODY_END,
           strlen(MESSAGE_END BODY_END));
    client->body_len += len;
}

/* The conversation with one message more. Its head ends where the body begins. */
static void make_turn(struct client *client)
{
    char head[BODY_AT];
    size_t len;

    client->request = client->room;
    if (client->body_len == 0 || client->body_len + (size_t)turn > (size_t)bytes) {
        client->body_len = (size_t)snprintf(
            client->room + BODY_AT, 256,
            "{\"model\":\"main-model\",%s\"messages\":[{\"role\":\"system\",\"content\":\"work\"}]}",
            stream ? "\"stream\":true," : "");
        while (client->body_len < (size_t)bytes / 2)
            say(client, (size_t)turn);
    } else {
        say(client, (size_t)turn);
    }
    len = (size_t)snprintf(head, sizeof(head),
                           "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: "
                           "application/json\r\nAuthorization: Bearer agent\r\n%s%s"
                           "Content-Length: %zu\r\n\r\n",
                           path, header, header[0] == 0 ? "" : "\r\n", client->body_len);
    client->request = client->room + BODY_AT - len;
    memcpy(client->request, head, len);
    client->request_len = len + client->body_len;
}

static void connect_client(struct client *client)
{
    client->fd = must(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
    (void)must(connect(client->fd, (struct sockaddr *)&address, sizeof(address)), "connect");
    quick(client->fd);
    (void)fcntl(client->fd, F_SETFL, O_NONBLOCK);
    (void)epoll_ctl(epoll, EPOLL_CTL_ADD, client->fd,
                    &(struct epoll_event){.events = EPOLLIN, .data.ptr = client});
}

static void pump(struct client *client)
{
    while (client->sent < client->request_len) {
        ssize_t sent = send(client->fd, client->request + client->sent,
                            client->request_len - client->sent, MSG_NOSIGNAL);

        if (sent < 0 && errno == EAGAIN) {
            (void)epoll_ctl(
                epoll, EPOLL_CTL_MOD, client->fd,
                &(struct epoll_event){.events = EPOLLIN | EPOLLOUT, .data.ptr = client});
            return;
        }
        if (sent <= 0)
            return; /* the reader will hear of it */
        client->sent += (size_t)sent;
    }
    (void)epoll_ctl(epoll, EPOLL_CTL_MOD, client->fd,
                    &(struct epoll_event){.events = EPOLLIN, .data.ptr = client});
}

static bool more_wanted(void)
{
    return requests > 0 ? started < requests + warm : now_ns() < end_ns;
}

static void begin(struct client *client)
{
    if (!more_wanted()) {
        client->waiting = false;
        return;
    }
    started++;
    if (turn > 0 && client->room == NULL)
        client->room = malloc(BODY_AT + (size_t)bytes + (size_t)turn + 1024);
    if (turn > 0)
        make_turn(client);
    else
        make_request(client);
    client->sent = client->head_len = 0;
    client->headed = false;
    client->waiting = true;
    memset(client->tail, 0, sizeof(client->tail));
    client->first_ns = 0;
    client->begun_ns = now_ns();
    pump(client);
}

static void again(struct client *client)
{
    (void)close(client->fd);
    errors++;
    connect_client(client);
    begin(client);
}

static void finish(struct client *client)
{
    int64_t now = now_ns();

    done_count++;
    if (done_count > warm && samples < SAMPLES_MAX) {
        if (samples == 0)
            begin_ns = begin_ns != 0 ? begin_ns : now;
        totals[samples] = now - client->begun_ns;
        firsts[samples++] = client->first_ns - client->begun_ns;
    }
    if (strncmp(client->head, "HTTP/1.1 200", 12) != 0 ||
        (stream && memmem(client->tail, TAIL_BYTES, "[DONE]", 6) == NULL))
        errors++;
    begin(client);
}

/* Takes bytes of the body; true: it is whole. */
static bool take_body(struct client *client, const char *at, size_t len)
{
    if (len > 0 && client->first_ns == 0)
        client->first_ns = now_ns();
    if (!client->chunked)
        return (client->left -= (long)len) <= 0;
    if (len > TAIL_BYTES) {
        at += len - TAIL_BYTES;
        len = TAIL_BYTES;
    }
    memmove(client->tail, client->tail + len, TAIL_BYTES - len);
    memcpy(client->tail + TAIL_BYTES - len, at, len);
    return memcmp(client->tail + TAIL_BYTES - 5, "0\r\n\r\n", 5) == 0;
}

static bool take(struct client *client, const char *at, size_t len)
{
    char *end, *length;
    size_t part, old = client->head_len;

    received += len;
    if (client->headed)
        return take_body(client, at, len);
    part = len < sizeof(client->head) - 1 - old ? len : sizeof(client->head) - 1 - old;
    memcpy(client->head + old, at, part);
    client->head_len += part;
    client->head[client->head_len] = 0;
    end = strstr(client->head, "\r\n\r\n");
    if (end == NULL)
        return false;
    client->headed = true;
    *end = 0;
    client->chunked = strcasestr(client->head, "\r\ntransfer-encoding: chunked") != NULL;
    length = strcasestr(client->head, "\r\ncontent-length:");
    client->left = length == NULL ? 0 : strtol(length + 17, NULL, 10);
    part = (size_t)(end + 4 - client->head) - old;
    return take_body(client, at + part, len - part);
}

static void readable(struct client *client)
{
    static char room[READ_BYTES];

    for (;;) {
        ssize_t got = recv(client->fd, room, sizeof(room), MSG_DONTWAIT);

        if (got < 0 && errno == EAGAIN)
            return;
        if (got <= 0) {
            again(client);
            return;
        }
        if (client->waiting && take(client, room, (size_t)got)) {
            finish(client);
            return;
        }
        if ((size_t)got < sizeof(room))
            return;
    }
}

static int by_size(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;

    return left < right ? -1 : left > right;
}

static double at_share(int64_t *sorted, double share)
{
    return samples == 0 ? 0 : (double)sorted[(size_t)((double)(samples - 1) * share)] / 1e3;
}

static void report(void)
{
    double took = (double)(now_ns() - begin_ns) / 1e9;

    qsort(totals, samples, sizeof(*totals), by_size);
    qsort(firsts, samples, sizeof(*firsts), by_size);
    printf(
        "{\"requests\": %zu, \"errors\": %ld, \"seconds\": %.4f, \"rate\": %.1f, \"p50_us\": "
        "%.1f, "
        "\"p90_us\": %.1f, \"p99_us\": %.1f, \"first_p50_us\": %.1f, \"first_p99_us\": %.1f, "
        "\"bytes\": %llu}\n",
        samples, errors, took, (double)samples / took, at_share(totals, 0.5),
        at_share(totals, 0.9), at_share(totals, 0.99), at_share(firsts, 0.5),
        at_share(firsts, 0.99), (unsigned long long)received);
}

/* Those whose time has come. */
static void begin_more(void)
{
    while (begun < connections && now_ns() - begin_ns >= begun * apart_us * 1000)
        begin(&clients[begun++]);
}

int main(int argc, char **argv)
{
    struct epoll_event ready[256];
    int64_t give_up_ns;

    address = loopback((unsigned)number(argc, argv, "--port", "0"));
    path = option(argc, argv, "--path", "/v1/chat/completions");
    header = option(argc, argv, "--header", "");
    connections = number(argc, argv, "--connections", "1");
    bytes = number(argc, argv, "--bytes", "1024");
    requests = number(argc, argv, "--requests", "0");
    seconds = number(argc, argv, "--seconds", "3");
    warm = number(argc, argv, "--warm", "0");
    stream = number(argc, argv, "--stream", "0") != 0;
    apart_us = number(argc, argv, "--apart-us", "0");
    turn = number(argc, argv, "--turn", "0");
    if (connections < 1 || connections > CONNECTIONS_MAX || (turn > 0 && turn < 128))
        return 3;
    read_text(option(argc, argv, "--text", "/usr/share/common-licenses/GPL-3"));
    many_descriptors();
    totals = malloc(SAMPLES_MAX * sizeof(*totals));
    firsts = malloc(SAMPLES_MAX * sizeof(*firsts));
    epoll = must(epoll_create1(0), "epoll");
    for (long i = 0; i < connections; i++)
        connect_client(&clients[i]);
    begin_ns = now_ns();
    end_ns = begin_ns + seconds * INT64_C(1000000000);
    give_up_ns = begin_ns + (requests > 0 ? 600 : seconds + 30) * INT64_C(1000000000);
    begin_more();
    while (now_ns() < give_up_ns && (done_count < started || begun < connections)) {
        int count = epoll_wait(epoll, ready, 256, begun < connections ? 1 : 1000);

        begin_more();
        for (int i = 0; i < count; i++) {
            struct client *client = ready[i].data.ptr;

            if ((ready[i].events & EPOLLOUT) != 0)
                pump(client);
            if ((ready[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0)
                readable(client);
        }
    }
    report();
    return errors == 0 && samples > 0 ? 0 : 1;
}
