#include "statement.h"

#include <inttypes.h>
#include <stdio.h>

#define MONEY "%8" PRId64 ".%02" PRId64 "\n"
#define CENTS(amount) (amount) / 100, (amount) % 100

int statement_print(char *page, size_t size, int64_t charge, const struct share *share)
{
    return snprintf(page, size,
                    "charge        " MONEY
                    "deductible    " MONEY
                    "coinsurance   " MONEY
                    "you owe       " MONEY,
                    CENTS(charge), CENTS(share->deductible), CENTS(share->coinsurance), CENTS(share->total));
}
