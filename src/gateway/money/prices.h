/* gateway/money/prices.h - what tokens cost. Pure. */
#ifndef CUSTODY_GATEWAY_PRICES_H
#define CUSTODY_GATEWAY_PRICES_H

#include "gateway/dialect/usage.h"

#define TOKENS_MAX (INT64_C(1) << 40) /* no figure of a provider's is believed beyond that */
#define PRICE_MAX INT64_C(1000000000000) /* a dollar a token */

/* tokens * price / 10^6, rounded up; micro-USD. Never overflows: stops at PRICES_COST_MAX. */
#define PRICES_COST_MAX (INT64_C(1) << 50)
int64_t prices_of(int64_t tokens, int64_t price_per_million);
/* Each price 0 to PRICE_MAX. */
bool prices_valid(const struct gateway_prices *prices);
/*
 * What a call cost: each kind of token at its own price, whether the dialect counts cached ones
 * among the input (OpenAI, Gemini) or beside it (Anthropic), and reasoning as a part of the
 * output.
 */
int64_t prices_cost(const struct gateway_prices *prices, enum dialect dialect,
                    const struct usage *usage);
/* The most that so many tokens can cost: input may be written to the cache, output reasoned. */
int64_t prices_upper_bound(const struct gateway_prices *prices, int64_t in, int64_t out);

#endif
