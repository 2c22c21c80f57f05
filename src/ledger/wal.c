#include "ledger/wal.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/scope.h"
#include "os/file.h"

struct wal {
    int fd;
    uint64_t first;    /* index of the frame at offset 0 */
    uint32_t *offsets; /* of the frames since then, batch included */
    size_t count, room;
    size_t end; /* offset behind the last committed frame */
    struct buf batch;
    uint64_t durable; /* index behind the last committed frame */
};

/* CRC-32C (Castagnoli), reflected. */
static uint32_t crc32c(uint32_t crc, struct slice bytes)
{
    static uint32_t table[256];

    if (table[1] == 0)
        for (uint32_t i = 0; i < 256; i++) {
            uint32_t value = i;

            for (int bit = 0; bit < 8; bit++)
                value = (value >> 1) ^ ((value & 1) != 0 ? 0x82f63b78U : 0);
            table[i] = value;
        }
    crc = ~crc;
    for (size_t i = 0; i < bytes.len; i++)
        crc = (crc >> 8) ^ table[(crc ^ bytes.at[i]) & 0xff];
    return ~crc;
}

static void put_be(uint8_t *at, size_t len, uint64_t value)
{
    for (size_t i = 0; i < len; i++)
        at[i] = (uint8_t)(value >> (8 * (len - 1 - i)));
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

#define AT_LEN 0
#define AT_INDEX 4
#define AT_DURABLE 12
#define AT_HASH 20
#define AT_CRC 52

void wal_frame_write(const struct wal_frame *frame, uint8_t ret_head[WAL_FRAME_HEAD_BYTES])
{
    put_be(ret_head + AT_LEN, 4, frame->leaf.len);
    put_be(ret_head + AT_INDEX, 8, frame->index);
    put_be(ret_head + AT_DURABLE, 8, frame->durable);
    memcpy(ret_head + AT_HASH, frame->leaf_hash.at, TREE_HASH_BYTES);
    put_be(ret_head + AT_CRC, 4,
           crc32c(crc32c(0, slice_of_bytes(ret_head, AT_CRC)), frame->leaf));
}

bool wal_frame_read(struct slice bytes, struct wal_frame *ret_frame, size_t *ret_len)
{
    struct wal_frame frame;
    struct tree_hash hash;
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
    frame.leaf = slice_part(bytes, WAL_FRAME_HEAD_BYTES, WAL_FRAME_HEAD_BYTES + len);
    if (crc32c(crc32c(0, slice_part(bytes, 0, AT_CRC)), frame.leaf) !=
        get_u32(bytes.at + AT_CRC))
        return false;
    memcpy(frame.leaf_hash.at, bytes.at + AT_HASH, TREE_HASH_BYTES);
    hash = tree_leaf(frame.leaf);
    if (len > 0 && !tree_hash_equal(&hash, &frame.leaf_hash))
        return false;
    *ret_frame = frame;
    *ret_len = WAL_FRAME_HEAD_BYTES + len;
    return true;
}

/*
 * Looks behind the last good frame. What lies there is older than it (the file is written over
 * and over), or of the last write, which nobody was told of; but a whole frame that was
 * written when more was on disk than we have found says that something acknowledged is
 * damaged.
 */
static bool look_behind(struct slice bytes, uint64_t known, struct wal_scan *scan,
                        struct fault *fault)
{
    for (size_t at = scan->end; at + WAL_FRAME_HEAD_BYTES <= bytes.len; at++) {
        uint64_t index = get_u64(bytes.at + at + AT_INDEX);
        uint64_t durable = get_u64(bytes.at + at + AT_DURABLE);
        struct wal_frame frame;
        size_t len;

        if (index < known || index - known > WAL_FILE_BYTES || durable > index ||
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

bool wal_scan(struct slice bytes, uint64_t published,
              bool (*on_frame)(void *self, const struct wal_frame *frame, struct fault *fault),
              void *self, struct wal_scan *ret_scan, struct fault *fault)
{
    struct wal_scan scan = {.first = published, .next = published};
    struct wal_frame frame;
    size_t len;

    while (wal_frame_read(slice_part(bytes, scan.end, bytes.len), &frame, &len)) {
        if (frame.leaf.len == 0) {
            if (scan.count > 0)
                break;
            scan = (struct wal_scan){
                .first = frame.index, .next = frame.index, .is_closed = true};
            *ret_scan = scan;
            return true;
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
    if (!look_behind(bytes, scan.next > published ? scan.next : published, &scan, fault))
        return false;
    *ret_scan = scan;
    return true;
}

/* A closed log, written in full and not only reserved: a commit then changes data alone. */
static bool make_file(int folder, const char *name, uint64_t published, struct fault *fault)
{
    AUTO_BUF struct buf bytes = buf_with_limit(WAL_FILE_BYTES);
    struct wal_frame closed = {.index = published, .durable = published};

    if (!buf_reserve(&bytes, WAL_FILE_BYTES, fault))
        return false;
    memset(bytes.at, 0, WAL_FILE_BYTES);
    bytes.len = WAL_FILE_BYTES;
    wal_frame_write(&closed, bytes.at);
    return file_replace_durably(folder, name, buf_slice(&bytes), 0600, fault);
}

/* The first frame says whether the log was closed; then the rest need not be read. */
static bool read_frames(int fd, struct buf *bytes, struct fault *fault)
{
    struct wal_frame frame;
    struct stat stat;
    size_t len;
    ssize_t got;

    if (fstat(fd, &stat) < 0)
        return fault_errno(fault, "stat");
    if (stat.st_size != WAL_FILE_BYTES)
        return fault_set(fault, FAULT_INVALID, "%lld bytes instead of %d",
                         (long long)stat.st_size, WAL_FILE_BYTES);
    if (!buf_reserve(bytes, WAL_FILE_BYTES, fault))
        return false;
    got = pread(fd, bytes->at, WAL_FRAME_HEAD_BYTES, 0);
    if (got != WAL_FRAME_HEAD_BYTES)
        return fault_errno(fault, "read");
    bytes->len = WAL_FRAME_HEAD_BYTES;
    if (wal_frame_read(buf_slice(bytes), &frame, &len) && frame.leaf.len == 0)
        return true;
    buf_clear(bytes);
    return file_read_fd(fd, bytes, fault);
}

/* What a recovered frame's place is, while on_frame runs. */
struct opening {
    struct wal *wal;
    bool (*on_frame)(void *self, const struct wal_frame *frame, struct fault *fault);
    void *self;
};

static void remember_offset(struct wal *wal, size_t offset)
{
    wal->offsets = xgrow(wal->offsets, &wal->room, wal->count + 1, sizeof(wal->offsets[0]));
    wal->offsets[wal->count++] = (uint32_t)offset;
}

static bool opening_on_frame(void *self, const struct wal_frame *frame, struct fault *fault)
{
    struct opening *opening = self;
    struct wal *wal = opening->wal;

    if (!opening->on_frame(opening->self, frame, fault))
        return false;
    remember_offset(wal, wal->end);
    wal->end += WAL_FRAME_HEAD_BYTES + frame->leaf.len;
    return true;
}

static bool overwrite_torn(struct wal *wal, struct fault *fault)
{
    AUTO_BUF struct buf zeros = buf_with_limit(WAL_FILE_BYTES);
    size_t len = WAL_FILE_BYTES - wal->end;

    if (!buf_reserve(&zeros, len, fault))
        return false;
    memset(zeros.at, 0, len);
    return file_write_at(wal->fd, slice_of_bytes(zeros.at, len), wal->end, fault);
}

static bool wal_recover(struct wal *wal, uint64_t published, struct opening *opening,
                        struct wal_scan *ret_scan, struct fault *fault)
{
    AUTO_BUF struct buf bytes = buf_with_limit(WAL_FILE_BYTES);

    if (!read_frames(wal->fd, &bytes, fault) ||
        !wal_scan(buf_slice(&bytes), published, opening_on_frame, opening, ret_scan, fault))
        return false;
    wal->first = ret_scan->first;
    wal->durable = ret_scan->next;
    if (ret_scan->torn > 0 && !overwrite_torn(wal, fault))
        return false;
    /* What we have read may have been in the page cache only: a killed writer had not synced
     * it. */
    if ((ret_scan->count > 0 || ret_scan->torn > 0) && fdatasync(wal->fd) < 0)
        return fault_errno(fault, "sync");
    return true;
}

bool wal_open(int folder, const char *name, uint64_t published,
              bool (*on_frame)(void *self, const struct wal_frame *frame, struct fault *fault),
              void *self, struct wal **ret_wal, struct wal_scan *ret_scan, struct fault *fault)
{
    struct wal *wal;
    struct opening opening = {.on_frame = on_frame, .self = self};
    AUTO_CLOSE int fd = -1;

    if (!file_exists(folder, name) && !make_file(folder, name, published, fault))
        return false;
    fd = openat(folder, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return fault_errno(fault, "open %s", name);
    wal = xalloc(sizeof(*wal));
    wal->fd = take_fd(&fd);
    wal->batch =
        buf_with_limit(WAL_BATCH_BYTES_MAX + WAL_FRAME_HEAD_BYTES + WAL_LEAF_BYTES_MAX);
    opening.wal = wal;
    if (!wal_recover(wal, published, &opening, ret_scan, fault)) {
        wal_free(wal);
        return fault_in(fault, "%s", name);
    }
    *ret_wal = wal;
    return true;
}

void wal_free(struct wal *wal)
{
    if (wal == NULL)
        return;
    (void)close(wal->fd);
    free(wal->offsets);
    buf_free(&wal->batch);
    free(wal);
}

bool wal_batch_has_room(const struct wal *wal, size_t leaf_len)
{
    return wal->batch.len == 0 ||
           wal->batch.len + WAL_FRAME_HEAD_BYTES + leaf_len <= WAL_BATCH_BYTES_MAX;
}

bool wal_file_has_room(const struct wal *wal, size_t leaf_len)
{
    return wal->end + wal->batch.len + WAL_FRAME_HEAD_BYTES + leaf_len <= WAL_FILE_BYTES;
}

size_t wal_batch_bytes(const struct wal *wal)
{
    return wal->batch.len;
}

bool wal_add(struct wal *wal, uint64_t index, const struct tree_hash *leaf_hash,
             struct slice leaf, struct fault *fault)
{
    struct wal_frame frame = {
        .index = index, .durable = wal->durable, .leaf_hash = *leaf_hash, .leaf = leaf};
    uint8_t head[WAL_FRAME_HEAD_BYTES];

    assert(index == wal->first + wal->count && leaf.len > 0 && leaf.len <= WAL_LEAF_BYTES_MAX);
    if (!wal_batch_has_room(wal, leaf.len) || !wal_file_has_room(wal, leaf.len))
        return fault_set(fault, FAULT_LIMIT, "no room in the write-ahead log");
    wal_frame_write(&frame, head);
    remember_offset(wal, wal->end + wal->batch.len);
    return buf_add(&wal->batch, slice_of_bytes(head, sizeof(head)), fault) &&
           buf_add(&wal->batch, leaf, fault);
}

bool wal_commit(struct wal *wal, struct fault *fault)
{
    struct stat stat;

    if (wal->batch.len == 0)
        return true;
    /*
     * A file that somebody removed would take every record with it, and no write would fail.
     */
    if (fstat(wal->fd, &stat) < 0 || stat.st_nlink == 0)
        return fault_set(fault, FAULT_IO, "the write-ahead log was removed");
    if (!file_write_at(wal->fd, buf_slice(&wal->batch), wal->end, fault))
        return fault_in(fault, "write-ahead log");
    if (fdatasync(wal->fd) < 0) {
        (void)fault_errno(fault, "sync the write-ahead log");
        fault->kind = FAULT_IO;
        return false;
    }
    wal->end += wal->batch.len;
    wal->durable = wal->first + wal->count;
    buf_clear(&wal->batch);
    return true;
}

bool wal_read(const struct wal *wal, uint64_t index, struct buf *leaf,
              struct tree_hash *ret_leaf_hash, struct fault *fault)
{
    struct wal_frame frame;
    size_t len, begin, end;
    ssize_t got;

    assert(index >= wal->first && index < wal->durable);
    begin = wal->offsets[index - wal->first];
    end =
        index + 1 < wal->first + wal->count ? wal->offsets[index + 1 - wal->first] : wal->end;
    buf_clear(leaf);
    if (!buf_reserve(leaf, end - begin, fault))
        return false;
    got = pread(wal->fd, leaf->at, end - begin, (off_t)begin);
    if (got < 0)
        return fault_errno(fault, "read the write-ahead log");
    leaf->len = (size_t)got;
    if (!wal_frame_read(buf_slice(leaf), &frame, &len) || frame.index != index)
        return fault_set(fault, FAULT_IO, "record %llu is not on the disk as it was written",
                         (unsigned long long)index);
    *ret_leaf_hash = frame.leaf_hash;
    buf_drop_front(leaf, WAL_FRAME_HEAD_BYTES);
    return true;
}

void wal_rewind(struct wal *wal, uint64_t size)
{
    assert(wal->batch.len == 0 && size >= wal->durable);
    wal->first = wal->durable = size;
    wal->count = 0;
    wal->end = 0;
}

bool wal_close_durably(struct wal *wal, uint64_t size, const struct tree_hash *root,
                       struct fault *fault)
{
    struct wal_frame frame = {.index = size, .durable = size, .leaf_hash = *root};
    uint8_t head[WAL_FRAME_HEAD_BYTES];

    assert(wal->end == 0 && wal->batch.len == 0 && wal->durable == size);
    wal_frame_write(&frame, head);
    if (!file_write_at(wal->fd, slice_of_bytes(head, sizeof(head)), 0, fault))
        return fault_in(fault, "close the write-ahead log");
    if (fdatasync(wal->fd) < 0)
        return fault_errno(fault, "sync the write-ahead log");
    return true;
}
