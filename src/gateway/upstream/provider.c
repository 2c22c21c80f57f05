#include "gateway/upstream/provider.h"

#include <fcntl.h>
#include <stdlib.h>

#include "base/scope.h"
#include "gateway/dialect/target.h"
#include "gateway/money/prices.h"
#include "os/file.h"

#define KEY_BYTES_MAX 8192
#define CA_BYTES_MAX (4U * 1024 * 1024)

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
    return target_check(model, fault);
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

static bool make_key_header(const struct gateway_model *model, struct buf *header,
                            struct fault *fault)
{
    AUTO_BUF_SECRET struct buf key = buf_with_limit(KEY_BYTES_MAX);
    struct slice trimmed;

    if (model->key_file == NULL && model->key_environment == NULL)
        return true;
    /* all at once: a buffer that grew would leave copies of the key behind */
    if (!buf_reserve(&key, KEY_BYTES_MAX, fault) || !read_key(model, &key, fault))
        return false;
    trimmed = slice_trim(buf_slice(&key));
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

bool provider_open(const struct gateway_model *model, struct provider *ret_provider,
                   struct fault *fault)
{
    struct provider provider = {.model = model,
                                .origin = buf_with_limit(URL_BYTES_MAX),
                                .key_header = buf_with_limit(KEY_BYTES_MAX + 64),
                                .ca = buf_with_limit(CA_BYTES_MAX)};
    bool ok;

    if (!gateway_model_check(model, fault))
        return false;
    ok = url_parse(slice_of(model->url), &provider.url, fault) &&
         buf_add(&provider.origin, origin_of(model, &provider.url), fault) &&
         make_key_header(model, &provider.key_header, fault) &&
         read_ca(model, &provider.ca, fault);
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
    buf_free(&provider->ca);
}
