#include "view/pack.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zlib.h>

#include "base/hex.h"
#include "base/scope.h"
#include "os/file.h"
#include "view/snapshot.h"

#define PACK_OUT_BYTES (256U << 10)
#define PACK_READ_BYTES (256U << 10)
#define PACK_HEADER_BYTES 12
#define PACK_INDEX_BYTES_MAX (2ULL << 30)

struct pack_row {
    uint8_t oid[SNAPSHOT_OID_MAX]; /* first: key_map's key */
    uint64_t at;
    uint32_t crc;
};

struct pack {
    int folder_fd, fd;
    char temporary[40];
    struct hasher *hasher;
    size_t oid_bytes;
    z_stream deflate;
    struct pack_row *rows;
    size_t row_count, row_room;
    struct key_map map;
    uint64_t written; /* file offset of the end of `out` */
    uint32_t crc;     /* of the object being written */
    size_t out_len;
    uint8_t *out, *in;
};

bool pack_new(int folder_fd, size_t oid_bytes, int level, struct pack **ret_pack,
              struct fault *fault)
{
    struct pack *pack = xalloc(sizeof(*pack));

    pack->folder_fd = folder_fd;
    pack->oid_bytes = oid_bytes;
    pack->fd = -1;
    if (!hasher_new(oid_bytes, &pack->hasher, fault)) {
        pack_free(pack);
        return false;
    }
    (void)snprintf(pack->temporary, sizeof(pack->temporary), "tmp_pack_%d", (int)getpid());
    pack->fd = openat(folder_fd, pack->temporary,
                      O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0444);
    if (pack->fd < 0) {
        (void)fault_errno(fault, "make a pack");
        pack_free(pack);
        return false;
    }
    if (deflateInit(&pack->deflate, level) != Z_OK)
        abort();
    pack->out = xalloc(PACK_OUT_BYTES);
    pack->in = xalloc(PACK_READ_BYTES);
    pack->out_len = PACK_HEADER_BYTES; /* filled in by pack_finish, when the count is known */
    pack->written = PACK_HEADER_BYTES;
    *ret_pack = pack;
    return true;
}

void pack_free(struct pack *pack)
{
    if (pack == NULL)
        return;
    if (pack->fd >= 0) {
        (void)close(pack->fd);
        (void)unlinkat(pack->folder_fd, pack->temporary, 0);
    }
    if (pack->out != NULL)
        (void)deflateEnd(&pack->deflate);
    hasher_free(pack->hasher);
    key_map_free(&pack->map);
    free(pack->rows);
    free(pack->out);
    free(pack->in);
    free(pack);
}

bool pack_has(const struct pack *pack, const uint8_t *oid)
{
    return key_map_find(&pack->map, pack->rows, sizeof(*pack->rows), oid, pack->oid_bytes) !=
           KEY_MAP_NONE;
}

static bool flush(struct pack *pack, struct fault *fault)
{
    bool done = file_write_all(pack->fd, slice_of_bytes(pack->out, pack->out_len), fault);

    pack->out_len = 0;
    return done;
}

static bool put(struct pack *pack, const uint8_t *at, size_t len, struct fault *fault)
{
    while (len > 0) {
        size_t part = PACK_OUT_BYTES - pack->out_len;

        if (part > len)
            part = len;
        memcpy(pack->out + pack->out_len, at, part);
        pack->crc = (uint32_t)crc32(pack->crc, at, (uInt)part);
        pack->out_len += part;
        pack->written += part;
        at += part;
        len -= part;
        if (pack->out_len == PACK_OUT_BYTES && !flush(pack, fault))
            return false;
    }
    return true;
}

/* Type and size: four bits of size in the first byte, then seven a byte, least significant
 * first. */
static bool put_head(struct pack *pack, enum object_type type, uint64_t size,
                     struct fault *fault)
{
    uint8_t head[12];
    size_t len = 1;

    head[0] = (uint8_t)((unsigned)type << 4 | (size & 15));
    for (size >>= 4; size > 0; size >>= 7) {
        head[len - 1] |= 0x80;
        head[len++] = (uint8_t)(size & 0x7f);
    }
    pack->crc = (uint32_t)crc32(0, NULL, 0);
    (void)deflateReset(&pack->deflate);
    return put(pack, head, len, fault);
}

static bool put_deflated(struct pack *pack, struct slice content, bool last,
                         struct fault *fault)
{
    uint8_t chunk[8192];
    int state;

