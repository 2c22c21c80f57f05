/* One connection of a client's: requests one after another, or a tunnel. */
#include <stdlib.h>

#include "base/scope.h"
#include "gateway/egress/parts.h"

#define REQUEST_US (INT64_C(120) * 1000 * 1000) /* for a whole request to arrive */
#define IDLE_US (INT64_C(600) * 1000 * 1000)    /* between requests */
#define DIAL_US (INT64_C(60) * 1000 * 1000)
#define CLOSING_US (INT64_C(5) * 1000 * 1000)

static void on_client(void *self);
static void on_server(void *self);

void visit_deadline(struct visit *visit, int64_t delay_us)
{
    visit->deadline_us =
        delay_us == 0 ? 0 : clock_monotonic_us(visit->egress->config.clock) + delay_us;
}

static void count_bodies(struct visit *visit, size_t bytes)
{
    visit->egress->body_bytes += bytes;
    visit->egress->body_bytes -= visit->counted_bytes;
    visit->counted_bytes = bytes;
}

void visit_close(struct visit *visit)
{
    struct egress *egress = visit->egress;
    struct fault fault = {0};

    if (visit->dead)
        return;
    visit->dead = true;
    records_outcome(visit, "failed", "client-gone");
    count_bodies(visit, 0);
    channel_close(visit->client);
    channel_close(visit->server);
    visit->client = visit->server = NULL;
    *visit->previous = visit->next;
    if (visit->next != NULL)
        visit->next->previous = visit->previous;
    egress->visit_count--;
    visit->next = egress->dead;
    egress->dead = visit;
    if (egress->burial == NULL &&
        !loop_timer(egress->loop, 0, visit_bury, egress, &egress->burial, &fault))
        egress->burial = NULL;
}

void visit_bury(void *self)
{
    struct egress *egress = self;

    egress->burial = NULL;
    while (egress->dead != NULL) {
        struct visit *visit = egress->dead;

        egress->dead = visit->next;
        http1_request_free(visit->request);
        http1_response_free(visit->response);
        free(visit);
    }
}

/* ---- answers of our own ---- */

static void begin_next(struct visit *visit)
{
    count_bodies(visit, 0);
    http1_request_reset(visit->request);
    visit->asked = (struct asked){0};
    visit->trip = (struct trip){0};
    visit->head_checked = visit->told_continue = visit->answered = false;
    visit->state = VISIT_READING;
    visit_deadline(visit, IDLE_US);
    if (channel_in(visit->client)->len > 0)
        channel_nudge(visit->client);
}

void visit_finish(struct visit *visit, bool whole)
{
    if (visit->dead)
        return;
    if (whole && visit->keep_alive) {
        begin_next(visit);
        return;
    }
    visit->state = VISIT_CLOSING;
    visit_deadline(visit, CLOSING_US);
    if (whole) {
        channel_finish(visit->client);
        channel_read_on(visit->client, true);
    } else {
        visit_close(visit); /* without TLS's own end: nobody takes it for whole */
    }
}

static void answer(struct visit *visit, int status, const char *message)
{
    AUTO_BUF struct buf out = buf_with_limit(4096);
    AUTO_FREE char *body = xformat("%s\n", message);
    struct http1_header type = {SLICE("content-type"), SLICE("text/plain; charset=utf-8")};
    struct fault fault = {0};
    size_t len = strcmp(visit->asked.method, "HEAD") == 0 ? 0 : strlen(body);

    if (!http1_response_head(&out, status, &type, 1, len, visit->keep_alive, &fault) ||
        !buf_add(&out, slice_of_bytes(body, len), &fault)) {
        visit_close(visit);
        return;
    }
    channel_send(visit->client, buf_slice(&out));
    visit_finish(visit, true);
}

void visit_refuse(struct visit *visit)
{
    visit->keep_alive = !visit->asked.is_connect && http1_request_done(visit->request) &&
                        http1_request_keep_alive(visit->request);
    records_refused(visit);
    answer(visit, visit->asked.status, visit->asked.message);
}

void visit_fail(struct visit *visit, int status, const char *reason, const char *message)
{
    asked_refuse(&visit->asked, status, reason, message);
    records_outcome(visit, status == 403 ? "refused" : "failed", reason);
    visit->keep_alive = visit->keep_alive && !visit->asked.is_connect;
    answer(visit, status, visit->asked.message);
}

/* ---- reading ---- */

