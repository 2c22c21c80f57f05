#include "ledger/wal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/scope.h"
#include "ledger/wal_segments.h"
#include "os/file.h"

/* Frames that go to the disk together. */
struct batch {
    struct buf bytes;
    uint64_t first, next;
};

struct wal {
    const struct durable *durable; /* that writes what is under way */
    struct wal_segments segments;
    struct batch filling, under_way;
    bool is_under_way;
    uint64_t known; /* index behind the last record on disk */
};

static struct wal_segment *newest(struct wal *wal)
{
    return &wal->segments.slot[wal->segments.order[wal->segments.used - 1]];
}

static bool recover(struct wal *wal, int folder, uint64_t published, wal_on_frame *on_frame,
                    void *self, struct wal_scan *ret_scan, struct fault *fault)
{
    if (!file_exists(folder, WAL_FIRST_NAME)) {
        wal->segments.folder = folder;
        wal->segments.most = WAL_SEGMENTS_MAX;
        if (!wal_segments_make(&wal->segments, &published, fault))
            return false;
    } else if (!wal_segments_open(folder, O_RDWR, &wal->segments, fault)) {
        return false;
    }
    if (!wal_segments_scan(&wal->segments, published, on_frame, self, ret_scan, fault) ||
        !wal_segments_cut(&wal->segments, fault))
        return false;
    /* What we have read may have been in the page cache only: a killed writer had not synced
     * it. */
    for (unsigned i = 0; i < wal->segments.used && !ret_scan->is_closed; i++)
        if (fdatasync(wal->segments.slot[wal->segments.order[i]].fd) < 0)
            return fault_errno(fault, "sync");
    wal->known = ret_scan->next;
    wal->filling.first = wal->filling.next = ret_scan->next;
    return true;
}

bool wal_open(int folder, uint64_t published, wal_on_frame *on_frame, void *self,
              struct wal **ret_wal, struct wal_scan *ret_scan, struct fault *fault)
{
    struct wal *wal = xalloc(sizeof(*wal));

    wal->filling.bytes = wal->under_way.bytes =
        buf_with_limit(WAL_BATCH_BYTES_MAX + WAL_FRAME_HEAD_BYTES + WAL_LEAF_BYTES_MAX);
    if (!recover(wal, folder, published, on_frame, self, ret_scan, fault)) {
        wal_free(wal);
        return false;
    }
    *ret_wal = wal;
    return true;
}

bool wal_each(int folder, uint64_t published, wal_on_frame *on_frame, void *self,
              struct wal_scan *ret_scan, struct fault *fault)
{
    AUTO_FREE struct wal_segments *segments = xalloc(sizeof(*segments));
    bool ok;

    if (!wal_segments_open(folder, O_RDONLY, segments, fault))
        return false;
    ok = wal_segments_scan(segments, published, on_frame, self, ret_scan, fault);
    wal_segments_close(segments);
    return ok;
}

void wal_free(struct wal *wal)
{
    struct fault ignored = {0};
    bool done;

    if (wal == NULL)
        return;
    /* The kernel reads from our memory until it is done. */
    if (wal->is_under_way && !wal_finish(wal, true, &done, &ignored))
        wal->is_under_way = false;
    wal_segments_close(&wal->segments);
    buf_free(&wal->filling.bytes);
    buf_free(&wal->under_way.bytes);
    free(wal);
}

bool wal_batch_has_room(const struct wal *wal, size_t leaf_len)
{
    return wal->filling.bytes.len == 0 ||
           wal->filling.bytes.len + WAL_FRAME_HEAD_BYTES + leaf_len <= WAL_BATCH_BYTES_MAX;
}

size_t wal_batch_bytes(const struct wal *wal)
{
    return wal->filling.bytes.len;
}

bool wal_add(struct wal *wal, uint64_t index, const struct tree_hash *leaf_hash,
             struct slice leaf, struct fault *fault)
{
    /* Once this batch is written, everything before it is on disk: else the process has ended.
     */
    struct wal_frame frame = {
        .index = index, .durable = wal->filling.first, .leaf_hash = *leaf_hash, .leaf = leaf};
    struct buf *bytes = &wal->filling.bytes;

