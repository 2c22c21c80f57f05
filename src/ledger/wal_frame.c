/* Frames in memory: what one looks like, and which of those in a segment count. */
#include <endian.h>

#include "ledger/crc32c.h"
#include "ledger/wal_segments.h"

#define AT_LEN 0
#define AT_INDEX 4
#define AT_DURABLE 12
#define AT_HASH 20
#define AT_CRC 52

static void put_u32(uint8_t *at, uint32_t value)
{
    value = htobe32(value);
    memcpy(at, &value, sizeof(value));
}

static void put_u64(uint8_t *at, uint64_t value)
{
    value = htobe64(value);
    memcpy(at, &value, sizeof(value));
}

static uint32_t get_u32(const uint8_t *at)
{
    uint32_t value;

    memcpy(&value, at, sizeof(value));
    return be32toh(value);
}

static uint64_t get_u64(const uint8_t *at)
{
    uint64_t value;

    memcpy(&value, at, sizeof(value));
    return be64toh(value);
}

void wal_frame_write(const struct wal_frame *frame, uint8_t ret_head[WAL_FRAME_HEAD_BYTES])
{
    put_u32(ret_head + AT_LEN, (uint32_t)frame->leaf.len);
    put_u64(ret_head + AT_INDEX, frame->index);
    put_u64(ret_head + AT_DURABLE, frame->durable);
    memcpy(ret_head + AT_HASH, frame->leaf_hash.at, TREE_HASH_BYTES);
    put_u32(ret_head + AT_CRC,
            crc32c(crc32c(0, slice_of_bytes(ret_head, AT_CRC)), frame->leaf));
}

bool wal_frame_read_unhashed(struct slice bytes, struct wal_frame *ret_frame, size_t *ret_len)
{
    struct wal_frame frame;
    uint64_t len;

    if (bytes.len < WAL_FRAME_HEAD_BYTES)
        return false;
    len = get_u32(bytes.at + AT_LEN);
    if (len > WAL_LEAF_BYTES_MAX || len > bytes.len - WAL_FRAME_HEAD_BYTES)
        return false;
    frame.index = get_u64(bytes.at + AT_INDEX);
    frame.durable = get_u64(bytes.at + AT_DURABLE);
    if (frame.index >= TREE_SIZE_MAX || frame.durable > frame.index)
        return false;
    frame.leaf = slice_of_bytes(bytes.at + WAL_FRAME_HEAD_BYTES, len);
    if (crc32c(crc32c(0, slice_of_bytes(bytes.at, AT_CRC)), frame.leaf) !=
        get_u32(bytes.at + AT_CRC))
        return false;
    memcpy(frame.leaf_hash.at, bytes.at + AT_HASH, TREE_HASH_BYTES);
    *ret_frame = frame;
    *ret_len = WAL_FRAME_HEAD_BYTES + len;
    return true;
}

bool wal_frame_read(struct slice bytes, struct wal_frame *ret_frame, size_t *ret_len)
{
    struct wal_frame frame;
    struct tree_hash hash;
    size_t len;

    if (!wal_frame_read_unhashed(bytes, &frame, &len))
        return false;
    hash = tree_leaf(frame.leaf);
    if (frame.leaf.len > 0 && !tree_hash_equal(&hash, &frame.leaf_hash))
        return false;
    *ret_frame = frame;
    *ret_len = len;
    return true;
}

bool wal_frames_in_order(struct slice bytes, uint64_t published, wal_on_frame *on_frame,
                         void *self, struct wal_scan *ret_scan, struct fault *fault)
{
    struct wal_scan scan = {.first = published, .next = published};
    struct wal_frame frame;
    size_t len;

    while (wal_frame_read(slice_part(bytes, scan.end, bytes.len), &frame, &len)) {
        if (frame.leaf.len == 0) {
            if (scan.count == 0)
                scan = (struct wal_scan){
                    .first = frame.index, .next = frame.index, .is_closed = true};
            break;
        }
        if (scan.count == 0)
            scan.first = scan.next = frame.index;
        if (frame.index != scan.next)
            break;
        if (!on_frame(self, &frame, fault))
            return false;
        scan.next++;
        scan.count++;
        scan.end += len;
    }
    *ret_scan = scan;
    return true;
}

bool wal_look_behind(struct slice bytes, uint64_t known, struct wal_scan *scan,
                     struct fault *fault)
{
    for (size_t at = scan->end; at + WAL_FRAME_HEAD_BYTES <= bytes.len; at++) {
        uint64_t index = get_u64(bytes.at + at + AT_INDEX);
        uint64_t durable = get_u64(bytes.at + at + AT_DURABLE);
        struct wal_frame frame;
        size_t len;

        if (index < known || index - known > WAL_BYTES_MAX || durable > index ||
            get_u32(bytes.at + at + AT_LEN) == 0)
            continue;
        if (at == scan->end && index == known)
            scan->torn = WAL_FRAME_HEAD_BYTES;
        if (!wal_frame_read(slice_part(bytes, at, bytes.len), &frame, &len))
            continue;
        if (durable > known)
            return fault_set(fault, FAULT_INVALID,
                             "record %llu was acknowledged and is damaged at byte %zu",
                             (unsigned long long)known, scan->end);
        scan->torn = at + len - scan->end;
    }
    return true;
}

bool wal_scan(struct slice bytes, uint64_t published, wal_on_frame *on_frame, void *self,
              struct wal_scan *ret_scan, struct fault *fault)
{
    struct wal_scan scan;

    if (!wal_frames_in_order(bytes, published, on_frame, self, &scan, fault))
        return false;
    if (!scan.is_closed &&
        !wal_look_behind(bytes, scan.next > published ? scan.next : published, &scan, fault))
        return false;
    *ret_scan = scan;
    return true;
}
