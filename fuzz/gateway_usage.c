/* What a provider answers, as one body and as a stream: any bytes; figures stay figures. */
#include <stdlib.h>

#include "gateway/dialect/dialect.h"
#include "gateway/dialect/usage.h"
#include "gateway/money/prices.h"
#include "wire/sse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(enum dialect dialect, const struct usage *usage)
{
    int64_t in = usage_input(dialect, usage);

    if (in < 0 || usage->output < 0 || usage->cached < 0 || usage->reasoning < 0 ||
        usage->sequence < -1 || prices_of(in, 1000000) < in ||
        prices_of(usage->output, 0) != 0)
        abort();
}

static void read_stream(enum dialect dialect, struct slice text)
{
    struct usage usage = usage_none();
    struct sse *sse = sse_new(text.len + 1);
    struct buf out = buf_with_limit(8192);
    struct fault fault = {0};

    while (text.len > 0) {
        size_t used;
        bool event;

        if (!sse_feed(sse, text, &used, &event, &fault))
            abort();
        text = slice_part(text, used, text.len);
        if (event && sse_data(sse).len > 0)
            (void)usage_take_event(dialect, sse_name(sse), sse_data(sse), &usage);
    }
    check(dialect, &usage);
    if (!dialect_stream_error(dialect, "upstream-cut", "why",
                              usage.sequence < 0 ? -1 : usage.sequence + 1, &out, &fault))
        abort();
    buf_free(&out);
    sse_free(sse);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (unsigned dialect = 0; dialect < DIALECT_COUNT; dialect++) {
        struct usage usage = usage_none();

        usage_take_body((enum dialect)dialect, slice_of_bytes(data, size), &usage);
        check((enum dialect)dialect, &usage);
        read_stream((enum dialect)dialect, slice_of_bytes(data, size));
    }
    return 0;
}
