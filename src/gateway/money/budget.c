#include "gateway/money/budget.h"

static bool over(int64_t limit, int64_t so_far, int64_t more)
{
    return limit > 0 && (so_far >= limit || more > limit - so_far);
}

bool budget_reserve(struct budget *budget, struct spending upper_bound, struct fault *fault)
{
    if (over(budget->tokens_limit, budget->tokens, upper_bound.tokens))
        return fault_set(fault, FAULT_LIMIT,
                         "the run's budget of %lld tokens does not hold another %lld (%lld "
                         "used or reserved)",
                         (long long)budget->tokens_limit, (long long)upper_bound.tokens,
                         (long long)budget->tokens);
    if (over(budget->micro_usd_limit, budget->micro_usd, upper_bound.micro_usd))
        return fault_set(
            fault, FAULT_LIMIT,
            "the run's budget of %lld micro-USD does not hold another %lld (%lld used or "
            "reserved)",
            (long long)budget->micro_usd_limit, (long long)upper_bound.micro_usd,
            (long long)budget->micro_usd);
    budget->tokens += upper_bound.tokens;
    budget->micro_usd += upper_bound.micro_usd;
    return true;
}

void budget_settle(struct budget *budget, struct spending reserved, struct spending spent)
{
    budget->tokens += spent.tokens - reserved.tokens;
    budget->micro_usd += spent.micro_usd - reserved.micro_usd;
}
