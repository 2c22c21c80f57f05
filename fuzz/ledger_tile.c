/* Names of tiles and entry bundles: one form each. */
#include <stdlib.h>

#include "base/scope.h"
#include "ledger/tile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_BUF struct buf again = buf_with_limit(1 << 20);
    struct slice input = slice_of_bytes(data, size);
    struct slice rest = input, entry;
    struct fault fault = {0};
    struct tile tile;
    char path[TILE_PATH_BYTES];

    if (tile_path_parse(input, &tile)) {
        tile_path(&tile, path);
        if (!slice_equal(slice_of(path), input))
            abort();
    }
    while (tile_bundle_take(&rest, &entry))
        if (!tile_bundle_add(&again, entry, &fault))
            abort();
    if (!slice_equal(buf_slice(&again), slice_part(input, 0, size - rest.len)))
        abort();
    return 0;
}
