/*
 * ledger/wal.h - the write-ahead log: what was acknowledged and is not in a published tile
 * yet.
 *
 * One preallocated file of frames, written from its start again once everything in it has been
 * published (wal_rewind), so that a commit overwrites blocks that exist: one fdatasync, no
 * journal.
 *
 *   frame = u32be len || u64be index || u64be durable || leaf_hash[32] || u32be crc32c ||
 * leaf[len]
 *
 * `durable` is how many records were known to be on disk when the frame was written. It tells
 * a torn tail (cut it) from damage to what was acknowledged (refuse). A frame with len 0
 * closes the log: everything up to `index` is published.
 */
#ifndef CUSTODY_LEDGER_WAL_H
#define CUSTODY_LEDGER_WAL_H

#include "ledger/tree.h"

#define WAL_FILE_BYTES (4 * 1024 * 1024)
#define WAL_FRAME_HEAD_BYTES 56
#define WAL_BATCH_BYTES_MAX (256 * 1024)
#define WAL_LEAF_BYTES_MAX 65535

struct wal;

/* One frame as it stands in memory; `leaf` borrows. */
struct wal_frame {
    uint64_t index;
    uint64_t durable;
    struct tree_hash leaf_hash;
    struct slice leaf;
};

void wal_frame_write(const struct wal_frame *frame, uint8_t ret_head[WAL_FRAME_HEAD_BYTES]);
/* Parses the frame at the start of `bytes`. False: there is none that is whole and right. */
bool wal_frame_read(struct slice bytes, struct wal_frame *ret_frame, size_t *ret_len);

/* What a scan of the file found. */
struct wal_scan {
    uint64_t count; /* frames */
    uint64_t first; /* index of the first frame; where the log was closed; else `published` */
    uint64_t next;  /* index behind the last frame */
    bool is_closed; /* closed in order: nothing in it that is not published */
    size_t end;     /* offset behind the last frame */
    size_t torn;    /* bytes behind `end`, of a write that was never acknowledged */
};

/*
 * Reads the frames in `bytes` (the whole file) and calls `on_frame` for each in order.
 *   published   records that are safe elsewhere
 * FAULT_INVALID: a frame is damaged whose record was acknowledged and is not published.
 */
MUST_USE bool wal_scan(struct slice bytes, uint64_t published,
                       bool (*on_frame)(void *self, const struct wal_frame *frame,
                                        struct fault *fault),
                       void *self, struct wal_scan *ret_scan, struct fault *fault);

/*
 * Opens `name` below `folder`, making and filling it where it is missing. Everything in it is
 * handed to `on_frame`; a torn tail is overwritten. Appending goes on behind the last frame.
 */
MUST_USE bool
wal_open(int folder, const char *name, uint64_t published,
         bool (*on_frame)(void *self, const struct wal_frame *frame, struct fault *fault),
         void *self, struct wal **ret_wal, struct wal_scan *ret_scan, struct fault *fault);
void wal_free(struct wal *wal); /* NULL is fine; what was not committed is gone */

/*
 * Puts a leaf into the batch; nothing is written yet. FAULT_LIMIT: the batch is full (commit
 * first), or the file is (publish and rewind first); see the two questions below.
 */
MUST_USE bool wal_add(struct wal *wal, uint64_t index, const struct tree_hash *leaf_hash,
                      struct slice leaf, struct fault *fault);
bool wal_batch_has_room(const struct wal *wal, size_t leaf_len);
bool wal_file_has_room(const struct wal *wal, size_t leaf_len);
size_t wal_batch_bytes(const struct wal *wal);
/*
 * Writes the batch and waits for the disk, once. After a failure nothing may be acknowledged
 * any more: the page cache cannot be trusted, the process has to end.
 */
MUST_USE bool wal_commit(struct wal *wal, struct fault *fault);
/* Reads a committed frame back from the file and checks it; the leaf goes into `leaf`
 * (cleared). */
MUST_USE bool wal_read(const struct wal *wal, uint64_t index, struct buf *leaf,
                       struct tree_hash *ret_leaf_hash, struct fault *fault);
/*
 * Everything committed has been published, which makes `size` records: the next batch goes to
 * the start of the file.
 */
void wal_rewind(struct wal *wal, uint64_t size);
/* Writes the closing frame, durably; for an orderly end after wal_rewind. */
MUST_USE bool wal_close_durably(struct wal *wal, uint64_t size, const struct tree_hash *root,
                                struct fault *fault);

#endif
