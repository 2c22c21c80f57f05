/* gateway/money/budget.h - what a call costs and what a run may spend. */
#ifndef CUSTODY_GATEWAY_MONEY_BUDGET_H
#define CUSTODY_GATEWAY_MONEY_BUDGET_H

#include <stdint.h>

#include "base/fault.h"

/* What a run may spend. Reserved before a call, settled after it; 0 is no limit. */
struct budget {
    int64_t tokens_limit, micro_usd_limit;
    int64_t tokens, micro_usd; /* spent and reserved */
};

struct spending {
    int64_t tokens, micro_usd;
};

/* FAULT_LIMIT: it would be too much; nothing was reserved. */
MUST_USE bool budget_reserve(struct budget *budget, struct spending upper_bound,
                             struct fault *fault);
void budget_settle(struct budget *budget, struct spending reserved, struct spending spent);

#endif
