/* A file of keys, and a target to sign: any bytes; no line of a header can be ended early. */
#include <stdlib.h>

#include "gateway/dialect/sign.h"

#define LIMIT 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice bytes = slice_of_bytes(data, size > LIMIT ? LIMIT : size);
    const struct sign_header host = {SLICE("host"), SLICE("a.example")};
    struct sign_request request = {.method = "POST",
                                   .target = bytes,
                                   .headers = &host,
                                   .header_count = 1,
                                   .body = bytes,
                                   .region = "us-east-1",
                                   .service = "bedrock",
                                   .now_us = (int64_t)size * 1000000};
    struct buf lines = buf_with_limit(4 * LIMIT);
    struct sign_keys keys;
    struct fault fault = {0};
    size_t count = 0;

    if (sign_keys_read(bytes, &keys, &fault) && sign_request(&keys, &request, &lines, &fault)) {
        for (size_t i = 0; i < lines.len; i++) {
            count += lines.at[i] == '\n';
            if (lines.at[i] == '\r' || lines.at[i] == 0)
                abort();
        }
        if (count > SIGN_LINES_MAX)
            abort();
    }
    buf_free(&lines);
    return 0;
}
