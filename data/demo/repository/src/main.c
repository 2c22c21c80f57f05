/* statement CHARGE: the statement of a charge in cents, under the standard plan, early in the year. */
#include <stdio.h>
#include <stdlib.h>

#include "statement.h"

int main(int argc, char **argv)
{
    const struct plan plan = {.deductible = 20000, .coinsurance_percent = 20, .out_of_pocket_max = 300000};
    const struct year year = {0};
    struct share share;
    char page[400];

    if (argc != 2) {
        fprintf(stderr, "usage: statement CHARGE\n");
        return 2;
    }
    share = copay_share(&plan, &year, strtoll(argv[1], NULL, 10));
    statement_print(page, sizeof(page), strtoll(argv[1], NULL, 10), &share);
    fputs(page, stdout);
    return 0;
}
