#include "copay.h"

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* What is left of a yearly limit. */
static int64_t left_of(int64_t limit, int64_t paid)
{
    return limit > paid ? limit - paid : 0;
}

struct share copay_share(const struct plan *plan, const struct year *year, int64_t charge)
{
    struct share share = {0};

    if (charge <= 0)
        return share;
    share.deductible = smaller(charge, left_of(plan->deductible, year->deductible_paid));
    share.coinsurance = charge * plan->coinsurance_percent / 100;
    share.total = smaller(share.deductible + share.coinsurance,
                          left_of(plan->out_of_pocket_max, year->out_of_pocket_paid));
    return share;
}