static void refuse_broken(struct visit *visit, int status, const char *why)
{
    struct asked broken;

    asked_broken(status, why, &broken);
    memcpy(broken.host, visit->within.host, sizeof(broken.host));
    broken.port = visit->within.port;
    visit->asked = broken;
    visit->keep_alive = false;
    records_refused(visit);
    answer(visit, status, visit->asked.message);
}

/* Checks what the head alone decides, once; false: refused. */
static bool head_fits(struct visit *visit)
{
    if (!http1_request_head_done(visit->request))
        return true;
    if (!visit->head_checked) {
        visit->head_checked = true;
        asked_head(&visit->egress->config, visit->request,
                   visit->is_within ? &visit->within : NULL, &visit->asked);
        if (visit->asked.status != 0) {
            visit_refuse(visit);
            return false;
        }
    }
    if (http1_request_wants_continue(visit->request) && !visit->told_continue &&
        !http1_request_done(visit->request)) {
        visit->told_continue = true;
        channel_send(visit->client, SLICE("HTTP/1.1 100 Continue\r\n\r\n"));
    }
    return true;
}

/* CONNECT to an entry that is looked into: its TLS ends here, and nothing has left yet. */
static void open_inspected(struct visit *visit)
{
    channel_send(visit->client, SLICE("HTTP/1.1 200 Connection established\r\n\r\n"));
    visit->state = VISIT_HELLO;
    visit_deadline(visit, REQUEST_US);
    if (channel_in(visit->client)->len > 0)
        tunnel_hello(visit);
}

static void act(struct visit *visit)
{
    struct asked *asked = &visit->asked;

    visit->keep_alive = http1_request_keep_alive(visit->request);
    if (asked->is_connect && asked->entry->inspected) {
        open_inspected(visit);
        return;
    }
    if (!asked->is_connect) {
        asked_look(&visit->egress->config, visit->request, asked);
        if (asked->status == 0 &&
            !egress_may_send(visit, http1_request_body(visit->request).len))
            asked_refuse(asked, 403, "limit",
                         "the run has sent as much there as policy allows");
        if (asked->status != 0) {
            visit_refuse(visit);
            return;
        }
    }
    visit->trip = (struct trip){.began_us = clock_monotonic_us(visit->egress->config.clock)};
    visit->state = VISIT_READY;
    visit_deadline(visit, DIAL_US);
    egress_batch(visit->egress);
}

static void read_requests(struct visit *visit)
{
    while (!visit->dead && visit->state == VISIT_READING &&
           channel_in(visit->client)->len > 0) {
        struct buf *in = channel_in(visit->client);
        struct fault fault = {0};
        size_t used;

        if (!http1_request_begun(visit->request))
            visit_deadline(visit, REQUEST_US);
        if (!http1_request_feed(visit->request, buf_slice(in), &used, &fault)) {
            buf_clear(in);
            refuse_broken(visit, http1_request_status(visit->request), fault.why);
            return;
        }
        buf_drop_front(in, used);
        count_bodies(visit, http1_request_body(visit->request).len);
        if (visit->egress->body_bytes > EGRESS_BODIES_BYTES_MAX) {
            refuse_broken(visit, 413, "too many large requests at once");
            return;
        }
        if (head_fits(visit) && http1_request_done(visit->request))
            act(visit);
    }
}

/* ---- the server ---- */

void visit_go(struct visit *visit)
{
    bool same = visit->server != NULL && !visit->asked.is_connect &&
                visit->server_of.entry != NULL && visit->server_of.port == visit->asked.port &&
                visit->server_of.is_tls == visit->asked.is_tls &&
                visit->server_of.entry->ca_file == visit->asked.entry->ca_file &&
                strcmp(visit->server_of.host, visit->asked.host) == 0 &&
                !channel_has_failed(visit->server) && !channel_has_ended(visit->server);

    visit->is_reused = same;
    if (same) {
        channel_peer_digest(visit->server, visit->trip.certificate);
        forward_send(visit);
        return;
    }
    forward_drop(visit);
    if (!egress_dial(visit))
        visit_fail(visit, 502, "failed", "the connection cannot be asked for");
}

/* True: what is said is encrypted to whom it was meant for. */
static void secure(struct visit *visit)
{
    size_t index = (size_t)(visit->asked.entry - visit->egress->config.entries);
    SSL_CTX *context = visit->egress->servers[index];
    struct fault fault = {0};

    visit->state = VISIT_SECURING;
    if (context == NULL)
        visit_fail(visit, 502, "certificate",
                   "this host has no certificates to verify servers by (ca-certificates)");
    else if (!channel_connect_tls(visit->server, context, visit->asked.host, &fault))
        visit_fail(visit, 502, "failed", fault.why);
}

