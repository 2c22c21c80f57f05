/* A request to a server, and its answer back. */
#include "gateway/egress/parts.h"

#define IDLE_US (INT64_C(300) * 1000 * 1000) /* without a byte of the server's */
#define RESPONSE_BYTES_MAX (UINT64_C(64) * 1024 * 1024 * 1024)

void forward_drop(struct visit *visit)
{
    channel_close(visit->server);
    visit->server = NULL;
    visit->server_of = (struct asked){0};
}

void forward_send(struct visit *visit)
{
    struct slice body = http1_request_body(visit->request);
    struct buf head = buf_with_limit(2 * HTTP1_HEAD_BYTES_MAX);
    struct fault fault = {0};

    if (!asked_write(&visit->asked, visit->request, &head, &fault)) {
        buf_free(&head);
        visit_fail(visit, 400, "too-large", fault.why);
        return;
    }
    if (visit->response == NULL)
        visit->response = http1_response_new(RESPONSE_BYTES_MAX);
    http1_response_reset(visit->response, false);
    if (strcmp(visit->asked.method, "HEAD") == 0)
        http1_response_of_head(visit->response);
    visit->state = VISIT_ANSWER;
    visit->answered = visit->chunked = false;
    visit->trip.bytes_out = head.len + body.len;
    channel_send(visit->server, buf_slice(&head));
    channel_send(visit->server, body);
    buf_free(&head);
    visit_deadline(visit, IDLE_US);
}

/* The status, the fields that are not one connection's alone, and how the body ends. */
static bool write_head(struct visit *visit, struct buf *head, struct fault *fault)
{
    const struct http1_response *response = visit->response;
    struct slice connection = http1_response_header(response, "connection");
    struct slice length = http1_response_header(response, "content-length");
    int status = http1_response_status(response);
    bool no_body = http1_response_done(response); /* known by the head alone */

    if (!buf_add_format(head, fault, "HTTP/1.1 %d %s\r\n", status, http1_reason(status)))
        return false;
    for (size_t i = 0; i < http1_response_header_count(response); i++) {
        struct http1_header header = http1_response_header_at(response, i);

        if (!asked_is_hop(header.name, connection) &&
            !buf_add_format(head, fault, "%.*s: %.*s\r\n", SLICE_ARGS(header.name),
                            SLICE_ARGS(header.value)))
            return false;
    }
    visit->chunked = !no_body && length.at == NULL;
    if (visit->chunked && !buf_add_text(head, "Transfer-Encoding: chunked\r\n", fault))
        return false;
    if (length.at != NULL && status != 204 &&
        !buf_add_format(head, fault, "Content-Length: %.*s\r\n", SLICE_ARGS(length)))
        return false;
    return buf_add_text(head, visit->keep_alive ? "\r\n" : "Connection: close\r\n\r\n", fault);
}

static bool answer_head(struct visit *visit)
{
    struct buf head = buf_with_limit(2 * HTTP1_HEAD_BYTES_MAX);
    struct fault fault = {0};
    bool ok = write_head(visit, &head, &fault);

    if (ok) {
        visit->answered = true;
        visit->trip.status = http1_response_status(visit->response);
        channel_send(visit->client, buf_slice(&head));
    }
    buf_free(&head);
    return ok;
}

static void send_piece(struct visit *visit, struct slice piece)
{
    char size[24];

    if (piece.len == 0)
        return;
    visit->trip.bytes_in += piece.len;
    if (visit->chunked) {
        (void)snprintf(size, sizeof(size), "%zx\r\n", piece.len);
        channel_send(visit->client, slice_of(size));
    }
    channel_send(visit->client, piece);
    if (visit->chunked)
        channel_send(visit->client, SLICE("\r\n"));
}

/* The server is of no use any more, and the answer is not whole. */
static void lost(struct visit *visit, const char *reason, const char *why)
{
    forward_drop(visit);
    if (!visit->answered) {
        visit_fail(visit, 502, reason, why);
        return;
    }
    records_outcome(visit, "failed", reason);
    visit_finish(visit, false); /* cut off: the client sees that it is not whole */
}

static void whole(struct visit *visit)
{
    bool keeps = http1_response_keep_alive(visit->response) &&
                 channel_in(visit->server)->len == 0 && !channel_has_ended(visit->server);

    if (!keeps)
        forward_drop(visit);
    if (visit->chunked)
        channel_send(visit->client, SLICE("0\r\n\r\n"));
    records_outcome(visit, "ok", NULL);
    visit_finish(visit, true);
}

/* What has come of the answer goes on. False: it is over, one way or the other. */
static bool take(struct visit *visit)
{
    struct buf *in = channel_in(visit->server);
    struct fault fault = {0};
    struct slice piece;
    size_t used;

    if (!http1_response_feed(visit->response, buf_slice(in), &used, &piece, &fault)) {
        lost(visit, "malformed", fault.why);
        return false;
    }
    if (!visit->answered && http1_response_head_done(visit->response)) {
        visit->trip.first_byte_us = clock_monotonic_us(visit->egress->config.clock);
        if (!answer_head(visit)) {
            lost(visit, "malformed", "the answer's head is too large");
            return false;
        }
    }
    if (piece.len > 0 && !egress_may_get(visit, piece.len)) {
        lost(visit, "limit", "the run has got as much from there as policy allows");
        return false;
    }
    send_piece(visit, piece);
    buf_drop_front(in, used);
    visit_deadline(visit, IDLE_US);
    if (!http1_response_done(visit->response))
        return true;
    whole(visit);
    return false;
}

/* A connection that was kept may have been closed just now; what changes nothing is asked
 * again, once, over a new one. */
static bool ask_again(struct visit *visit)
{
    if (!visit->is_reused || http1_response_begun(visit->response) ||
        (strcmp(visit->asked.method, "GET") != 0 && strcmp(visit->asked.method, "HEAD") != 0))
        return false;
    visit->is_reused = false;
    forward_drop(visit);
    return egress_dial(visit);
}

void forward_pump(struct visit *visit)
{
    struct channel *server = visit->server;
    struct fault fault = {0};

    while (channel_in(server)->len > 0 && channel_unsent(visit->client) < CHANNEL_HIGH_BYTES)
        if (!take(visit))
            return;
    channel_read_on(server, channel_unsent(visit->client) < CHANNEL_HIGH_BYTES);
    if (channel_in(server)->len > 0)
        return;
    if (channel_has_failed(server)) {
        if (!ask_again(visit))
            lost(visit, "server-gone", channel_why(server));
    } else if (channel_has_ended(server)) {
        if (ask_again(visit))
            return;
        if (http1_response_end(visit->response, &fault))
            whole(visit);
        else
            lost(visit, "server-gone", fault.why);
    }
}