    do {
        /* zlib counts in 32 bits */
        size_t part = content.len > (1U << 30) ? 1U << 30 : content.len;
        bool end = last && part == content.len;

        pack->deflate.next_in = (Bytef *)(uintptr_t)content.at;
        pack->deflate.avail_in = (uInt)part;
        do {
            pack->deflate.next_out = chunk;
            pack->deflate.avail_out = sizeof(chunk);
            state = deflate(&pack->deflate, end ? Z_FINISH : Z_NO_FLUSH);
            if (state == Z_STREAM_ERROR)
                abort();
            if (!put(pack, chunk, sizeof(chunk) - pack->deflate.avail_out, fault))
                return false;
        } while (pack->deflate.avail_out == 0);
        content = slice_part(content, part, content.len);
    } while (content.len > 0);
    return true;
}

static void add_row(struct pack *pack, const uint8_t *oid, uint64_t at)
{
    struct pack_row *row;

    pack->rows = xgrow(pack->rows, &pack->row_room, pack->row_count + 1, sizeof(*pack->rows));
    row = &pack->rows[pack->row_count];
    *row = (struct pack_row){.at = at, .crc = pack->crc};
    memcpy(row->oid, oid, pack->oid_bytes);
    key_map_add(&pack->map, pack->rows, sizeof(*pack->rows), (uint32_t)pack->row_count++);
}

bool pack_add(struct pack *pack, enum object_type type, struct slice content, uint8_t *ret_oid,
              struct fault *fault)
{
    uint8_t oid[SNAPSHOT_OID_MAX];
    uint64_t at = pack->written;

    hasher_object(pack->hasher, type, content, oid);
    if (!pack_has(pack, oid)) {
        if (!put_head(pack, type, content.len, fault) ||
            !put_deflated(pack, content, true, fault))
            return fault_in(fault, "write a pack");
        add_row(pack, oid, at);
    }
    if (ret_oid != NULL)
        memcpy(ret_oid, oid, pack->oid_bytes);
    return true;
}

bool pack_add_range(struct pack *pack, int fd, uint64_t at, uint64_t len, const uint8_t *oid,
                    struct fault *fault)
{
    uint8_t seen[SNAPSHOT_OID_MAX];
    uint64_t start = pack->written;

    if (pack_has(pack, oid))
        return true;
    if (!put_head(pack, OBJECT_BLOB, len, fault))
        return fault_in(fault, "write a pack");
    hasher_begin_object(pack->hasher, OBJECT_BLOB, len);
    for (uint64_t done = 0; done < len || len == 0;) {
        size_t want = len - done < PACK_READ_BYTES ? (size_t)(len - done) : PACK_READ_BYTES;
        ssize_t got = want == 0 ? 0 : pread(fd, pack->in, want, (off_t)(at + done));
        struct slice part;

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fault_errno(fault, "read content");
        if (got == 0 && len > 0)
            return fault_set(fault, FAULT_INVALID, "content ends before a blob does");
        part = slice_of_bytes(pack->in, (size_t)got);
        done += (uint64_t)got;
        hasher_add(pack->hasher, part);
        if (!put_deflated(pack, part, done == len, fault))
            return fault_in(fault, "write a pack");
        if (len == 0)
            break;
    }
    hasher_end(pack->hasher, seen);
    if (memcmp(seen, oid, pack->oid_bytes) != 0)
        return fault_set(fault, FAULT_INVALID, "a blob's content does not hash to its id");
    add_row(pack, oid, start);
    return true;
}

/* The header counts the objects, so the checksum of the whole can only be taken at the end. */
static bool seal(struct pack *pack, uint8_t *ret_checksum, struct fault *fault)
{
    struct {
        char magic[4];
        uint32_t version, count;
    } header = {{'P', 'A', 'C', 'K'}, htobe32(2), htobe32((uint32_t)pack->row_count)};
    uint64_t done = 0;

    if (!flush(pack, fault) ||
        !file_write_at(pack->fd, slice_of_bytes(&header, sizeof(header)), 0, fault))
        return false;
    hasher_begin(pack->hasher);
    while (done < pack->written) {
        ssize_t got = pread(pack->fd, pack->in, PACK_READ_BYTES, (off_t)done);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return fault_errno(fault, "read the pack again");
        hasher_add(pack->hasher, slice_of_bytes(pack->in, (size_t)got));
        done += (uint64_t)got;
    }
    hasher_end(pack->hasher, ret_checksum);
    return file_write_at(pack->fd, slice_of_bytes(ret_checksum, pack->oid_bytes),
                         pack->written, fault);
}

