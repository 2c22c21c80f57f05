/* The node table of a snapshot, as bytes: what passes the check must be safe to walk. */
#include <stdlib.h>

#include "view/snapshot.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fault fault = {0};
    size_t index_bytes = 0;
    void *copy;

    if (size < 4)
        return 0;
    /* the last bytes say how long the index is; malloc aligns as a mapping does */
    index_bytes = (size_t)data[size - 1] << 8 | data[size - 2];
    copy = malloc(size - 2);
    if (copy == NULL)
        return 0;
    memcpy(copy, data, size - 2);
    (void)!snapshot_check(slice_of_bytes(copy, size - 2), index_bytes, &fault);
    free(copy);
    return 0;
}
