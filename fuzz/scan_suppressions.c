/* What anybody wrote into a file that is scanned, and a file of kept verdicts. */
#include "roles/scanning/suppressions.h"
#include "roles/scanning/verdicts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice bytes = slice_of_bytes(data, size);
    struct suppressions suppressions = {.now_s = 1800000000};
    const struct placed_finding finding = {.start = (uint32_t)(size / 2),
                                           .end = (uint32_t)(size / 2 + 1)};
    const struct file_verdict verdict = {true, CLASS_BIT(CLASS_PAN), &finding, 1};
    struct stat stat = {.st_ino = 1};
    struct file_verdict known;
    struct verdicts *verdicts;
    struct fault fault = {0};
    size_t row, refused;

    (void)!suppressions_parse(bytes, &suppressions, &fault);
    suppressions_match(&suppressions, SLICE("a/b"), bytes, &verdict, &row, &refused);
    suppressions_free(&suppressions);
    verdicts = verdicts_new(bytes, 0);
    (void)verdicts_by_state(verdicts, &stat, SLICE("a/b"), &known);
    verdicts_free(verdicts);
    return 0;
}