static int compare_rows(const void *a, const void *b)
{
    return memcmp(((const struct pack_row *)a)->oid, ((const struct pack_row *)b)->oid,
                  SNAPSHOT_OID_MAX);
}

static bool add_be32(struct buf *buf, uint32_t number, struct fault *fault)
{
    uint32_t big = htobe32(number);

    return buf_add(buf, slice_of_bytes(&big, sizeof(big)), fault);
}

static bool add_offsets(const struct pack *pack, struct buf *index, struct fault *fault)
{
    uint32_t large = 0;

    for (size_t i = 0; i < pack->row_count; i++) {
        bool fits = pack->rows[i].at < 1U << 31;

        if (!add_be32(index, fits ? (uint32_t)pack->rows[i].at : 1U << 31 | large, fault))
            return false;
        large += fits ? 0 : 1;
    }
    for (size_t i = 0; i < pack->row_count; i++) {
        uint64_t big = htobe64(pack->rows[i].at);

        if (pack->rows[i].at >= 1U << 31 &&
            !buf_add(index, slice_of_bytes(&big, sizeof(big)), fault))
            return false;
    }
    return true;
}

static bool make_index(struct pack *pack, const uint8_t *pack_checksum, struct buf *index,
                       struct fault *fault)
{
    uint8_t checksum[SNAPSHOT_OID_MAX];
    size_t row = 0;

    qsort(pack->rows, pack->row_count, sizeof(*pack->rows), compare_rows);
    if (!buf_reserve(index, 2048 + pack->row_count * (pack->oid_bytes + 16), fault) ||
        !add_be32(index, 0xff744f63, fault) || !add_be32(index, 2, fault))
        return false;
    for (unsigned first = 0; first < 256; first++) {
        while (row < pack->row_count && pack->rows[row].oid[0] <= first)
            row++;
        if (!add_be32(index, (uint32_t)row, fault))
            return false;
    }
    for (size_t i = 0; i < pack->row_count; i++)
        if (!buf_add(index, slice_of_bytes(pack->rows[i].oid, pack->oid_bytes), fault))
            return false;
    for (size_t i = 0; i < pack->row_count; i++)
        if (!add_be32(index, pack->rows[i].crc, fault))
            return false;
    if (!add_offsets(pack, index, fault) ||
        !buf_add(index, slice_of_bytes(pack_checksum, pack->oid_bytes), fault))
        return false;
    hasher_begin(pack->hasher);
    hasher_add(pack->hasher, buf_slice(index));
    hasher_end(pack->hasher, checksum);
    return buf_add(index, slice_of_bytes(checksum, pack->oid_bytes), fault);
}

static bool write_index(struct pack *pack, const char *name, struct slice bytes, bool sync,
                        struct fault *fault)
{
    AUTO_CLOSE int fd =
        openat(pack->folder_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);

    if (fd < 0)
        return fault_errno(fault, "make %s", name);
    if (!file_write_all(fd, bytes, fault))
        return false;
    return !sync || fdatasync(fd) == 0 || fault_errno(fault, "sync %s", name);
}

bool pack_finish(struct pack *pack, bool sync, struct fault *fault)
{
    AUTO_BUF struct buf index = buf_with_limit(PACK_INDEX_BYTES_MAX);
    uint8_t checksum[SNAPSHOT_OID_MAX];
    char hex[2 * SNAPSHOT_OID_MAX + 1], name[2 * SNAPSHOT_OID_MAX + 16];

    if (pack->row_count == 0)
        return true;
    if (!seal(pack, checksum, fault) || !make_index(pack, checksum, &index, fault))
        return fault_in(fault, "finish a pack");
    if (sync && fdatasync(pack->fd) < 0)
        return fault_errno(fault, "sync a pack");
    hex_encode(slice_of_bytes(checksum, pack->oid_bytes), hex);
    (void)snprintf(name, sizeof(name), "pack-%s.pack", hex);
    if (renameat(pack->folder_fd, pack->temporary, pack->folder_fd, name) < 0)
        return fault_errno(fault, "name a pack");
    (void)close(pack->fd);
    pack->fd = -1;
    (void)snprintf(name, sizeof(name), "pack-%s.idx", hex);
    return write_index(pack, name, buf_slice(&index), sync, fault);
}
