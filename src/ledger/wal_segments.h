/* ledger/wal_segments.h - the files of the write-ahead log, and which of them hold what. For
 * wal*.c. */
#ifndef CUSTODY_LEDGER_WAL_SEGMENTS_H
#define CUSTODY_LEDGER_WAL_SEGMENTS_H

#include "ledger/wal.h"

struct wal_segment {
    int fd;
    uint64_t first, next; /* it holds the records [first, next) */
    size_t end;           /* offset behind the last of them */
    size_t torn;          /* bytes behind that, of a write that nobody was told of */
};

struct wal_segments {
    int folder; /* borrowed */
    struct wal_segment slot[WAL_SEGMENTS_MAX];
    unsigned count, most;             /* files that there are, and may be */
    unsigned order[WAL_SEGMENTS_MAX]; /* slots in use: the oldest first, the one being written
                                         last */
    unsigned used;
};

/*
 * Opens what is there. FAULT_MISSING: no first segment. FAULT_INVALID: one has another size,
 * or fewer are there than there must be.
 */
MUST_USE bool wal_segments_open(int folder, int flags, struct wal_segments *ret_segments,
                                struct fault *fault);
void wal_segments_close(struct wal_segments *segments);
/*
 * Makes a further segment, durably, and puts it behind the last one in use.
 *   closed_at   the log is new and closed at that many records; NULL: it is not
 */
MUST_USE bool wal_segments_make(struct wal_segments *segments, const uint64_t *closed_at,
                                struct fault *fault);
/* Removes what is beyond WAL_SEGMENTS_KEPT; nothing that is in use. */
MUST_USE bool wal_segments_shrink(struct wal_segments *segments, struct fault *fault);

/* Frames in order over all segments; sets which are in use. See wal_each. */
MUST_USE bool wal_segments_scan(struct wal_segments *segments, uint64_t published,
                                wal_on_frame *on_frame, void *self, struct wal_scan *ret_scan,
                                struct fault *fault);
/* Overwrites what lies behind the last frame of every segment that has something torn. */
MUST_USE bool wal_segments_cut(struct wal_segments *segments, struct fault *fault);

/* The whole frames at the start of a segment, one after the other. */
MUST_USE bool wal_frames_in_order(struct slice bytes, uint64_t published,
                                  wal_on_frame *on_frame, void *self,
                                  struct wal_scan *ret_scan, struct fault *fault);
/*
 * Looks behind the last good frame. What lies there is older than it (segments are written
 * over and over), or of the last write, which nobody was told of: scan->torn. But a whole
 * frame that was written when more was on disk than we have found says that something
 * acknowledged is damaged.
 *   known   records that were found, in all segments
 */
MUST_USE bool wal_look_behind(struct slice bytes, uint64_t known, struct wal_scan *scan,
                              struct fault *fault);

#endif
