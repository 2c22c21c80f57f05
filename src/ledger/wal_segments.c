#include "ledger/wal_segments.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/scope.h"
#include "os/file.h"

#define COUNT_NAME "segments"
#define NAME_BYTES 24

static void name_of(unsigned slot, char ret_name[NAME_BYTES])
{
    if (slot == 0)
        (void)snprintf(ret_name, NAME_BYTES, WAL_FIRST_NAME);
    else
        (void)snprintf(ret_name, NAME_BYTES, WAL_FIRST_NAME ".%u", slot);
}

/* How many there must be; a log with one segment may have no file that says so. */
static bool read_count(int folder, unsigned *ret_count, struct fault *fault)
{
    AUTO_BUF struct buf text = buf_with_limit(16);
    unsigned count = 0;

    *ret_count = 1;
    if (!file_exists(folder, COUNT_NAME))
        return true;
    if (!file_read(folder, COUNT_NAME, &text, fault))
        return false;
    for (size_t i = 0; i + 1 < text.len && count <= WAL_SEGMENTS_MAX; i++)
        count = text.at[i] >= '0' && text.at[i] <= '9'
                    ? count * 10 + (unsigned)(text.at[i] - '0')
                    : WAL_SEGMENTS_MAX + 1;
    if (count == 0 || count > WAL_SEGMENTS_MAX)
        return fault_set(fault, FAULT_INVALID, COUNT_NAME " is not a number of segments");
    *ret_count = count;
    return true;
}

static bool write_count(const struct wal_segments *segments, unsigned count,
                        struct fault *fault)
{
    AUTO_FREE char *text = xformat("%u\n", count);

    return file_replace_durably(segments->folder, COUNT_NAME, slice_of(text), 0600, fault);
}

static bool open_one(struct wal_segments *segments, const char *name, int flags,
                     struct fault *fault)
{
    AUTO_CLOSE int fd = openat(segments->folder, name, flags | O_CLOEXEC | O_NOFOLLOW);
    struct stat stat;

    if (fd < 0)
        return fault_errno(fault, "open %s", name);
    if (fstat(fd, &stat) < 0)
        return fault_errno(fault, "stat %s", name);
    if (stat.st_size != WAL_SEGMENT_BYTES)
        return fault_set(fault, FAULT_INVALID, "%s: %lld bytes instead of %d", name,
                         (long long)stat.st_size, WAL_SEGMENT_BYTES);
    segments->slot[segments->count++] = (struct wal_segment){.fd = take_fd(&fd)};
    return true;
}

bool wal_segments_open(int folder, int flags, struct wal_segments *ret_segments,
                       struct fault *fault)
{
    struct wal_segments segments = {.folder = folder, .most = WAL_SEGMENTS_MAX};
    char name[NAME_BYTES];
    unsigned needed;
    bool ok = read_count(folder, &needed, fault);

    while (ok && segments.count < WAL_SEGMENTS_MAX) {
        name_of(segments.count, name);
        if (segments.count >= needed && !file_exists(folder, name))
            break;
        ok = open_one(&segments, name, flags, fault);
        if (!ok && fault->kind == FAULT_MISSING && segments.count > 0)
            (void)fault_set(fault, FAULT_INVALID, "%s is gone", name);
    }
    if (!ok) {
        wal_segments_close(&segments);
        return false;
    }
    *ret_segments = segments;
    return true;
}

void wal_segments_close(struct wal_segments *segments)
{
    for (unsigned i = 0; i < segments->count; i++)
        (void)close(segments->slot[i].fd);
    segments->count = 0;
}

/* Written in full and not only reserved: a commit then changes data alone. */
bool wal_segments_make(struct wal_segments *segments, const uint64_t *closed_at,
                       struct fault *fault)
{
    AUTO_BUF struct buf bytes = buf_with_limit(WAL_SEGMENT_BYTES);
    unsigned slot = segments->count;
    char name[NAME_BYTES];

