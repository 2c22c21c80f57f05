/* gateway/money/price_list.h - data/prices.yaml, compiled in: what providers ask for. */
#ifndef CUSTODY_GATEWAY_PRICE_LIST_H
#define CUSTODY_GATEWAY_PRICE_LIST_H

#include "gateway/gateway.h"

/* Made by tools/embed-files. */
struct price_list {
    const char *name;
    const uint8_t *at;
    size_t len;
};

extern const struct price_list price_lists[];
extern const size_t price_lists_count;

/*
 * The listed prices of the model that this entry leads to, by host of its url and by what the
 * provider calls it. ret_found: whether there are any. FAULT_INVALID: the list is broken.
 */
MUST_USE bool price_list_find(const struct gateway_model *model, bool *ret_found,
                              struct gateway_prices *ret_prices, struct fault *fault);

#endif
