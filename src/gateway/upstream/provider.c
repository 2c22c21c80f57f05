#include "gateway/upstream/provider.h"

#include <fcntl.h>
#include <stdlib.h>

#include "base/scope.h"
#include "gateway/dialect/target.h"
#include "gateway/money/prices.h"
#include "os/file.h"
#include "wire/base64.h"

#define KEY_BYTES_MAX 8192
#define CA_BYTES_MAX (4U * 1024 * 1024)
#define CREDENTIALS_BYTES_MAX 1024
#define FIELDS_BYTES_MAX (KEY_BYTES_MAX + URL_BYTES_MAX)

#ifndef CUSTODY_VERSION
#define CUSTODY_VERSION "0"
#endif

static bool check_way(const struct gateway_model *model, const struct url *url,
                      struct fault *fault)
{
    uint8_t pin[TLS_DIGEST_BYTES];
    struct url proxy;

    if (!url->tls && (model->pin_count > 0 || model->proxy != NULL))
        return fault_set(fault, FAULT_INVALID, "pins and a proxy are for https:// only");
    if (model->pin_count > TLS_PINS_MAX)
        return fault_set(fault, FAULT_INVALID, "more than %d pins", TLS_PINS_MAX);
    for (size_t i = 0; i < model->pin_count; i++)
        if (!tls_pin_parse(slice_of(model->pins[i]), pin, fault))
            return false;
    if (model->proxy == NULL)
        return model->proxy_credentials == NULL ||
               fault_set(fault, FAULT_INVALID, "credentials without a proxy");
    if (!url_parse(slice_of(model->proxy), &proxy, fault))
        return fault_in(fault, "proxy");
    if (proxy.tls || proxy.path.len > 1 || proxy.query.len > 0)
        return fault_set(fault, FAULT_INVALID,
                         "a proxy is http://HOST:PORT; what goes through it is encrypted");
    return true;
}

bool gateway_model_check(const struct gateway_model *model, struct fault *fault)
{
    struct url url;

    if (model->name == NULL || model->name[0] == 0 || model->url == NULL)
        return fault_set(fault, FAULT_INVALID, "a model without name or url");
    if (!url_parse(slice_of(model->url), &url, fault))
        return fault_in(fault, "model %s", model->name);
    if (!url.tls && !url_host_is_loopback(url.host))
        return fault_set(fault, FAULT_INVALID,
                         "model %s: plain http:// is for this machine only, use https://",
                         model->name);
    if (!prices_valid(&model->prices))
        return fault_set(fault, FAULT_INVALID, "model %s: a price out of range", model->name);
    if (model->key_file != NULL && model->key_environment != NULL)
        return fault_set(fault, FAULT_INVALID, "model %s: two keys", model->name);
    return (check_way(model, &url, fault) || fault_in(fault, "model %s", model->name)) &&
           target_check(model, fault);
}

static bool read_key(const struct gateway_model *model, struct buf *key, struct fault *fault)
{
    if (model->key_environment != NULL) {
        const char *value = getenv(model->key_environment);

        if (value == NULL)
            return fault_set(fault, FAULT_MISSING, "the environment has no %s",
                             model->key_environment);
        return buf_add_text(key, value, fault);
    }
    if (model->key_file != NULL) {
        AUTO_CLOSE int fd = open(model->key_file, O_RDONLY | O_CLOEXEC | O_NOCTTY);

        if (fd < 0)
            return fault_errno(fault, "open %s", model->key_file);
        return file_read_fd(fd, key, fault) || fault_in(fault, "read %s", model->key_file);
    }
    return true;
}

/* What goes into a header must not be able to end it. */
static bool key_valid(struct slice key)
{
    for (size_t i = 0; i < key.len; i++)
        if (key.at[i] <= 0x20 || key.at[i] >= 0x7F)
            return false;
    return key.len > 0;
}

/* Keys that sign: those of Amazon, unless the file holds one of Bedrock's own. */
static bool take_signing(struct provider *provider, struct slice text, bool *ret_taken,
                         struct fault *fault)
{
    struct fault unsigned_key = {0};

    *ret_taken = false;
    if (provider->model->service != SERVICE_BEDROCK)
        return true;
    if (!buf_reserve(&provider->signing, KEY_BYTES_MAX, fault) ||
        !buf_add(&provider->signing, text, fault))
        return false;
    *ret_taken = sign_keys_read(buf_slice(&provider->signing), &provider->keys, &unsigned_key);
    if (*ret_taken)
        return true;
    buf_free_secret(&provider->signing);
    if (unsigned_key.kind != FAULT_MISSING)
        *fault = unsigned_key;
    return unsigned_key.kind == FAULT_MISSING;
}

