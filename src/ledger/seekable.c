#include "ledger/seekable.h"

#include <zstd.h>

static uint32_t get_u32(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
           (uint32_t)at[3] << 24;
}

bool seekable_table_bytes(struct slice footer, size_t *ret_len, struct fault *fault)
{
    uint32_t count;

    if (footer.len != SEEKABLE_FOOTER_BYTES ||
        get_u32(footer.at + 5) != SEEKABLE_FOOTER_MAGIC || footer.at[4] != 0)
        return fault_set(fault, FAULT_INVALID, "no table of frames at its end");
    count = get_u32(footer.at);
    if (count == 0 || count > SEEKABLE_FRAMES_MAX)
        return fault_set(fault, FAULT_INVALID, "%u frames", (unsigned)count);
    *ret_len = 8 + (size_t)count * SEEKABLE_ENTRY_BYTES + SEEKABLE_FOOTER_BYTES;
    return true;
}

bool seekable_parse(struct slice table, uint64_t file_size, size_t plain_max,
                    struct seekable *ret_seekable, struct fault *fault)
{
    struct slice footer = slice_part(
        table, table.len < SEEKABLE_FOOTER_BYTES ? 0 : table.len - SEEKABLE_FOOTER_BYTES,
        table.len);
    struct seekable *seekable = ret_seekable;
    uint64_t offset = 0;
    size_t len;

    if (!seekable_table_bytes(footer, &len, fault))
        return false;
    if (len != table.len || get_u32(table.at) != SEEKABLE_TABLE_MAGIC ||
        get_u32(table.at + 4) != len - 8)
        return fault_set(fault, FAULT_INVALID, "its table of frames is damaged");
    seekable->count = get_u32(footer.at);
    for (size_t i = 0; i < seekable->count; i++) {
        const uint8_t *entry = table.at + 8 + i * SEEKABLE_ENTRY_BYTES;
        struct seekable_frame frame = {
            .offset = offset, .packed = get_u32(entry), .plain = get_u32(entry + 4)};

        if (frame.plain > plain_max || frame.packed > ZSTD_COMPRESSBOUND(plain_max))
            return fault_set(fault, FAULT_INVALID, "frame %zu is too long", i);
        offset += frame.packed; /* 256 times 32 bits do not overflow */
        seekable->frame[i] = frame;
    }
    if (offset + len != file_size)
        return fault_set(fault, FAULT_INVALID, "its frames are not as long as its table says");
    return true;
}

bool seekable_unpack(const struct seekable_frame *frame, struct slice packed,
                     struct buf *ret_plain, struct fault *fault)
{
    size_t got;

    if (packed.len != frame->packed ||
        ZSTD_getFrameContentSize(packed.at, packed.len) != frame->plain ||
        ZSTD_findFrameCompressedSize(packed.at, packed.len) != packed.len)
        return fault_set(fault, FAULT_INVALID, "not the frame that its table says");
    if (!buf_reserve(ret_plain, frame->plain, fault))
        return false;
    /* Into room for that many and no more: there is no window to allocate. */
    got = ZSTD_decompress(ret_plain->at + ret_plain->len, frame->plain, packed.at, packed.len);
    if (ZSTD_isError(got))
        return fault_set(fault, FAULT_INVALID, "unpack: %s", ZSTD_getErrorName(got));
    if (got != frame->plain)
        return fault_set(fault, FAULT_INVALID, "unpacked to %zu bytes, not %u", got,
                         (unsigned)frame->plain);
    ret_plain->len += got;
    return true;
}
