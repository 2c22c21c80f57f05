#include "gateway/gateway.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/scope.h"
#include "gateway/call/exchange.h"
#include "os/message.h"

#define PATROL_US (INT64_C(1000) * 1000)
#define UNSTREAMED_FACTOR 5 /* whose first byte comes when all has been generated */

static const struct gateway_limits defaults = {
    .connect_ms = 5 * 1000,
    .first_byte_ms = 120 * 1000,
    .idle_ms = 60 * 1000,
    .total_ms = 30 * 60 * 1000,
    .comfort_ms = 15 * 1000,
    .output_tokens = 16384,
};

static int64_t or_default(int64_t value, int64_t otherwise)
{
    return value > 0 ? value : otherwise;
}

static struct gateway_limits limits_filled(const struct gateway_limits *limits)
{
    return (struct gateway_limits){
        .tokens = limits->tokens,
        .micro_usd = limits->micro_usd,
        .calls = limits->calls,
        .connect_ms = or_default(limits->connect_ms, defaults.connect_ms),
        .first_byte_ms = or_default(limits->first_byte_ms, defaults.first_byte_ms),
        .idle_ms = or_default(limits->idle_ms, defaults.idle_ms),
        .total_ms = or_default(limits->total_ms, defaults.total_ms),
        .comfort_ms = or_default(limits->comfort_ms, defaults.comfort_ms),
        .output_tokens = or_default(limits->output_tokens, defaults.output_tokens),
    };
}

static void arm_patrol(struct gateway *gateway);

/* How long a transfer may stay in its phase, and what it is called if it does. */
static int64_t patience_ms(const struct exchange *exchange, enum transfer_phase phase,
                           const char **ret_reason)
{
    const struct gateway_limits *limits = &exchange->gateway->limits;

    *ret_reason = phase == TRANSFER_CONNECTING ? "upstream-unreachable" : "timeout";
    switch (phase) {
    case TRANSFER_CONNECTING:
        return limits->connect_ms;
    case TRANSFER_WAITING:
        return exchange->open.stream ? limits->first_byte_ms
                                     : limits->first_byte_ms * UNSTREAMED_FACTOR;
    case TRANSFER_SENDING:
    case TRANSFER_READING:
        break;
    }
    return limits->idle_ms;
}

/* Why this call is to be given up; NULL: it is not. One that waits for a slow client is not
 * idle. */
static const char *overdue(const struct exchange *exchange, int64_t now_us)
{
    const struct transfer *transfer = exchange->transfer;
    const char *reason;

    if (now_us - exchange->started_us > exchange->gateway->limits.total_ms * 1000)
        return "timeout";
    if (transfer == NULL || exchange->out.len > 0)
        return NULL;
    return now_us - transfer_moved_us(transfer) >
                   patience_ms(exchange, transfer_phase(transfer), &reason) * 1000
               ? reason
               : NULL;
}

const struct exchange_kind exchange_model = {send_ready, answer_end, accounts_refused, overdue,
                                             NULL};

static void on_patrol(void *self)
{
    struct gateway *gateway = self;
    int64_t now_us = clock_monotonic_us(gateway->config.clock);
    struct exchange *next;

    gateway->patrol = NULL;
    for (struct exchange *at = gateway->exchanges; at != NULL; at = next) {
        const char *reason = at->state == EXCHANGE_SENT ? at->kind->overdue(at, now_us) : NULL;

        next = at->next;
        if (reason != NULL)
            at->kind->end(at, reason);
        else if (at->state == EXCHANGE_SENT && !accounts_tick(at))
            answer_end(at, "budget");
        else if (at->state == EXCHANGE_SENT && at->open.stream && at->out.len == 0 &&
                 now_us - (at->told_us > 0 ? at->told_us : at->started_us) >
                     gateway->limits.comfort_ms * 1000)
            answer_comfort(at);
    }
    for (struct door_peer *door = gateway->doors; door != NULL; door = door->next)
        gateway_top_up(door); /* where descriptors had run out */
    book_flush(gateway->book);
    if (gateway->client != NULL)
        client_patrol(gateway->client);
    arm_patrol(gateway);
}

