#include "roles/post.h"

#include <signal.h>

#include "base/scope.h"
#include "gateway/upstream/client.h"
#include "os/clock_real.h"
#include "wire/url.h"

#define CONNECT_US (INT64_C(2) * 1000 * 1000)
#define TOTAL_US (INT64_C(5) * 1000 * 1000)
#define HEAD_BYTES_MAX (8 * 1024)

struct posting {
    struct loop *loop;
    struct client *client;
    struct resolver *resolver;
    struct tls *tls;
    struct transfer *transfer;
    struct buf *answer;
    int status;
    bool whole;
};

static void on_head(void *self, const struct http1_response *response)
{
    ((struct posting *)self)->status = http1_response_status(response);
}

static void on_bytes(void *self, struct slice bytes)
{
    struct posting *posting = self;
    struct fault too_long = {0};

    if (buf_add(posting->answer, bytes, &too_long))
        return;
    transfer_cancel(posting->transfer);
    posting->transfer = NULL;
    loop_stop(posting->loop);
}

static void on_settled(void *self)
{
    (void)self;
}

static void on_ended(void *self, enum transfer_end end)
{
    struct posting *posting = self;

    posting->transfer = NULL;
    posting->whole = end == TRANSFER_WHOLE;
    loop_stop(posting->loop);
}

static const struct transfer_events events = {on_head, on_bytes, on_settled, on_ended};

static void on_connect_time(void *self)
{
    struct posting *posting = self;

    if (posting->transfer != NULL && transfer_phase(posting->transfer) == TRANSFER_CONNECTING)
        loop_stop(posting->loop);
}

static void on_time(void *self)
{
    loop_stop(((struct posting *)self)->loop);
}

static bool write_head(const struct url *url, const char *type, size_t body_len,
                       struct buf *head, struct fault *fault)
{
    bool bracket = slice_find_byte(url->host, ':', 0) != SIZE_MAX;

    return buf_add_format(head, fault, "POST %s%.*s%s%.*s HTTP/1.1\r\nHost: %s%.*s%s:%u\r\n",
                          url->path.len == 0 ? "/" : "", SLICE_ARGS(url->path),
                          url->query.len == 0 ? "" : "?", SLICE_ARGS(url->query),
                          bracket ? "[" : "", SLICE_ARGS(url->host), bracket ? "]" : "",
                          (unsigned)url->port) &&
           (type == NULL || buf_add_format(head, fault, "Content-Type: %s\r\n", type)) &&
           buf_add_format(head, fault, "Content-Length: %zu\r\nConnection: close\r\n\r\n",
                          body_len);
}

static bool run(struct posting *posting, const struct url *url, struct slice head,
                struct slice body, struct fault *fault)
{
    struct tls_config trust = {.host = url->host};
    struct link_place place = {.host = url->host, .port = url->port};

    if ((url->tls && !tls_new(&trust, &posting->tls, fault)) ||
        !loop_new(&posting->loop, fault) ||
        !resolver_new(posting->loop, &clock_real, -1, &posting->resolver, fault) ||
        !loop_timer(posting->loop, CONNECT_US, on_connect_time, posting, NULL, fault) ||
        !loop_timer(posting->loop, TOTAL_US, on_time, posting, NULL, fault))
        return false;
    place.tls = posting->tls;
    posting->client = client_new(posting->loop, &clock_real, posting->resolver);
    posting->transfer =
        transfer_begin(origin_new(posting->client, &place, posting->answer->limit), head, body,
                       &events, posting);
    return loop_run(posting->loop, fault);
}

static void end(struct posting *posting)
{
    transfer_cancel(posting->transfer);
    client_free(posting->client);
    resolver_free(posting->resolver);
    tls_free(posting->tls);
    loop_free(posting->loop);
}

int post(const char *url, const char *type, struct slice body, struct buf *ret_answer)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN}, before; /* OpenSSL writes, not sends */
    struct posting posting = {.answer = ret_answer};
    AUTO_BUF struct buf head = buf_with_limit(HEAD_BYTES_MAX);
    struct fault fault = {0};
    struct url parsed;
    bool ok;

    if (!url_parse(slice_of(url), &parsed, &fault) ||
        !write_head(&parsed, type, body.len, &head, &fault) ||
        sigaction(SIGPIPE, &ignore, &before) < 0)
        return 0;
    ok = run(&posting, &parsed, buf_slice(&head), body, &fault);
    end(&posting);
    (void)sigaction(SIGPIPE, &before, NULL);
    return ok && posting.whole ? posting.status : 0;
}
