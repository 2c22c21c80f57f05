/* Records: what is decoded is encoded to the same bytes, and nothing else is. */
#include <stdlib.h>

#include "base/scope.h"
#include "wire/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_BUF struct buf arena = buf_with_limit(RECORD_BYTES_MAX + 1);
    AUTO_BUF struct buf again = buf_with_limit(RECORD_BYTES_MAX + 1);
    AUTO_BUF struct buf printable = buf_with_limit(1 << 20);
    struct slice input = slice_of_bytes(data, size);
    struct record_header header;
    struct record record;
    struct fault fault = {0};

    if (record_decode(input, &record, &header, &arena, &fault)) {
        if (!record_encode(&record, header.src.len == 0 ? NULL : &header, &again, &fault) ||
            !slice_equal(buf_slice(&again), input))
            abort();
    } else if (fault.kind != FAULT_INVALID && fault.kind != FAULT_LIMIT) {
        abort();
    }
    if (size < 4000) { /* any name of a file can be written down */
        if (!record_printable(input, &printable, &fault))
            abort();
        record_begin(&record, RECORD_FILE_READ);
        record_word(&record, RECORD_RUN, "r");
        record_text(&record, RECORD_PATH, buf_slice(&printable));
        again.len = 0;
        if (!record_encode(&record, NULL, &again, &fault))
            abort();
    }
    return 0;
}