    assert(index == wal->filling.next && leaf.len > 0 && leaf.len <= WAL_LEAF_BYTES_MAX);
    if (!wal_batch_has_room(wal, leaf.len))
        return fault_set(fault, FAULT_LIMIT, "no room in the batch");
    if (!buf_reserve(bytes, WAL_FRAME_HEAD_BYTES + leaf.len, fault))
        return false;
    wal_frame_write(&frame, bytes->at + bytes->len);
    memcpy(bytes->at + bytes->len + WAL_FRAME_HEAD_BYTES, leaf.at, leaf.len);
    bytes->len += WAL_FRAME_HEAD_BYTES + leaf.len;
    wal->filling.next++;
    return true;
}

/* A slot that holds nothing any more, or a new one, becomes the newest. */
static bool next_segment(struct wal *wal, struct fault *fault)
{
    struct wal_segments *segments = &wal->segments;
    bool in_use[WAL_SEGMENTS_MAX] = {false};

    for (unsigned i = 0; i < segments->used; i++)
        in_use[segments->order[i]] = true;
    for (unsigned slot = 0; slot < segments->count; slot++)
        if (!in_use[slot]) {
            segments->order[segments->used++] = slot;
            return true;
        }
    return wal_segments_make(segments, NULL, fault);
}

static bool place_batch(struct wal *wal, struct fault *fault)
{
    if (newest(wal)->end + wal->filling.bytes.len <= WAL_SEGMENT_BYTES)
        return true;
    if (!next_segment(wal, fault))
        return false;
    *newest(wal) = (struct wal_segment){
        .fd = newest(wal)->fd, .first = wal->filling.first, .next = wal->filling.first};
    return true;
}

/*
 * A file that somebody removed would take its records with it, and no write would fail. Asking
 * for the times as well, as stat does, would cost a journal commit: since Linux 6.13 the next
 * write after a look at the time takes a new one to the disk.
 */
static bool segments_are_there(const struct wal *wal, struct fault *fault)
{
    for (unsigned i = 0; i < wal->segments.used; i++) {
        int fd = wal->segments.slot[wal->segments.order[i]].fd;
        struct statx about;

        if (statx(fd, "", AT_EMPTY_PATH, STATX_NLINK, &about) < 0 || about.stx_nlink == 0)
            return fault_set(fault, FAULT_IO, "the write-ahead log was removed");
    }
    return true;
}

static bool failed(struct fault *fault)
{
    fault->kind = FAULT_IO; /* a full disk is none: its blocks are there */
    return fault_in(fault, "write-ahead log");
}

bool wal_begin(struct wal *wal, const struct durable *durable, struct fault *fault)
{
    struct batch empty = wal->under_way;

    assert(!wal->is_under_way);
    if (wal->filling.bytes.len == 0)
        return true;
    if (!segments_are_there(wal, fault) || !place_batch(wal, fault))
        return false;
    wal->under_way = wal->filling;
    wal->filling = empty;
    wal->filling.first = wal->filling.next = wal->under_way.next;
    buf_clear(&wal->filling.bytes);
    wal->is_under_way = true;
    wal->durable = durable;
    return wal->durable->begin(wal->durable->self, newest(wal)->fd,
                               buf_slice(&wal->under_way.bytes), newest(wal)->end, fault)
               ? true
               : failed(fault);
}

bool wal_is_under_way(const struct wal *wal)
{
    return wal->is_under_way;
}

bool wal_finish(struct wal *wal, bool wait, bool *ret_done, struct fault *fault)
{
    *ret_done = true;
    if (!wal->is_under_way)
        return true;
    if (!wal->durable->finish(wal->durable->self, wait, ret_done, fault))
        return failed(fault);
    if (!*ret_done)
        return true;
    wal->is_under_way = false;
    newest(wal)->end += wal->under_way.bytes.len;
    newest(wal)->next = wal->known = wal->under_way.next;
    return true;
}

void wal_limit(struct wal *wal, unsigned segments)
{
    wal->segments.most = segments;
}

