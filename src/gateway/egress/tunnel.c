/* Connections of which only the first message is read: who is meant must be who was named. */
#include "gateway/egress/parts.h"

#include "wire/client_hello.h"
#include "wire/url.h"

#define IDLE_US (INT64_C(600) * 1000 * 1000)

/* Addresses are not sent as names: a client of one gives none. */
static bool is_meant(const struct asked *asked, const struct client_hello *hello)
{
    if (hello->is_encrypted)
        return false;
    if (hello->name[0] == 0)
        return !url_host_is_name(slice_of(asked->host));
    return strcmp(hello->name, asked->host) == 0;
}

static void begin_tls(struct visit *visit)
{
    struct egress *egress = visit->egress;
    size_t index = (size_t)(visit->asked.entry - egress->config.entries);
    struct fault fault = {0};

    if ((egress->hosts[index] == NULL &&
         !authority_context(egress->authority, visit->asked.host, &egress->hosts[index],
                            &fault)) ||
        !channel_accept_tls(visit->client, egress->hosts[index], &fault)) {
        visit_close(visit);
        return;
    }
    visit->within = visit->asked;
    visit->is_within = true;
    visit->state = VISIT_READING;
    http1_request_reset(visit->request);
    visit->asked = (struct asked){0};
    visit->head_checked = visit->told_continue = false;
    channel_nudge(visit->client);
}

void tunnel_hello(struct visit *visit)
{
    struct buf *in = channel_in(visit->client);
    struct client_hello hello;
    struct fault fault = {0};
    bool whole;

    if (!client_hello_read(buf_slice(in), &hello, &whole, &fault)) {
        asked_refuse(&visit->asked, 400, "no-tls", fault.why);
    } else if (!whole) {
        return;
    } else if (!is_meant(&visit->asked, &hello)) {
        asked_refuse(&visit->asked, 403, "server-name",
                     "the TLS connection names another host than its CONNECT");
    } else if (visit->asked.entry->inspected) {
        begin_tls(visit);
        return;
    } else {
        visit->state = VISIT_TUNNEL;
        tunnel_pump(visit);
        return;
    }
    /* The client has its 200: all that is left is to end the connection. */
    records_outcome(visit, "refused", visit->asked.reason);
    records_refused(visit);
    visit_close(visit);
}

/* From one end to the other, as far as that takes it. False: a limit was met. */
static bool pass(struct visit *visit, struct channel *from, struct channel *to, bool is_up)
{
    struct buf *in = channel_in(from);
    size_t room =
        channel_unsent(to) < CHANNEL_HIGH_BYTES ? CHANNEL_HIGH_BYTES - channel_unsent(to) : 0;
    struct slice piece = slice_part(buf_slice(in), 0, room);

    if (piece.len > 0) {
        if (is_up ? !egress_may_send(visit, piece.len) : !egress_may_get(visit, piece.len))
            return false;
        if (!is_up && visit->trip.first_byte_us == 0)
            visit->trip.first_byte_us = clock_monotonic_us(visit->egress->config.clock);
        *(is_up ? &visit->trip.bytes_out : &visit->trip.bytes_in) += piece.len;
        channel_send(to, piece);
        buf_drop_front(in, piece.len);
        visit_deadline(visit, IDLE_US);
    }
    channel_read_on(from, channel_unsent(to) < CHANNEL_HIGH_BYTES);
    if (channel_has_ended(from) && in->len == 0)
        channel_finish(to);
    return true;
}

void tunnel_pump(struct visit *visit)
{
    struct channel *client = visit->client, *server = visit->server;

    if (!pass(visit, client, server, true) || !pass(visit, server, client, false)) {
        records_outcome(visit, "failed", "limit");
        visit_close(visit);
        return;
    }
    if (channel_has_failed(server)) {
        records_outcome(visit, "failed", "server-gone");
        visit_close(visit);
        return;
    }
    if (channel_has_failed(client) ||
        (channel_has_ended(client) && channel_has_ended(server) &&
         channel_unsent(client) == 0 && channel_unsent(server) == 0)) {
        records_outcome(visit, "ok", channel_has_failed(client) ? "client-gone" : NULL);
        visit_close(visit);
    }
}