static void connected(struct visit *visit)
{
    if (visit->asked.is_connect) {
        channel_send(visit->client, SLICE("HTTP/1.1 200 Connection established\r\n\r\n"));
        visit->state = VISIT_HELLO;
        visit_deadline(visit, REQUEST_US);
        channel_read_on(visit->server, false); /* nothing of it before we know who is meant */
        if (channel_in(visit->client)->len > 0)
            tunnel_hello(visit);
    } else if (visit->asked.is_tls) {
        secure(visit);
    } else {
        forward_send(visit);
    }
}

void visit_dialed(struct visit *visit, int fd, const struct dial_answer *dialed)
{
    struct fault fault = {0};

    if (fd < 0) {
        bool is_address = strcmp(dialed->reason, "address") == 0;

        visit_fail(visit,
                   is_address                               ? 403
                   : strcmp(dialed->reason, "timeout") == 0 ? 504
                                                            : 502,
                   dialed->reason, dialed->why);
    } else if (!channel_new(visit->egress->loop, fd, on_server, visit, &visit->server,
                            &fault)) {
        visit_fail(visit, 502, "failed", fault.why);
    } else {
        visit->server_of = visit->asked;
        connected(visit);
    }
}

static void secured(struct visit *visit)
{
    if (channel_has_failed(visit->server) || channel_has_ended(visit->server)) {
        AUTO_FREE char *why = xformat(
            "%s does not prove who it is: %s", visit->asked.host,
            channel_has_failed(visit->server) ? channel_why(visit->server) : "it ended");

        forward_drop(visit);
        visit_fail(visit, 502, "certificate", why);
    } else if (channel_is_open(visit->server)) {
        channel_peer_digest(visit->server, visit->trip.certificate);
        forward_send(visit);
    }
}

static void on_server(void *self)
{
    struct visit *visit = self;

    if (visit->dead || visit->server == NULL)
        return;
    switch (visit->state) {
    case VISIT_SECURING:
        secured(visit);
        break;
    case VISIT_ANSWER:
        forward_pump(visit);
        break;
    case VISIT_TUNNEL:
        tunnel_pump(visit);
        break;
    case VISIT_READING:
    case VISIT_READY:
    case VISIT_DIALING:
    case VISIT_CLOSING:
        /* kept for the next request, and of no use where it ends or speaks unasked */
        forward_drop(visit);
        break;
    case VISIT_HELLO:
        if (channel_has_failed(visit->server))
            visit_close(visit);
        break;
    }
}

/* ---- the client ---- */

static void on_client(void *self)
{
    struct visit *visit = self;
    bool is_gone;

    if (visit->dead)
        return;
    is_gone = channel_has_failed(visit->client) || channel_has_ended(visit->client);
    switch (visit->state) {
    case VISIT_READING:
        read_requests(visit);
        if (!visit->dead && visit->state == VISIT_READING && is_gone)
            visit_close(visit);
        break;
    case VISIT_HELLO:
        tunnel_hello(visit);
        if (!visit->dead && visit->state == VISIT_HELLO && is_gone)
            visit_close(visit);
        break;
    case VISIT_TUNNEL:
        tunnel_pump(visit);
        break;
    case VISIT_ANSWER:
        if (is_gone)
            visit_close(visit);
        else
            forward_pump(visit);
        break;
    case VISIT_READY:
    case VISIT_DIALING:
    case VISIT_SECURING:
        if (is_gone)
            visit_close(visit);
        break;
    case VISIT_CLOSING:
        buf_clear(channel_in(visit->client));
        if (is_gone && channel_unsent(visit->client) == 0)
            visit_close(visit);
        break;
    }
}

void visit_new(struct egress *egress, int fd, struct slice first)
{
    struct visit *visit = xalloc(sizeof(*visit));
    struct fault fault = {0};

    *visit = (struct visit){.egress = egress, .next = egress->visits};
    if (egress->visit_count >= EGRESS_VISITS_MAX) {
        (void)close(fd);
        free(visit);
        return;
    }
    if (!channel_new(egress->loop, fd, on_client, visit, &visit->client, &fault)) {
        free(visit);
        return;
    }
    visit->request = http1_request_new(EGRESS_BODY_BYTES_MAX);
    visit->previous = &egress->visits;
    if (visit->next != NULL)
        visit->next->previous = &visit->next;
    egress->visits = visit;
    egress->visit_count++;
    visit_deadline(visit, REQUEST_US);
    if (buf_add(channel_in(visit->client), first, &fault))
        read_requests(visit);
    else
        visit_close(visit);
}
