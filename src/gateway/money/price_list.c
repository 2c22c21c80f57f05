#include "gateway/money/price_list.h"

#include "gateway/dialect/target.h"
#include "gateway/money/prices.h"
#include "wire/url.h"
#include "wire/yaml.h"

#define MICRO_DIGITS 6
#define UNLISTED (-1)

struct row {
    const char *name;
    struct gateway_prices prices;
};

/* What is looked for, and what was found. */
struct search {
    struct slice host, model;
    const char *provider; /* that is being read */
    bool found;
    struct gateway_prices prices;
};

/* "3", "0.125": millionths. */
static bool read_price(const struct yaml *node, int64_t *ret_price, struct fault *fault)
{
    const char *text;
    int64_t value = 0;
    int decimals = -1; /* behind the point */

    if (!yaml_text(node, &text, fault))
        return false;
    for (const char *at = text; *at != 0; at++) {
        if (*at == '.' && decimals < 0 && at > text)
            decimals = 0;
        else if (*at < '0' || *at > '9' || value > PRICE_MAX || decimals == MICRO_DIGITS)
            return yaml_refuse(node, fault, "not a price: %.40s", text);
        else {
            value = value * 10 + (*at - '0');
            decimals += decimals >= 0;
        }
    }
    for (int i = decimals < 0 ? 0 : decimals; i < MICRO_DIGITS; i++)
        value *= 10;
    *ret_price = value;
    return (text[0] != 0 && value <= PRICE_MAX) ||
           yaml_refuse(node, fault, "not a price: %.40s", text);
}

#define READ_PRICE(kind)                                                                      \
    static bool read_##kind(void *into, const struct yaml *node, struct fault *fault)         \
    {                                                                                         \
        return read_price(node, &((struct row *)into)->prices.kind, fault);                   \
    }
READ_PRICE(input)
READ_PRICE(cached)
READ_PRICE(cache_write)
READ_PRICE(output)
READ_PRICE(reasoning)

static bool read_name(void *into, const struct yaml *node, struct fault *fault)
{
    return yaml_text(node, &((struct row *)into)->name, fault);
}

static const struct yaml_key row_keys[] = {
    {"name", true, read_name},      {"input", true, read_input},
    {"cached", false, read_cached}, {"cache_write", false, read_cache_write},
    {"output", true, read_output},  {"reasoning", false, read_reasoning},
};

/* The name itself, or with a date behind it. */
static bool is_named(struct slice model, struct slice name)
{
    struct slice rest;
    size_t digits = 0;

    if (!slice_starts_with(model, name))
        return false;
    rest = slice_part(model, name.len, model.len);
    if (rest.len == 0)
        return true;
    for (size_t i = 1; i < rest.len; i++) {
        if (rest.at[i] >= '0' && rest.at[i] <= '9')
            digits++;
        else if (rest.at[i] != '-')
            return false;
    }
    return rest.at[0] == '-' && digits == 8;
}

static bool read_models(void *into, const struct yaml *node, struct fault *fault)
{
    struct search *search = into;

    if (!yaml_is(node, YAML_SEQUENCE, fault))
        return false;
    for (size_t i = 0; i < node->count; i++) {
        struct row row = {.prices = {0, UNLISTED, UNLISTED, 0, UNLISTED}};

        if (!yaml_read(&node->children[i], row_keys, COUNT(row_keys), &row, fault))
            return false;
        if (row.prices.cached == UNLISTED)
            row.prices.cached = row.prices.input;
        if (row.prices.cache_write == UNLISTED)
            row.prices.cache_write = row.prices.input;
        if (row.prices.reasoning == UNLISTED)
            row.prices.reasoning = row.prices.output;
        if (search->provider != NULL &&
            slice_equal(search->host, slice_of(search->provider)) &&
            is_named(search->model, slice_of(row.name))) {
            search->found = true;
            search->prices = row.prices;
        }
    }
    return true;
}

static bool read_host(void *into, const struct yaml *node, struct fault *fault)
{
    return yaml_text(node, &((struct search *)into)->provider, fault);
}

static const struct yaml_key provider_keys[] = {
    {"host", true, read_host},
    {"models", true, read_models},
};

static bool read_providers(void *into, const struct yaml *node, struct fault *fault)
{
    struct search *search = into;

    if (!yaml_is(node, YAML_SEQUENCE, fault))
        return false;
    for (size_t i = 0; i < node->count; i++) {
        search->provider = NULL;
        if (!yaml_read(&node->children[i], provider_keys, COUNT(provider_keys), search, fault))
            return false;
    }
    return true;
}

static bool read_version(void *into, const struct yaml *node, struct fault *fault)
{
    int64_t version;

    (void)into;
    return yaml_number(node, 1, 1, &version, fault);
}

static const struct yaml_key list_keys[] = {
    {"version", true, read_version},
    {"providers", true, read_providers},
};

bool price_list_find(const struct gateway_model *model, bool *ret_found,
                     struct gateway_prices *ret_prices, struct fault *fault)
{
    struct search search = {.model = slice_of(target_model(model))};
    struct url url;

    if (!url_parse(slice_of(model->url), &url, fault))
        return false;
    search.host = url.host;
    for (size_t i = 0; i < price_lists_count; i++) {
        AUTO_YAML struct yaml *root = NULL;

        if (!yaml_parse(slice_of_bytes(price_lists[i].at, price_lists[i].len),
                        price_lists[i].name, &root, fault) ||
            !yaml_read(root, list_keys, COUNT(list_keys), &search, fault))
            return false;
    }
    *ret_found = search.found;
    if (search.found)
        *ret_prices = search.prices;
    return true;
}