uint64_t wal_durable(const struct wal *wal)
{
    return wal->known;
}

/* The segment that holds the record, and where in it to begin. */
static struct wal_segment *segment_of(struct wal *wal, struct wal_cursor *cursor)
{
    for (unsigned i = 0; i < wal->segments.used; i++) {
        struct wal_segment *segment = &wal->segments.slot[wal->segments.order[i]];

        if (cursor->next < segment->first || cursor->next >= segment->next)
            continue;
        if (!cursor->is_placed || cursor->segment != segment->first) {
            cursor->segment = segment->first;
            cursor->at = 0;
            cursor->is_placed = true;
        }
        return segment;
    }
    return NULL;
}

static bool read_piece(const struct wal_segment *segment, size_t at, struct buf *bytes,
                       struct fault *fault)
{
    size_t len = segment->end - at < bytes->limit ? segment->end - at : bytes->limit;

    buf_clear(bytes);
    if (!buf_reserve(bytes, len, fault))
        return false;
    while (bytes->len < len) {
        ssize_t got = pread(segment->fd, bytes->at + bytes->len, len - bytes->len,
                            (off_t)(at + bytes->len));

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fault_errno(fault, "read the write-ahead log");
        if (got == 0)
            return true; /* its last frames are missing: seen below */
        bytes->len += (size_t)got;
    }
    return true;
}

bool wal_read(struct wal *wal, struct wal_cursor *cursor, uint64_t until, struct buf *bytes,
              wal_on_frame *on_frame, void *self, struct fault *fault)
{
    const struct wal_segment *segment = segment_of(wal, cursor);
    uint64_t before = cursor->next;
    struct wal_frame frame;
    struct slice rest;
    size_t len;

    assert(cursor->next < until && until <= wal->known && segment != NULL);
    if (!read_piece(segment, cursor->at, bytes, fault))
        return false;
    rest = buf_slice(bytes);
    while (cursor->next < until && cursor->next < segment->next &&
           wal_frame_read_unhashed(rest, &frame, &len)) {
        if (frame.index == cursor->next) {
            if (!on_frame(self, &frame, fault))
                return false;
            cursor->next++;
        } else if (frame.index > cursor->next) {
            break;
        }
        rest = slice_part(rest, len, rest.len);
    }
    cursor->at += bytes->len - rest.len;
    /* Nothing at all: a frame is damaged. Only older ones: those before the one that is
     * sought. */
    if (cursor->next == before && rest.len == bytes->len)
        return fault_set(fault, FAULT_IO, "record %llu is not on the disk as it was written",
                         (unsigned long long)before);
    return true;
}

void wal_release(struct wal *wal, uint64_t published)
{
    struct wal_segments *segments = &wal->segments;
    unsigned kept = 0;

    for (unsigned i = 0; i < segments->used; i++)
        if (i + 1 == segments->used || segments->slot[segments->order[i]].next > published)
            segments->order[kept++] = segments->order[i];
    segments->used = kept;
    if (published == wal->known && !wal->is_under_way)
        *newest(wal) =
            (struct wal_segment){.fd = newest(wal)->fd, .first = published, .next = published};
}

bool wal_close_durably(struct wal *wal, uint64_t size, const struct tree_hash *root,
                       struct fault *fault)
{
    struct wal_frame frame = {.index = size, .durable = size, .leaf_hash = *root};
    uint8_t head[WAL_FRAME_HEAD_BYTES];
    struct wal_segment *first = &wal->segments.slot[0];

    assert(wal->known == size && wal->filling.bytes.len == 0 && !wal->is_under_way);
    wal_frame_write(&frame, head);
    if (!file_write_at(first->fd, slice_of_bytes(head, sizeof(head)), 0, fault))
        return fault_in(fault, "close the write-ahead log");
    if (fdatasync(first->fd) < 0)
        return fault_errno(fault, "sync the write-ahead log");
    *first = (struct wal_segment){.fd = first->fd, .first = size, .next = size};
    wal->segments.order[0] = 0;
    wal->segments.used = 1;
    return wal_segments_shrink(&wal->segments, fault);
}
