/*
 * ledger/seekable.h - zstd's seekable format (zstd, contrib/seekable_format): frames that can
 * be unpacked one by one, and a table of their sizes in a skippable frame at the end.
 *
 *   frame...                      a zstd frame each (RFC 8878), with its content size
 *   184d2a5e || u32 len           little-endian, as zstd is
 *     {u32 packed, u32 plain}...  one a frame
 *     u32 count || 00 || 8f92eab1
 *
 * `zstd -d` unpacks the whole. The bytes may be anybody's: no size in them decides how much is
 * allocated, and a frame that would give more than the table says is refused.
 */
#ifndef CUSTODY_LEDGER_SEEKABLE_H
#define CUSTODY_LEDGER_SEEKABLE_H

#include "base/bytes.h"
#include "base/fault.h"

#define SEEKABLE_FRAMES_MAX 256
#define SEEKABLE_FOOTER_BYTES 9
#define SEEKABLE_ENTRY_BYTES 8
#define SEEKABLE_TABLE_MAGIC UINT32_C(0x184D2A5E)
#define SEEKABLE_FOOTER_MAGIC UINT32_C(0x8F92EAB1)
#define SEEKABLE_TABLE_BYTES_MAX                                                              \
    (8 + SEEKABLE_ENTRY_BYTES * SEEKABLE_FRAMES_MAX + SEEKABLE_FOOTER_BYTES)

struct seekable_frame {
    uint64_t offset;
    uint32_t packed, plain; /* bytes */
};

struct seekable {
    struct seekable_frame frame[SEEKABLE_FRAMES_MAX];
    size_t count;
};

/* Bytes of the table, from the file's last SEEKABLE_FOOTER_BYTES. */
MUST_USE bool seekable_table_bytes(struct slice footer, size_t *ret_len, struct fault *fault);
/* The table must account for each byte of the file. `plain_max`: the longest frame allowed. */
MUST_USE bool seekable_parse(struct slice table, uint64_t file_size, size_t plain_max,
                             struct seekable *ret_seekable, struct fault *fault);
/* Appends what one frame holds: exactly frame->plain bytes. */
MUST_USE bool seekable_unpack(const struct seekable_frame *frame, struct slice packed,
                              struct buf *ret_plain, struct fault *fault);

/* Writing; seekable_pack.c, which the verifier does without. `file` grows frame by frame. */
MUST_USE bool seekable_pack(struct seekable *seekable, struct slice plain, struct buf *file,
                            struct fault *fault);
MUST_USE bool seekable_end(const struct seekable *seekable, struct buf *file,
                           struct fault *fault);

#endif