static bool make_key_header(struct provider *provider, struct fault *fault)
{
    AUTO_BUF_SECRET struct buf key = buf_with_limit(KEY_BYTES_MAX);
    const struct gateway_model *model = provider->model;
    struct buf *header = &provider->key_header;
    struct slice trimmed;
    bool taken;

    if (model->key_file == NULL && model->key_environment == NULL)
        return true;
    /* all at once: a buffer that grew would leave copies of the key behind */
    if (!buf_reserve(&key, KEY_BYTES_MAX, fault) || !read_key(model, &key, fault))
        return false;
    trimmed = slice_trim(buf_slice(&key));
    if (!take_signing(provider, trimmed, &taken, fault))
        return false;
    if (taken)
        return true;
    if (!key_valid(trimmed))
        return fault_set(fault, FAULT_INVALID,
                         "the key is empty or holds spaces or control characters");
    return buf_reserve(header, KEY_BYTES_MAX + 64, fault) &&
           buf_add_text(header, target_key_header(model), fault) &&
           buf_add(header, trimmed, fault);
}

/* Now: when calls are made, this process may open no such files any more. */
static bool read_ca(const struct gateway_model *model, struct buf *ca, struct fault *fault)
{
    AUTO_CLOSE int fd = -1;

    if (model->ca_file == NULL)
        return true;
    fd = open(model->ca_file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return fault_errno(fault, "open %s", model->ca_file);
    if (!file_read_fd(fd, ca, fault))
        return fault_in(fault, "read %s", model->ca_file);
    return ca->len > 0 || fault_set(fault, FAULT_INVALID, "%s is empty", model->ca_file);
}

/* A URL without path and query. */
static struct slice origin_of(const struct gateway_model *model, const struct url *url)
{
    struct slice text = slice_of(model->url);
    size_t query = url->query.len > 0 ? url->query.len + 1 : 0;

    return slice_part(text, 0, text.len - url->path.len - query);
}

static bool read_credentials(const struct gateway_model *model, struct buf *header,
                             struct fault *fault)
{
    AUTO_BUF_SECRET struct buf text = buf_with_limit(CREDENTIALS_BYTES_MAX);
    AUTO_CLOSE int fd = -1;
    struct slice trimmed;

    if (model->proxy_credentials == NULL)
        return true;
    fd = open(model->proxy_credentials, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return fault_errno(fault, "open %s", model->proxy_credentials);
    if (!buf_reserve(&text, CREDENTIALS_BYTES_MAX, fault) || !file_read_fd(fd, &text, fault))
        return fault_in(fault, "read %s", model->proxy_credentials);
    trimmed = slice_trim(buf_slice(&text));
    if (!key_valid(trimmed) || slice_find_byte(trimmed, ':', 0) == SIZE_MAX)
        return fault_set(fault, FAULT_INVALID, "%s does not hold USER:PASSWORD",
                         model->proxy_credentials);
    return buf_reserve(header, 2 * CREDENTIALS_BYTES_MAX, fault) &&
           buf_add_text(header, "Proxy-Authorization: Basic ", fault) &&
           base64_encode(trimmed, header, fault) && buf_add_text(header, "\r\n", fault);
}

bool provider_open(const struct gateway_model *model, struct provider *ret_provider,
                   struct fault *fault)
{
    struct provider provider = {.model = model,
                                .origin = buf_with_limit(URL_BYTES_MAX),
                                .key_header = buf_with_limit(KEY_BYTES_MAX + 64),
                                .signing = buf_with_limit(KEY_BYTES_MAX),
                                .ca = buf_with_limit(CA_BYTES_MAX),
                                .proxy_header = buf_with_limit(2 * CREDENTIALS_BYTES_MAX),
                                .fields = buf_with_limit(FIELDS_BYTES_MAX)};
    bool ok;

    if (!gateway_model_check(model, fault))
        return false;
    ok = url_parse(slice_of(model->url), &provider.url, fault) &&
         buf_add(&provider.origin, origin_of(model, &provider.url), fault) &&
         make_key_header(&provider, fault) &&
         read_ca(model, &provider.ca, fault) &&
         read_credentials(model, &provider.proxy_header, fault);
    if (!ok) {
        provider_close(&provider);
        return fault_in(fault, "model %s", model->name);
    }
    (void)buf_text(&provider.origin);
    (void)buf_text(&provider.key_header);
    *ret_provider = provider;
    return true;
}

void provider_close(struct provider *provider)
{
    buf_free(&provider->origin);
    buf_free_secret(&provider->key_header);
    buf_free_secret(&provider->signing);
    buf_free(&provider->ca);
    buf_free_secret(&provider->proxy_header);
    buf_free_secret(&provider->fields);
    tls_free(provider->tls);
    provider->tls = NULL;
}

/* The value of the first line, which add_host has written. */
static struct slice host_of(const struct provider *provider)
{
    struct slice fields = buf_slice(&provider->fields);

    return slice_part(fields, strlen("Host: "), slice_find(fields, SLICE("\r\n"), 0));
}

bool provider_sign(const struct provider *provider, struct slice target, struct slice body,
                   int64_t now_us, struct buf *head, struct fault *fault)
{
    AUTO_BUF_SECRET struct buf lines = buf_with_limit(2 * KEY_BYTES_MAX);
    const struct sign_header host = {SLICE("host"), host_of(provider)};
    const struct sign_request request = {.method = "POST",
                                         .target = target,
                                         .headers = &host,
                                         .header_count = 1,
                                         .body = body,
                                         .region = provider->model->region,
                                         .service = "bedrock",
                                         .now_us = now_us};
    struct slice rest, line;

    if (provider->signing.len == 0)
        return true;
    if (!buf_reserve(&lines, lines.limit, fault) ||
        !sign_request(&provider->keys, &request, &lines, fault))
        return false;
    rest = buf_slice(&lines);
    while (slice_cut(&rest, '\n', &line))
        if (line.len > 0 && (!buf_add(head, line, fault) || !buf_add_text(head, "\r\n", fault)))
            return false;
    return true;
}

static bool open_tls(struct provider *provider, struct fault *fault)
{
    const struct gateway_model *model = provider->model;
    uint8_t pins[TLS_PINS_MAX][TLS_DIGEST_BYTES];
    struct tls_config config = {.host = provider->url.host,
                                .ca = buf_slice(&provider->ca),
                                .pins = (const uint8_t(*)[TLS_DIGEST_BYTES])pins,
                                .pin_count = model->pin_count};

    for (size_t i = 0; i < model->pin_count && i < TLS_PINS_MAX; i++)
        if (!tls_pin_parse(slice_of(model->pins[i]), pins[i], fault))
            return false;
    return tls_new(&config, &provider->tls, fault);
}

static bool add_host(const struct url *url, struct buf *out, struct fault *fault)
{
    bool bracket = slice_find_byte(url->host, ':', 0) != SIZE_MAX;

    return buf_add_text(out, bracket ? "Host: [" : "Host: ", fault) &&
           buf_add(out, url->host, fault) && (!bracket || buf_add_byte(out, ']', fault)) &&
           (url->port == (url->tls ? 443 : 80) ||
            buf_add_format(out, fault, ":%u", (unsigned)url->port)) &&
           buf_add_text(out, "\r\n", fault);
}

static bool write_fields(struct provider *provider, struct fault *fault)
{
    struct buf *out = &provider->fields;
    struct slice key = buf_slice(&provider->key_header);

    return buf_reserve(out, FIELDS_BYTES_MAX, fault) && add_host(&provider->url, out, fault) &&
           buf_add_text(out, "User-Agent: custody/" CUSTODY_VERSION "\r\n", fault) &&
           /* what is compressed cannot be accounted for */
           buf_add_text(out, "Accept-Encoding: identity\r\n", fault) &&
           buf_add(out, key, fault) && (key.len == 0 || buf_add_text(out, "\r\n", fault));
}

bool provider_connect(struct provider *provider, struct client *client, uint64_t answer_limit,
                      struct fault *fault)
{
    const struct gateway_model *model = provider->model;
    struct link_place place = {.host = provider->url.host,
                               .port = provider->url.port,
                               .loopback_only = !provider->url.tls,
                               .proxy_header = buf_slice(&provider->proxy_header)};
    struct url proxy;

    if (provider->url.tls && !open_tls(provider, fault))
        return fault_in(fault, "model %s", model->name);
    place.tls = provider->tls;
    if (model->proxy != NULL) {
        if (!url_parse(slice_of(model->proxy), &proxy, fault))
            return fault_in(fault, "model %s: proxy", model->name);
        place.proxy_host = proxy.host;
        place.proxy_port = proxy.port;
    }
    provider->pool = origin_new(client, &place, answer_limit);
    return write_fields(provider, fault);
}
