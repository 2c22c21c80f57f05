/* Pattern and path, split at the first NUL: no crash, no endless time. */
#include <stdint.h>

#include "policy/glob.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice rest = slice_of_bytes(data, size);
    struct slice glob;
    struct fault fault = {0};

    if (size > 0 && slice_cut(&rest, 0, &glob) && rest.at != NULL &&
        glob_check(glob, &fault)) {
        (void)glob_matches(glob, rest, false);
        (void)glob_matches(glob, rest, true);
    }
    return 0;
}
