#include "gateway/money/prices.h"

static int64_t bounded(int64_t tokens)
{
    return tokens < 0 ? 0 : tokens > TOKENS_MAX ? TOKENS_MAX : tokens;
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

int64_t prices_of(int64_t tokens, int64_t price_per_million)
{
    unsigned __int128 cost =
        (unsigned __int128)bounded(tokens) * (unsigned __int128)price_per_million;

    cost = (cost + 999999) / 1000000;
    return cost > (unsigned __int128)PRICES_COST_MAX ? PRICES_COST_MAX : (int64_t)cost;
}

bool prices_valid(const struct gateway_prices *prices)
{
    const int64_t all[] = {prices->input, prices->cached, prices->cache_write, prices->output,
                           prices->reasoning};

    for (size_t i = 0; i < COUNT(all); i++)
        if (all[i] < 0 || all[i] > PRICE_MAX)
            return false;
    return true;
}

int64_t prices_cost(const struct gateway_prices *prices, enum dialect dialect,
                    const struct usage *usage)
{
    int64_t in = bounded(usage_input(dialect, usage)), out = bounded(usage_output(dialect, usage));
    int64_t cached = bounded(usage->cached), written = bounded(usage->cache_written);
    int64_t reasoned = bounded(usage->reasoning);

    /* a provider whose parts are more than the whole is believed in the parts */
    in = larger(in - cached - written, 0);
    out = larger(out - reasoned, 0);
    return prices_of(in, prices->input) + prices_of(cached, prices->cached) +
           prices_of(written, prices->cache_write) + prices_of(out, prices->output) +
           prices_of(reasoned, prices->reasoning);
}

int64_t prices_upper_bound(const struct gateway_prices *prices, int64_t in, int64_t out)
{
    return prices_of(in, larger(larger(prices->input, prices->cached), prices->cache_write)) +
           prices_of(out, larger(prices->output, prices->reasoning));
}
