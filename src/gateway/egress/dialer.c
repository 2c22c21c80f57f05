#include "gateway/egress/dialer.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/scope.h"
#include "gateway/egress/address.h"
#include "gateway/upstream/dial.h"
#include "os/message.h"

#define ATTEMPT_US (INT64_C(30) * 1000 * 1000) /* to find and to reach a host */
#define ATTEMPTS_MAX 256

struct attempt {
    struct dialer *dialer;
    const struct egress_entry *entry;
    uint32_t tag;
    struct resolver_wait *wait;
    struct dial *dial;
    struct loop_timer *timer;
    struct attempt *after, **before;
};

struct dialer {
    struct loop *loop;
    struct dialer_config config;
    struct loop_watch *watch;
    struct attempt *attempts;
    size_t attempt_count;
};

static void answer(struct dialer *dialer, uint32_t tag, int fd, const char *reason,
                   const char *why)
{
    struct dial_answer packet = {.tag = tag, .connected = fd >= 0};
    struct message_fds fds = {.fd = {fd}, .count = fd >= 0};
    struct fault unsent = {0};

    (void)snprintf(packet.reason, sizeof(packet.reason), "%s", reason);
    (void)snprintf(packet.why, sizeof(packet.why), "%.200s", why);
    (void)!message_send(dialer->config.socket, slice_of_bytes(&packet, sizeof(packet)), &fds,
                        &unsent);
}

static void attempt_free(struct attempt *attempt)
{
    resolver_forget(attempt->wait);
    dial_cancel(attempt->dial);
    loop_timer_cancel(attempt->timer);
    *attempt->before = attempt->after;
    if (attempt->after != NULL)
        attempt->after->before = attempt->before;
    attempt->dialer->attempt_count--;
    free(attempt);
}

static void give_up(struct attempt *attempt, const char *reason, const char *why)
{
    answer(attempt->dialer, attempt->tag, -1, reason, why);
    attempt_free(attempt);
}

static void on_time(void *self)
{
    struct attempt *attempt = self;

    attempt->timer = NULL;
    give_up(attempt, "timeout", "the server did not take the connection in time");
}

static void on_dialed(void *self, int fd)
{
    struct attempt *attempt = self;
    AUTO_CLOSE int connected = fd;

    attempt->dial = NULL;
    if (fd < 0) {
        give_up(attempt, "unreachable", "the server takes no connection");
        return;
    }
    answer(attempt->dialer, attempt->tag, connected, "", "");
    attempt_free(attempt);
}

/* Does policy name this very address? */
static bool is_named(const struct egress_entry *entry, const struct address *address)
{
    struct addresses named;

    return addresses_literal(slice_of(entry->host), &named) &&
           named.at[0].family == address->family &&
           memcmp(named.at[0].bytes, address->bytes, sizeof(address->bytes)) == 0;
}

/* All of them are judged: a name of which one answer leads inside is not to be trusted. */
static void on_addresses(void *self, const struct addresses *addresses)
{
    struct attempt *attempt = self;
    const struct egress_entry *entry = attempt->entry;
    struct fault fault = {0};

    attempt->wait = NULL;
    if (addresses->count == 0) {
        give_up(attempt, "name", "the name has no address");
        return;
    }
    for (uint32_t i = 0; i < addresses->count; i++)
        if (!address_check(&addresses->at[i], entry->is_private,
                           is_named(entry, &addresses->at[i]), &fault)) {
            give_up(attempt, "address", fault.why);
            return;
        }
    if (!dial_begin(attempt->dialer->loop, addresses, entry->port, on_dialed, attempt,
                    &attempt->dial, &fault))
        give_up(attempt, "unreachable", fault.why);
}

static void begin(struct dialer *dialer, const struct dial_ask *ask)
{
    struct attempt *attempt = xalloc(sizeof(*attempt));
    struct fault fault = {0};
    struct addresses named;

    *attempt = (struct attempt){.dialer = dialer,
                                .entry = &dialer->config.entries[ask->entry],
                                .tag = ask->tag,
                                .after = dialer->attempts,
                                .before = &dialer->attempts};
    if (attempt->after != NULL)
        attempt->after->before = &attempt->after;
    dialer->attempts = attempt;
    dialer->attempt_count++;
    if (!loop_timer(dialer->loop, ATTEMPT_US, on_time, attempt, &attempt->timer, &fault))
        give_up(attempt, "unreachable", fault.why);
    else if (addresses_literal(slice_of(attempt->entry->host), &named))
        on_addresses(attempt, &named);
    else if (!resolver_ask(dialer->config.resolver, slice_of(attempt->entry->host),
                           on_addresses, attempt, &attempt->wait, &fault))
        give_up(attempt, "name", fault.why);
}

static void on_socket(void *self, uint32_t events)
{
    struct dialer *dialer = self;
    AUTO_BUF struct buf body = buf_with_limit(MESSAGE_BYTES_MAX);
    struct dial_ask ask;
    struct fault fault = {0};
    bool end = false;

    (void)events;
    if (!message_receive(dialer->config.socket, &body, NULL, 0, &end, &fault) || end) {
        loop_stop(dialer->loop);
        return;
    }
    if (body.len != sizeof(ask))
        return;
    memcpy(&ask, body.at, sizeof(ask));
    if (ask.entry >= dialer->config.entry_count || dialer->attempt_count >= ATTEMPTS_MAX)
        answer(dialer, ask.tag, -1, "busy", "too many connections are being made");
    else
        begin(dialer, &ask);
}

bool dialer_new(struct loop *loop, const struct dialer_config *config,
                struct dialer **ret_dialer, struct fault *fault)
{
    struct dialer *dialer = xalloc(sizeof(*dialer));

    *dialer = (struct dialer){.loop = loop, .config = *config};
    if (!loop_watch(loop, config->socket, EPOLLIN, on_socket, dialer, &dialer->watch, fault)) {
        dialer_free(dialer);
        return false;
    }
    *ret_dialer = dialer;
    return true;
}

void dialer_free(struct dialer *dialer)
{
    if (dialer == NULL)
        return;
    while (dialer->attempts != NULL)
        attempt_free(dialer->attempts);
    loop_unwatch(dialer->watch);
    (void)close(dialer->config.socket);
    free(dialer);
}
