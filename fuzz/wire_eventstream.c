/* Event streams of a provider: any bytes, at any cut; what is read twice is the same. */
#include <stdlib.h>

#include "gateway/dialect/frames.h"
#include "wire/eventstream.h"

#define LIMIT 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Events of the stream, fed `step` bytes at a time; false: it is broken. */
static bool events_of(struct slice bytes, size_t step, struct buf *events)
{
    struct frames *frames = frames_new(LIMIT);
    struct fault fault = {0};
    bool ok = true;

    for (size_t at = 0; ok && at < bytes.len; at += step)
        ok = frames_feed(frames, slice_part(bytes, at, at + step), events, &fault);
    frames_free(frames);
    return ok;
}

/* A payload in a frame that holds, so that what is behind the sums is reached, too. */
static void try_payload(struct slice payload)
{
    static const char *const headers[][2] = {{":message-type", "event"},
                                             {":event-type", "chunk"}};
    struct buf wire = buf_with_limit(2 * LIMIT), events = buf_with_limit(2 * LIMIT);
    struct fault fault = {0};

    if (!eventstream_write(headers, COUNT(headers), payload, &wire, &fault))
        abort();
    (void)events_of(buf_slice(&wire), 7, &events);
    buf_free(&wire);
    buf_free(&events);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice bytes = slice_of_bytes(data, size > LIMIT ? LIMIT : size);
    struct buf whole = buf_with_limit(2 * LIMIT), cut = buf_with_limit(2 * LIMIT);

    if (events_of(bytes, bytes.len + 1, &whole) != events_of(bytes, 1, &cut) ||
        !slice_equal(buf_slice(&whole), buf_slice(&cut)))
        abort();
    try_payload(bytes);
    buf_free(&whole);
    buf_free(&cut);
    return 0;
}