static void arm_patrol(struct gateway *gateway)
{
    struct fault fault = {0};

    if (!loop_timer(gateway->loop, PATROL_US, on_patrol, gateway, &gateway->patrol, &fault))
        gateway->patrol = NULL;
}

/* A policy may name models whose keys only other machines have. */
static bool open_providers(struct gateway *gateway, struct fault *fault)
{
    const struct gateway_config *config = &gateway->config;

    if (config->model >= config->model_count)
        return fault_set(fault, FAULT_INVALID, "the run has no model");
    gateway->providers = xalloc_array(config->model_count, sizeof(gateway->providers[0]));
    for (size_t i = 0; i < config->model_count; i++) {
        struct fault closed = {0};

        if (!provider_open(&config->models[i], &gateway->providers[i], &closed)) {
            if (i == config->model) {
                *fault = closed;
                return false;
            }
            gateway->providers[i] = (struct provider){.model = &config->models[i]};
        }
        gateway->provider_count++;
    }
    return true;
}

/* One that cannot be opened refuses its calls. */
static void open_servers(struct gateway *gateway)
{
    const struct gateway_config *config = &gateway->config;

    gateway->servers = xalloc_array(config->server_count + 1, sizeof(gateway->servers[0]));
    for (size_t i = 0; i < config->server_count; i++) {
        const struct gateway_model *at = &config->servers[i].at;
        struct fault closed = {0};

        if (!provider_open(at, &gateway->servers[i], &closed))
            gateway->servers[i] = (struct provider){.model = at};
        gateway->server_count++;
    }
}

static bool open_book(struct gateway *gateway, struct fault *fault)
{
    const struct gateway_config *config = &gateway->config;
    struct book_account accounts[BOOK_ACCOUNTS_MAX] = {
        {BOOK_RUN,
         config->run,
         {{config->limits.tokens, config->limits.micro_usd, config->limits.calls, 0}}}};

    if (config->account_count >= COUNT(accounts))
        return fault_set(fault, FAULT_INVALID, "too many accounts");
    for (size_t i = 0; i < config->account_count; i++)
        accounts[1 + i] = config->accounts[i];
    return book_open(config->shares_book ? config->book : -1, config->run, accounts,
                     1 + config->account_count, &gateway->book, fault);
}

bool gateway_new(struct loop *loop, const struct gateway_config *config,
                 struct gateway **ret_gateway, struct fault *fault)
{
    struct gateway *gateway = xalloc(sizeof(*gateway));

    *gateway = (struct gateway){
        .loop = loop, .config = *config, .limits = limits_filled(&config->limits)};
    if (!open_book(gateway, fault) || !open_providers(gateway, fault)) {
        gateway_free(gateway);
        return false;
    }
    open_servers(gateway);
    arm_patrol(gateway);
    *ret_gateway = gateway;
    return true;
}

static bool has_name(const struct gateway_model *model)
{
    const char *way = model->proxy != NULL ? model->proxy : model->url;
    struct addresses addresses;
    struct fault fault = {0};
    struct url url;

    return url_parse(slice_of(way), &url, &fault) && !addresses_literal(url.host, &addresses);
}

bool gateway_has_names(const struct gateway_model *models, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (has_name(&models[i]))
            return true;
    return false;
}

bool gateway_servers_have_names(const struct gateway_server *servers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (has_name(&servers[i].at))
            return true;
    return false;
}

static bool connect_all(struct gateway *gateway, struct provider *providers, size_t count,
                        struct fault *fault)
{
    for (size_t i = 0; i < count; i++)
        if (providers[i].origin.len > 0 &&
            !provider_connect(&providers[i], gateway->client, EXCHANGE_STREAM_BYTES_MAX,
                              fault))
            return false;
    return true;
}

