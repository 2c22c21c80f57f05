/* Lines of a backup's manifest: one way to write each, and no path that leads out. */
#include <stdlib.h>

#include "base/scope.h"
#include "ledger/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice input = slice_of_bytes(data, size), rest = input, text;

    while (slice_cut(&rest, '\n', &text)) {
        AUTO_BUF struct buf again = buf_with_limit(1024);
        struct manifest_line line;
        struct fault fault = {0};

        if (!manifest_line_parse(text, &line, &fault))
            continue;
        if (!manifest_line_write(&line, &again, &fault) ||
            !slice_equal(slice_part(buf_slice(&again), 0, again.len - 1), text) ||
            line.path[0] == '/' || strstr(line.path, "..") == line.path ||
            strstr(line.path, "/.") != NULL)
            abort();
    }
    return 0;
}
