/*
 * ledger/wal.h - the write-ahead log: what was acknowledged, and is in no published tile yet.
 *
 * Segments of one size: `frames`, `frames.1`, ... Each is written in full when it is made and
 * written over once everything in it has been published, so that a commit changes blocks that
 * exist: one fdatasync, no journal. There are as many as were ever needed at once; an orderly
 * end leaves at most WAL_SEGMENTS_KEPT. `segments` says how many there must be at least.
 *
 *   segment = frame* ; a batch never crosses from one into another
 *   frame   = u32be len || u64be index || u64be durable || leaf_hash[32] || u32be crc32c ||
 *             leaf[len]
 *
 * `durable` is how many records were on disk when the frame was written. It tells a torn tail
 * (cut it) from damage to what was acknowledged (refuse). A frame with len 0 at the start of a
 * segment closes the log: everything up to `index` is published.
 */
#ifndef CUSTODY_LEDGER_WAL_H
#define CUSTODY_LEDGER_WAL_H

#include "ledger/tree.h"
#include "os/durable.h"

#define WAL_SEGMENT_BYTES (4 * 1024 * 1024)
#define WAL_SEGMENTS_MAX 64 /* 256 MiB */
#define WAL_SEGMENTS_KEPT 4
#define WAL_BYTES_MAX ((uint64_t)WAL_SEGMENT_BYTES * WAL_SEGMENTS_MAX)
#define WAL_FRAME_HEAD_BYTES 56
#define WAL_BATCH_BYTES_MAX (256 * 1024)
#define WAL_LEAF_BYTES_MAX 65535
#define WAL_FIRST_NAME "frames"

struct wal;

/* One frame as it stands in memory; `leaf` borrows. */
struct wal_frame {
    uint64_t index;
    uint64_t durable;
    struct tree_hash leaf_hash;
    struct slice leaf;
};

typedef bool wal_on_frame(void *self, const struct wal_frame *frame, struct fault *fault);

void wal_frame_write(const struct wal_frame *frame, uint8_t ret_head[WAL_FRAME_HEAD_BYTES]);
/* Parses the frame at the start of `bytes`. False: there is none that is whole and right. */
bool wal_frame_read(struct slice bytes, struct wal_frame *ret_frame, size_t *ret_len);
/* The same, but the leaf is not hashed: the caller compares it with leaf_hash. */
bool wal_frame_read_unhashed(struct slice bytes, struct wal_frame *ret_frame, size_t *ret_len);

/* What a scan found. */
struct wal_scan {
    uint64_t count; /* frames */
    uint64_t first; /* index of the first frame; where the log was closed; else `published` */
    uint64_t next;  /* index behind the last frame */
    bool is_closed; /* closed in order: nothing in it that is not published */
    size_t end;     /* offset behind the last frame, in its segment */
    size_t torn;    /* bytes behind `end`, of a write that was never acknowledged */
};

/*
 * Reads the frames in `bytes` (a whole segment, and the only one) and calls `on_frame` for
 * each in order.
 *   published   records that are safe elsewhere
 * FAULT_INVALID: a frame is damaged whose record was acknowledged and is not published.
 */
MUST_USE bool wal_scan(struct slice bytes, uint64_t published, wal_on_frame *on_frame,
                       void *self, struct wal_scan *ret_scan, struct fault *fault);

/* The same for all segments in `folder`. Changes nothing. FAULT_MISSING: there is none. */
MUST_USE bool wal_each(int folder, uint64_t published, wal_on_frame *on_frame, void *self,
                       struct wal_scan *ret_scan, struct fault *fault);

/*
 * Opens the log in `folder` (borrowed), making it where it is missing. Everything in it is
 * handed to `on_frame`; a torn tail is overwritten. Appending goes on behind the last frame.
 */
MUST_USE bool wal_open(int folder, uint64_t published, wal_on_frame *on_frame, void *self,
                       struct wal **ret_wal, struct wal_scan *ret_scan, struct fault *fault);
/* No further segments than that are made; WAL_SEGMENTS_MAX unless it is said. */
void wal_limit(struct wal *wal, unsigned segments);
void wal_free(struct wal *wal); /* NULL is fine; what was not committed is gone */

/*
 * Puts a leaf into the batch; nothing is written yet. FAULT_LIMIT: the batch is full: commit
 * first.
 */
MUST_USE bool wal_add(struct wal *wal, uint64_t index, const struct tree_hash *leaf_hash,
                      struct slice leaf, struct fault *fault);
bool wal_batch_has_room(const struct wal *wal, size_t leaf_len);
size_t wal_batch_bytes(const struct wal *wal);
/*
 * Begins to write the batch by `durable` (borrowed until it is finished); from now on wal_add
 * fills the next one. None may be under way. FAULT_LIMIT: there is no segment to write to, and
 * none can be made (all are in use, the disk is full): publish, then try again. Anything else:
 * after a failure here or in wal_finish nothing may be acknowledged any more: the page cache
 * cannot be trusted, the process has to end.
 */
MUST_USE bool wal_begin(struct wal *wal, const struct durable *durable, struct fault *fault);
bool wal_is_under_way(const struct wal *wal);
/* Once *ret_done, the batch that was begun is on disk. Without `wait` it may not be yet. */
MUST_USE bool wal_finish(struct wal *wal, bool wait, bool *ret_done, struct fault *fault);
uint64_t wal_durable(const struct wal *wal); /* index behind the last record on disk */

/* A place in the log for reading back in order. Zeroed but for `next`: the record to begin
 * with. */
struct wal_cursor {
    uint64_t next;    /* index of the next record */
    size_t at;        /* of its frame, once `is_placed` */
    uint64_t segment; /* first record of the segment that it is in */
    bool is_placed;
};

/*
 * Reads a piece of the log from the disk, from cursor->next up to `until` (at most
 * wal_durable) and at most WAL_BATCH_BYTES_MAX of it, and hands over the frames. Their leaves
 * are not hashed here.
 *   bytes   room for the piece; its limit is WAL_BATCH_BYTES_MAX
 * FAULT_IO: not on the disk as it was written.
 */
MUST_USE bool wal_read(struct wal *wal, struct wal_cursor *cursor, uint64_t until,
                       struct buf *bytes, wal_on_frame *on_frame, void *self,
                       struct fault *fault);

/* The first `published` records are safe elsewhere: segments with no others can be used again.
 */
void wal_release(struct wal *wal, uint64_t published);
/*
 * Writes the closing frame, durably, and removes segments that were needed once; for an
 * orderly end, after wal_release of everything.
 */
MUST_USE bool wal_close_durably(struct wal *wal, uint64_t size, const struct tree_hash *root,
                                struct fault *fault);

#endif
