/* The write-ahead log: whatever the bytes, frames come in order and are whole. */
#include <stdlib.h>

#include "ledger/wal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct order {
    uint64_t next;
    bool has_next;
};

static bool on_frame(void *self, const struct wal_frame *frame, struct fault *fault)
{
    struct order *order = self;
    struct tree_hash hash = tree_leaf(frame->leaf);

    (void)fault;
    if ((order->has_next && frame->index != order->next) || frame->leaf.len == 0 ||
        !tree_hash_equal(&hash, &frame->leaf_hash))
        abort();
    order->next = frame->index + 1;
    order->has_next = true;
    return true;
}

/* Gives a frame of the input its right sums, so that what lies behind them is reached. */
static void scan_repaired(const uint8_t *data, size_t size)
{
    uint8_t bytes[4096];
    size_t at = 0;

    if (size < 4 || size > sizeof(bytes))
        return;
    for (uint64_t index = data[0];
         data[1] > 0 && at + 200 < sizeof(bytes) && index < data[0] + 8U; index++) {
        struct wal_frame frame = {
            .index = index,
            .durable = data[2] < index ? data[2] : index,
            .leaf = slice_of_bytes(data, 1 + (data[1] + index) % (size < 100 ? size : 100))};

        frame.leaf_hash = tree_leaf(frame.leaf);
        wal_frame_write(&frame, bytes + at);
        for (size_t i = 0; i < frame.leaf.len; i++)
            bytes[at + WAL_FRAME_HEAD_BYTES + i] = frame.leaf.at[i];
        at += WAL_FRAME_HEAD_BYTES + frame.leaf.len;
    }
    if (at > 0)
        bytes[data[3] % at] ^= 0x10;
    {
        struct order order = {0};
        struct wal_scan scan;
        struct fault fault = {0};

        if (wal_scan(slice_of_bytes(bytes, at), data[0], on_frame, &order, &scan, &fault) &&
            scan.end > at)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct order order = {0};
    struct wal_scan scan;
    struct fault fault = {0};

    if (wal_scan(slice_of_bytes(data, size), 0, on_frame, &order, &scan, &fault) &&
        scan.end > size)
        abort();
    scan_repaired(data, size);
    return 0;
}
