/* Any bytes: spans are in bounds, in order and apart; in prose the time is that of tokens. */
#include <stdint.h>
#include <stdlib.h>

#include "classify/names.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
    size_t before, size;
};

static bool check(void *self, const struct name_span *span)
{
    struct seen *seen = self;

    if (span->start < seen->before || span->end <= span->start || span->end > seen->size)
        abort();
    seen->before = span->end;
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (unsigned source = NAMES_IN_PROSE; source <= NAMES_IN_CODE; source++) {
        struct seen seen = {.size = size};

        if (!names_find(slice_of_bytes(data, size), source, check, &seen))
            abort();
    }
    return 0;
}