    if (slot >= segments->most)
        return fault_set(fault, FAULT_LIMIT, "the write-ahead log is full");
    if (!buf_reserve(&bytes, WAL_SEGMENT_BYTES, fault))
        return false;
    memset(bytes.at, 0, WAL_SEGMENT_BYTES);
    bytes.len = WAL_SEGMENT_BYTES;
    if (closed_at != NULL)
        wal_frame_write(&(struct wal_frame){.index = *closed_at, .durable = *closed_at},
                        bytes.at);
    name_of(slot, name);
    if (!file_replace_durably(segments->folder, name, buf_slice(&bytes), 0600, fault) ||
        !open_one(segments, name, O_RDWR, fault) ||
        (slot > 0 && !write_count(segments, slot + 1, fault)))
        return fault_in(fault, "make a segment");
    segments->order[segments->used++] = slot;
    return true;
}

bool wal_segments_shrink(struct wal_segments *segments, struct fault *fault)
{
    if (segments->count <= WAL_SEGMENTS_KEPT)
        return true;
    if (!write_count(segments, WAL_SEGMENTS_KEPT, fault))
        return false;
    while (segments->count > WAL_SEGMENTS_KEPT) {
        char name[NAME_BYTES];

        name_of(--segments->count, name);
        (void)close(segments->slot[segments->count].fd);
        if (unlinkat(segments->folder, name, 0) < 0)
            return fault_errno(fault, "remove %s", name);
    }
    return true;
}

static bool read_start(const struct wal_segment *segment, size_t len, struct buf *bytes,
                       struct fault *fault)
{
    buf_clear(bytes);
    if (!buf_reserve(bytes, len, fault))
        return false;
    while (bytes->len < len) {
        ssize_t got =
            pread(segment->fd, bytes->at + bytes->len, len - bytes->len, (off_t)bytes->len);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fault_errno(fault, "read the write-ahead log");
        if (got == 0)
            return fault_set(fault, FAULT_INVALID, "a segment is shorter than it was");
        bytes->len += (size_t)got;
    }
    return true;
}

/* What stands at the start of each segment decides in which order they are read. */
struct starts {
    unsigned slot[WAL_SEGMENTS_MAX]; /* of those that begin with a frame, by its index */
    unsigned count;
    bool is_closed;
    uint64_t closed_at;
    unsigned closed_slot;
};

static void add_start(struct wal_segments *segments, struct starts *starts, unsigned slot,
                      uint64_t index)
{
    unsigned at = starts->count++;

    segments->slot[slot].first = index;
    for (; at > 0 && segments->slot[starts->slot[at - 1]].first > index; at--)
        starts->slot[at] = starts->slot[at - 1];
    starts->slot[at] = slot;
}

/* A closing frame says that nothing else counts: then no more than the heads is read. */
static bool find_closing(struct wal_segments *segments, struct starts *starts,
                         struct buf *bytes, struct fault *fault)
{
    for (unsigned slot = 0; slot < segments->count; slot++) {
        struct wal_frame frame;
        size_t len;

        if (!read_start(&segments->slot[slot], WAL_FRAME_HEAD_BYTES, bytes, fault))
            return false;
        if (!wal_frame_read(buf_slice(bytes), &frame, &len) || frame.leaf.len > 0)
            continue;
        starts->is_closed = true;
        starts->closed_at = frame.index;
        starts->closed_slot = slot;
    }
    return true;
}

static bool find_starts(struct wal_segments *segments, struct starts *starts,
                        struct buf *bytes, struct fault *fault)
{
    *starts = (struct starts){.count = 0};
    if (!find_closing(segments, starts, bytes, fault))
        return false;
    for (unsigned slot = 0; slot < segments->count && !starts->is_closed; slot++) {
        struct wal_frame frame;
        size_t len;

        if (!read_start(&segments->slot[slot], WAL_FRAME_HEAD_BYTES + WAL_LEAF_BYTES_MAX,
                        bytes, fault))
            return false;
        if (wal_frame_read(buf_slice(bytes), &frame, &len))
            add_start(segments, starts, slot, frame.index);
    }
    return true;
}

