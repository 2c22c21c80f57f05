/* Server-sent events: any bytes, cut anywhere, give the same events; none is lost or changed.
 */
#include "wire/sse.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void add(struct buf *to, struct slice bytes)
{
    struct fault fault = {0};

    if (bytes.len > 0 && !buf_add(to, bytes, &fault))
        abort();
}

/* `events`: name and data of each, with separators; `raw`: every byte given out. */
static void read_in_steps(struct slice text, size_t step, struct buf *events, struct buf *raw)
{
    struct sse *sse = sse_new(text.len + 1);

    for (size_t at = 0; at < text.len;) {
        struct slice piece = slice_part(text, at, at + step);
        struct fault fault = {0};
        bool event;
        size_t used;

        if (!sse_feed(sse, piece, &used, &event, &fault))
            abort(); /* the limit holds the whole of the text */
        if (used == 0 && !event)
            abort(); /* no progress */
        at += used;
        if (!event)
            continue;
        add(raw, sse_raw(sse));
        if (sse_data(sse).len == 0)
            continue;
        add(events, sse_name(sse));
        add(events, SLICE("|"));
        add(events, sse_data(sse));
        add(events, SLICE(";"));
    }
    add(raw, sse_pending(sse));
    sse_free(sse);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t step = size > 0 ? data[0] % 16 + 1U : 1;
    struct slice text = size > 0 ? slice_of_bytes(data + 1, size - 1) : SLICE("");
    struct buf whole = buf_with_limit(8 * size + 64), cut = buf_with_limit(8 * size + 64);
    struct buf whole_raw = buf_with_limit(8 * size + 64),
               cut_raw = buf_with_limit(8 * size + 64);

    read_in_steps(text, text.len + 1, &whole, &whole_raw);
    read_in_steps(text, step, &cut, &cut_raw);
    if (!slice_equal(buf_slice(&whole), buf_slice(&cut)) ||
        !slice_equal(buf_slice(&whole_raw), text) || !slice_equal(buf_slice(&cut_raw), text))
        abort();
    buf_free(&whole);
    buf_free(&cut);
    buf_free(&whole_raw);
    buf_free(&cut_raw);
    return 0;
}