bool gateway_connect(struct gateway *gateway, struct fault *fault)
{
    if (!resolver_new(gateway->loop, gateway->config.clock, take_fd(&gateway->config.resolver),
                      &gateway->resolver, fault))
        return false;
    gateway->client = client_new(gateway->loop, gateway->config.clock, gateway->resolver);
    return connect_all(gateway, gateway->providers, gateway->provider_count, fault) &&
           connect_all(gateway, gateway->servers, gateway->server_count, fault);
}

static bool add_spare(struct door_peer *door, struct fault *fault)
{
    struct message_fds fds = {.count = 1};
    int ends[2];
    bool ok;

    if (!message_pair(ends, fault))
        return false;
    fds.fd[0] = ends[1];
    ok = exchange_new(door, ends[0], fault);
    if (!ok)
        (void)close(ends[0]);
    else
        ok = message_send(door->socket, slice_of_bytes((uint8_t[]){CALL_SOCKET}, 1), &fds,
                          fault);
    (void)close(ends[1]);
    return ok;
}

void gateway_top_up(struct door_peer *door)
{
    struct fault fault = {0};

    while (!door->closing && door->spares < CALL_SPARES &&
           door->gateway->exchange_count < CALLS_AT_ONCE_MAX)
        if (!add_spare(door, &fault))
            return; /* the patrol tries again */
}

static void close_door(struct door_peer *door)
{
    struct gateway *gateway = door->gateway;
    struct exchange *next;

    door->closing = true;
    for (struct exchange *at = gateway->exchanges; at != NULL; at = next) {
        next = at->next;
        if (at->door != door)
            continue;
        if (at->state == EXCHANGE_SENT) {
            at->door_gone = true; /* no error for anybody */
            at->kind->end(at, "run-ended");
        } else {
            exchange_free(at);
        }
    }
    for (struct door_peer **at = &gateway->doors; *at != NULL; at = &(*at)->next)
        if (*at == door) {
            *at = door->next;
            break;
        }
    loop_unwatch(door->watch);
    (void)close(door->socket);
    free(door);
}

/* Nothing is expected on the control socket but its end. */
static void on_door(void *self, uint32_t events)
{
    struct door_peer *door = self;
    uint8_t byte;
    ssize_t got;

    (void)events;
    do
        got = call_receive(door->socket, &byte, sizeof(byte));
    while (got > 0);
    if (got == 0)
        close_door(door);
}

bool gateway_serve(struct gateway *gateway, int socket,
                   const struct gateway_identity *identity, struct fault *fault)
{
    struct door_peer *door = xalloc(sizeof(*door));

    *door = (struct door_peer){.gateway = gateway, .identity = identity, .socket = socket};
    if (!loop_watch(gateway->loop, socket, EPOLLIN, on_door, door, &door->watch, fault)) {
        (void)close(socket);
        free(door);
        return false;
    }
    door->next = gateway->doors;
    gateway->doors = door;
    gateway_top_up(door);
    return true;
}

struct gateway_totals gateway_totals(const struct gateway *gateway)
{
    return gateway->totals;
}

void gateway_free(struct gateway *gateway)
{
    if (gateway == NULL)
        return;
    while (gateway->doors != NULL)
        close_door(gateway->doors);
    loop_timer_cancel(gateway->batch);
    loop_timer_cancel(gateway->patrol);
    client_free(gateway->client);
    resolver_free(gateway->resolver);
    scope_close(&gateway->config.resolver);
    for (size_t i = 0; i < gateway->provider_count; i++)
        provider_close(&gateway->providers[i]);
    for (size_t i = 0; i < gateway->server_count; i++)
        provider_close(&gateway->servers[i]);
    free(gateway->providers);
    free(gateway->servers);
    book_close(gateway->book);
    free(gateway);
}
