#include "ledger/seekable.h"

#include <stdlib.h>
#include <zstd.h>

static bool add_u32(struct buf *file, uint32_t number, struct fault *fault)
{
    const uint8_t bytes[4] = {(uint8_t)number, (uint8_t)(number >> 8), (uint8_t)(number >> 16),
                              (uint8_t)(number >> 24)};

    return buf_add(file, slice_of_bytes(bytes, sizeof(bytes)), fault);
}

bool seekable_pack(struct seekable *seekable, struct slice plain, struct buf *file,
                   struct fault *fault)
{
    size_t room = ZSTD_compressBound(plain.len), got;
    ZSTD_CCtx *context;

    if (seekable->count == SEEKABLE_FRAMES_MAX)
        return fault_set(fault, FAULT_LIMIT, "more than %d frames", SEEKABLE_FRAMES_MAX);
    if (!buf_reserve(file, room, fault))
        return false;
    context = ZSTD_createCCtx();
    if (context == NULL)
        abort();
    (void)ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
    got = ZSTD_compress2(context, file->at + file->len, room, plain.at, plain.len);
    (void)ZSTD_freeCCtx(context);
    if (ZSTD_isError(got))
        return fault_set(fault, FAULT_IO, "pack: %s", ZSTD_getErrorName(got));
    seekable->frame[seekable->count++] = (struct seekable_frame){
        .offset = file->len, .packed = (uint32_t)got, .plain = (uint32_t)plain.len};
    file->len += got;
    return true;
}

bool seekable_end(const struct seekable *seekable, struct buf *file, struct fault *fault)
{
    uint32_t count = (uint32_t)seekable->count;

    if (!add_u32(file, SEEKABLE_TABLE_MAGIC, fault) ||
        !add_u32(file, count * SEEKABLE_ENTRY_BYTES + SEEKABLE_FOOTER_BYTES, fault))
        return false;
    for (size_t i = 0; i < seekable->count; i++)
        if (!add_u32(file, seekable->frame[i].packed, fault) ||
            !add_u32(file, seekable->frame[i].plain, fault))
            return false;
    return add_u32(file, count, fault) && buf_add_byte(file, 0, fault) &&
           add_u32(file, SEEKABLE_FOOTER_MAGIC, fault);
}
