/* One line a case: what was charged, what had been paid, what is owed. Exit 1 when one does not hold. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "statement.h"

static const struct plan plan = {.deductible = 20000, .coinsurance_percent = 20, .out_of_pocket_max = 300000};

static const struct {
    const char *what;
    int64_t charge;
    struct year year;
    int64_t owed;
} cases[] = {
    {"nothing charged, nothing owed", 0, {0, 0}, 0},
    {"the deductible has been paid: coinsurance alone", 50000, {20000, 20000}, 10000},
    {"a charge below the open deductible is owed as it is", 15000, {0, 0}, 15000},
    {"a charge across the deductible: coinsurance on the rest", 50000, {0, 0}, 26000},
    {"a deductible that is half paid", 50000, {10000, 10000}, 18000},
    {"never more than the year's limit", 9000000, {20000, 250000}, 50000},
    {"a fraction of a cent is the hospital's", 99, {20000, 20000}, 19},
};

static int statement_adds_up(void)
{
    const struct share share = {.deductible = 20000, .coinsurance = 6000, .total = 26000};
    char page[400];

    statement_print(page, sizeof(page), 50000, &share);
    return strstr(page, "you owe            260.00\n") != NULL;
}

int main(void)
{
    int failed = 0;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct share share = copay_share(&plan, &cases[i].year, cases[i].charge);

        if (share.total == cases[i].owed)
            continue;
        printf("FAIL %s: owed %" PRId64 ", not %" PRId64 "\n", cases[i].what, cases[i].owed, share.total);
        failed++;
    }
    if (!statement_adds_up()) {
        printf("FAIL the statement adds up\n");
        failed++;
    }
    printf("%zu cases, %d failed\n", sizeof(cases) / sizeof(cases[0]) + 1, failed);
    return failed == 0 ? 0 : 1;
}