static void use_only(struct wal_segments *segments, unsigned slot, uint64_t size)
{
    segments->slot[slot].first = segments->slot[slot].next = size;
    segments->slot[slot].end = 0;
    segments->order[0] = slot;
    segments->used = 1;
}

/* In the order of their records. A hole in what is not published is damage. */
static bool scan_all(struct wal_segments *segments, const struct starts *starts,
                     uint64_t published, wal_on_frame *on_frame, void *self,
                     struct wal_scan *all, struct buf *bytes, struct fault *fault)
{
    for (unsigned i = 0; i < starts->count; i++) {
        struct wal_segment *segment = &segments->slot[starts->slot[i]];
        struct wal_scan scan;

        if (segment->first > all->next)
            return fault_set(fault, FAULT_INVALID, "record %llu was acknowledged and is gone",
                             (unsigned long long)all->next);
        if (!read_start(segment, WAL_SEGMENT_BYTES, bytes, fault) ||
            !wal_frames_in_order(buf_slice(bytes), published, on_frame, self, &scan, fault))
            return false;
        segment->next = scan.next;
        segment->end = scan.end;
        all->count += scan.count;
        if (scan.next > all->next) {
            all->first = all->next == published ? scan.first : all->first;
            all->next = scan.next;
            all->end = scan.end;
            segments->order[segments->used++] = starts->slot[i];
        }
    }
    return true;
}

bool wal_segments_scan(struct wal_segments *segments, uint64_t published,
                       wal_on_frame *on_frame, void *self, struct wal_scan *ret_scan,
                       struct fault *fault)
{
    AUTO_BUF struct buf bytes = buf_with_limit(WAL_SEGMENT_BYTES);
    struct wal_scan all = {.first = published, .next = published};
    struct starts starts;

    segments->used = 0;
    if (!find_starts(segments, &starts, &bytes, fault))
        return false;
    if (starts.is_closed) {
        use_only(segments, starts.closed_slot, starts.closed_at);
        *ret_scan = (struct wal_scan){
            .first = starts.closed_at, .next = starts.closed_at, .is_closed = true};
        return true;
    }
    if (!scan_all(segments, &starts, published, on_frame, self, &all, &bytes, fault))
        return false;
    for (unsigned slot = 0; slot < segments->count; slot++) {
        struct wal_scan scan = {.end = segments->slot[slot].end};

        if (!read_start(&segments->slot[slot], WAL_SEGMENT_BYTES, &bytes, fault) ||
            !wal_look_behind(buf_slice(&bytes), all.next, &scan, fault))
            return false;
        segments->slot[slot].torn = scan.torn;
        all.torn += scan.torn;
    }
    if (segments->used == 0)
        use_only(segments, 0, all.next);
    *ret_scan = all;
    return true;
}

/* A frame of such a write must not come back behind a new one of its length. */
bool wal_segments_cut(struct wal_segments *segments, struct fault *fault)
{
    AUTO_BUF struct buf zeros = buf_with_limit(WAL_SEGMENT_BYTES);

    for (unsigned slot = 0; slot < segments->count; slot++) {
        struct wal_segment *segment = &segments->slot[slot];

        if (segment->torn == 0)
            continue;
        if (!buf_reserve(&zeros, WAL_SEGMENT_BYTES, fault))
            return false;
        memset(zeros.at, 0, WAL_SEGMENT_BYTES);
        if (!file_write_at(segment->fd,
                           slice_of_bytes(zeros.at, WAL_SEGMENT_BYTES - segment->end),
                           segment->end, fault))
            return false;
        if (fdatasync(segment->fd) < 0)
            return fault_errno(fault, "sync");
        segment->torn = 0;
    }
    return true;
}
