#include "copay.h"

int64_t copay_cents(int64_t amount_cents, int percent, int64_t limit_cents)
{
    int64_t share = amount_cents / 100 * percent;

    return share < limit_cents ? share : limit_cents;
}
