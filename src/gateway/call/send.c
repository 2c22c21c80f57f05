/* What goes to the provider: never before its intent is on disk. */
#include <stdlib.h>

#include "base/scope.h"
#include "gateway/call/exchange.h"
#include "gateway/dialect/target.h"

#ifndef CUSTODY_VERSION
#define CUSTODY_VERSION "0"
#endif

#define BUFFER_BYTES (64L * 1024)
#define TARGET_BYTES_MAX 4096

/* Again for each provider that is tried. */
static bool set_target(struct exchange *exchange, struct fault *fault)
{
    buf_free(&exchange->target);
    exchange->target = buf_with_limit(TARGET_BYTES_MAX);
    return target_path(exchange->provider->model, (enum operation)exchange->open.operation,
                       exchange->open.stream, &exchange->target, fault);
}

/* Contract and budget. One that is refused is READY no more. */
static void admit(struct exchange *exchange)
{
    const char *refused = accounts_refuses(exchange);
    struct fault fault = {0};

    if (refused != NULL) {
        AUTO_FREE char *message = xformat("custody: %s", route_says(refused));

        exchange_refuse(exchange, 400, refused, message);
        return;
    }
    if (!set_target(exchange, &fault)) {
        (void)fault_in(&fault, "custody");
        exchange_refuse(exchange, 400, "no-such-call", fault.why);
        return;
    }
    if (!accounts_reserve(exchange, &fault)) {
        (void)fault_in(&fault, "custody");
        exchange_refuse(exchange, 400, "budget", fault.why);
    }
}

static struct exchange *next_ready(struct exchange *from)
{
    while (from != NULL && from->state != EXCHANGE_READY)
        from = from->next;
    return from;
}

static void refuse_for_ledger(struct exchange *exchange, const struct fault *why)
{
    AUTO_FREE char *message = xformat(
        "custody: the record of this call cannot be written, so it is refused: %s", why->why);

    accounts_release(exchange);
    exchange_refuse(exchange, 400, "ledger", message);
}

/* What an intent names is on disk before it: one wait for the folder of all of them. */
static bool keep_prompts(struct gateway *gateway, struct fault *fault)
{
    struct exchange *first = next_ready(gateway->exchanges);

    for (struct exchange *at = first; at != NULL; at = next_ready(at->next))
        if (!accounts_keep(at, fault))
            return false;
    return first == NULL || gateway->config.sealer.sync(gateway->config.sealer.self, fault);
}

/* Writes the intents: all but the last are queued, the last is waited for, and it is behind
 * them. */
static bool record_intents(struct gateway *gateway, struct fault *fault)
{
    for (struct exchange *at = next_ready(gateway->exchanges); at != NULL;) {
        struct exchange *next = next_ready(at->next);

        if (!accounts_intent(at, next == NULL, fault))
            return false;
        at = next;
    }
    return true;
}

static void add_header(struct exchange *exchange, const char *line)
{
    struct curl_slist *longer =
        exchange->gateway->transport->slist_append(exchange->headers, line);

    if (longer == NULL)
        abort();
    exchange->headers = longer;
}

static void add_headers(struct exchange *exchange)
{
    add_header(exchange, "Content-Type: application/json");
    add_header(exchange, "User-Agent: custody/" CUSTODY_VERSION);
    add_header(exchange,
               "Accept-Encoding: identity"); /* what is compressed cannot be accounted */
    add_header(exchange, "Expect:");
    if (exchange->provider->key_header.len > 0)
        add_header(exchange, (const char *)exchange->provider->key_header.at);
    for (int i = 0; i < CALL_HEADER_COUNT; i++)
        if (exchange->open.headers[i][0] != 0) {
            char *line = xformat("%s: %s", call_header_names[i], exchange->open.headers[i]);

            add_header(exchange, line);
            free(line);
        }
}

static bool start(struct exchange *exchange, struct fault *fault)
{
    struct gateway *gateway = exchange->gateway;
    const struct transport *curl = gateway->transport;
    const struct provider *provider = exchange->provider;
    AUTO_FREE char *url =
        xformat("%s%s", (const char *)provider->origin.at, buf_text(&exchange->target));
    CURL *easy = curl->easy_init();
    struct slice body;

    if (easy == NULL)
        return fault_set(fault, FAULT_IO, "libcurl gives no handle");
    if (!accounts_body(exchange, &exchange->renamed, &body, fault)) {
        curl->easy_cleanup(easy);
        return false;
    }
    exchange->tries++;
    add_headers(exchange);
    (void)curl->easy_setopt(easy, CURLOPT_URL, url);
    (void)curl->easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    (void)curl->easy_setopt(easy, CURLOPT_PROTOCOLS_STR, provider->url.tls ? "https" : "http");
    (void)curl->easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    (void)curl->easy_setopt(easy, CURLOPT_PROXY, ""); /* no proxy of the environment's */
    (void)curl->easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    (void)curl->easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
    /* One request a connection: pausing one stream of HTTP/2 makes libcurl buffer megabytes.
     */
    (void)curl->easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    (void)curl->easy_setopt(easy, CURLOPT_BUFFERSIZE, BUFFER_BYTES);
    (void)curl->easy_setopt(easy, CURLOPT_POST, 1L);
    (void)curl->easy_setopt(easy, CURLOPT_POSTFIELDS, (const char *)body.at);
    (void)curl->easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);
    (void)curl->easy_setopt(easy, CURLOPT_HTTPHEADER, exchange->headers);
    (void)curl->easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)gateway->limits.connect_ms);
    (void)curl->easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)gateway->limits.total_ms);
    (void)curl->easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    (void)curl->easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    (void)curl->easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (provider->ca.len > 0) {
        struct curl_blob ca = {
            .data = provider->ca.at, .len = provider->ca.len, .flags = CURL_BLOB_NOCOPY};

        (void)curl->easy_setopt(easy, CURLOPT_CAINFO, NULL);
        (void)curl->easy_setopt(easy, CURLOPT_CAPATH, NULL);
        (void)curl->easy_setopt(easy, CURLOPT_CAINFO_BLOB, &ca);
    }
    (void)curl->easy_setopt(easy, CURLOPT_HEADERFUNCTION, answer_on_header);
    (void)curl->easy_setopt(easy, CURLOPT_HEADERDATA, exchange);
    (void)curl->easy_setopt(easy, CURLOPT_WRITEFUNCTION, answer_on_bytes);
    (void)curl->easy_setopt(easy, CURLOPT_WRITEDATA, exchange);
    (void)curl->easy_setopt(easy, CURLOPT_PRIVATE, exchange);
    exchange->heard_us = clock_monotonic_us(gateway->config.clock);
    if (!multi_add(gateway->multi, easy, fault)) {
        curl->easy_cleanup(easy);
        return false;
    }
    exchange->easy = easy;
    return true;
}

void send_batch(void *self)
{
    struct gateway *gateway = self;
    struct exchange *at, *next;
    struct fault fault = {0};
    bool recorded;

    gateway->batch = NULL;
    for (at = next_ready(gateway->exchanges); at != NULL; at = next) {
        next = next_ready(at->next);
        admit(at);
    }
    recorded = keep_prompts(gateway, &fault) && record_intents(gateway, &fault);
    for (at = next_ready(gateway->exchanges); at != NULL; at = next) {
        next = next_ready(at->next);
        if (!recorded) {
            refuse_for_ledger(at, &fault);
            continue;
        }
        gateway->totals.calls++;
        at->state = EXCHANGE_SENT;
        if (!start(at, &fault))
            answer_end(at, "failed");
    }
}
