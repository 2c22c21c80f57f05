#include "gateway/egress/dialer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/scope.h"
#include "gateway/egress/address.h"
#include "os/message.h"

#define CONNECT_MS 10000
#define ATTEMPTS_MAX 256
#define ADDRESSES_MAX 8

struct attempt {
    struct dialer *dialer;
    uint32_t tag;
    struct sockaddr_storage addresses[ADDRESSES_MAX];
    size_t count, next;
    int fd;
    int error; /* of the last address */
    struct loop_watch *watch;
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
    loop_unwatch(attempt->watch);
    loop_timer_cancel(attempt->timer);
    scope_close(&attempt->fd);
    *attempt->before = attempt->after;
    if (attempt->after != NULL)
        attempt->after->before = attempt->before;
    attempt->dialer->attempt_count--;
    free(attempt);
}

static void next_address(struct attempt *attempt);

static void on_connected(void *self, uint32_t events)
{
    struct attempt *attempt = self;
    int error = 0;
    socklen_t len = sizeof(error);

    (void)events;
    if (getsockopt(attempt->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
        error = errno;
    loop_unwatch(attempt->watch);
    attempt->watch = NULL;
    if (error != 0) {
        attempt->error = error;
        scope_close(&attempt->fd);
        next_address(attempt);
        return;
    }
    answer(attempt->dialer, attempt->tag, attempt->fd, "", "");
    attempt_free(attempt);
}

static void on_time(void *self)
{
    struct attempt *attempt = self;

    attempt->timer = NULL;
    answer(attempt->dialer, attempt->tag, -1, "timeout", "the server did not take the connection in time");
    attempt_free(attempt);
}

/* True: it is under way. */
static bool begin(struct attempt *attempt, const struct sockaddr_storage *address)
{
    socklen_t len = address->ss_family == AF_INET ? sizeof(struct sockaddr_in)
                                                  : sizeof(struct sockaddr_in6);
    struct sockaddr_storage copy = *address;
    struct fault fault = {0};
    int on = 1;

    attempt->fd =
        socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
    if (attempt->fd < 0 ||
        (connect(attempt->fd, (struct sockaddr *)&copy, len) < 0 && errno != EINPROGRESS)) {
        attempt->error = errno;
        return false;
    }
    (void)setsockopt(attempt->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (!loop_watch(attempt->dialer->loop, attempt->fd, EPOLLOUT, on_connected, attempt,
                    &attempt->watch, &fault)) {
        attempt->error = EIO;
        return false;
    }
    return true;
}

static void next_address(struct attempt *attempt)
{
    while (attempt->next < attempt->count) {
        if (begin(attempt, &attempt->addresses[attempt->next++]))
            return;
        scope_close(&attempt->fd);
    }
    answer(attempt->dialer, attempt->tag, -1, "unreachable", strerror(attempt->error));
    attempt_free(attempt);
}

static bool resolve_by_host(void *self, const char *host, uint16_t port,
                            struct addrinfo **ret_list, struct fault *fault)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_NUMERICSERV};
    char service[8];
    int error;

    (void)self;
    (void)snprintf(service, sizeof(service), "%u", (unsigned)port);
    error = getaddrinfo(host, service, &hints, ret_list);
    return error == 0 ||
           fault_set(fault, FAULT_MISSING, "the name has no address: %s", gai_strerror(error));
}

static bool is_named(const struct egress_entry *entry, const struct sockaddr *address)
{
    struct sockaddr_in four;
    struct in_addr named;

    if (address->sa_family != AF_INET || inet_pton(AF_INET, entry->host, &named) != 1)
        return false;
    memcpy(&four, address, sizeof(four));
    return four.sin_addr.s_addr == named.s_addr;
}

/* All of them are judged: a name of which one answer leads inside is not to be trusted. */
static bool judge(const struct egress_entry *entry, const struct addrinfo *list,
                  struct attempt *attempt, struct fault *fault)
{
    for (; list != NULL; list = list->ai_next) {
        if (!address_check(list->ai_addr, entry->is_private, is_named(entry, list->ai_addr),
                           fault))
            return false;
        if (attempt->count < ADDRESSES_MAX &&
            list->ai_addrlen <= sizeof(attempt->addresses[0])) {
            memcpy(&attempt->addresses[attempt->count], list->ai_addr, list->ai_addrlen);
            attempt->count++;
        }
    }
    return attempt->count > 0 || fault_set(fault, FAULT_MISSING, "the name has no address");
}

static void dial(struct dialer *dialer, const struct dial_ask *ask)
{
    const struct egress_entry *entry = &dialer->config.entries[ask->entry];
    struct attempt *attempt = xalloc(sizeof(*attempt));
    struct addrinfo *list = NULL;
    struct fault fault = {0};
    int64_t limit_ms = dialer->config.connect_ms > 0 ? dialer->config.connect_ms : CONNECT_MS;
    bool ok;

    *attempt = (struct attempt){.dialer = dialer,
                                .tag = ask->tag,
                                .fd = -1,
                                .after = dialer->attempts,
                                .before = &dialer->attempts};
    if (attempt->after != NULL)
        attempt->after->before = &attempt->after;
    dialer->attempts = attempt;
    dialer->attempt_count++;
    ok = dialer->config.resolve(dialer->config.self, entry->host, entry->port, &list,
                                &fault) &&
         judge(entry, list, attempt, &fault);
    if (list != NULL)
        freeaddrinfo(list);
    if (ok && loop_timer(dialer->loop, limit_ms * 1000, on_time, attempt, &attempt->timer,
                         &fault)) {
        next_address(attempt);
        return;
    }
    answer(dialer, ask->tag, -1, fault.kind == FAULT_DENIED ? "address" : "name", fault.why);
    attempt_free(attempt);
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
    if (ask.entry >= dialer->config.entry_count || dialer->attempt_count >= ATTEMPTS_MAX) {
        answer(dialer, ask.tag, -1, "busy", "too many connections are being made");
        return;
    }
    dial(dialer, &ask);
}

bool dialer_new(struct loop *loop, const struct dialer_config *config,
                struct dialer **ret_dialer, struct fault *fault)
{
    struct dialer *dialer = xalloc(sizeof(*dialer));

    *dialer = (struct dialer){.loop = loop, .config = *config};
    if (dialer->config.resolve == NULL)
        dialer->config.resolve = resolve_by_host;
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
