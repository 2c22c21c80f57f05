#include <stdio.h>
#include <string.h>

#include "admission.h"
#include "copay.h"

static int failed;

static void check_copay(int64_t amount, int percent, int64_t limit, int64_t wanted)
{
    int64_t got = copay_cents(amount, percent, limit);

    printf("%s: %d%% of %lld cents is %lld, wanted %lld\n", got == wanted ? "ok" : "FAILED", percent,
           (long long)amount, (long long)got, (long long)wanted);
    failed += got != wanted;
}

int main(void)
{
    char room[64];
    const char *ward = admission_field("MSH|^~\\&|ADT\rPV1|1|I|WARD7^12\r", "PV1", 3, room, sizeof(room));

    check_copay(20000, 15, 100000, 3000);
    check_copay(19999, 15, 100000, 3000);
    check_copay(99, 20, 100000, 20);
    check_copay(500000, 20, 75000, 75000);
    printf("%s: the ward is %s\n", ward != NULL && strcmp(ward, "WARD7^12") == 0 ? "ok" : "FAILED", ward);
    failed += ward == NULL || strcmp(ward, "WARD7^12") != 0;
    return failed == 0 ? 0 : 1;
}
