/*
 * bench/ledger_raw.c - the machine's own limits: a file that is written over and over, as the
 * write-ahead log is, and one that grows.
 */
#include <fcntl.h>
#include <unistd.h>

#include "base/scope.h"
#include "bench/ledger_subject.h"
#include "ledger/wal.h"
#include "os/file.h"

#define FILE_BYTES (16 * 1024 * 1024)

struct raw {
    int fd;
    bool by_record, grows;
    size_t record_bytes, outstanding;
    uint64_t end;
    struct buf bytes;
};

static bool raw_open(const struct subject_place *place, bool grows, bool by_record,
                     void **ret_self, struct fault *fault)
{
    struct raw *raw = xalloc(sizeof(*raw));
    /* A frame's head stands before each record of the write-ahead log. */
    size_t record_bytes = place->record_bytes + (grows ? 1 : WAL_FRAME_HEAD_BYTES);
    AUTO_FREE char *path = xformat("%s/raw", place->folder);

    *raw = (struct raw){.record_bytes = record_bytes,
                        .outstanding = place->outstanding,
                        .by_record = by_record,
                        .grows = grows,
                        .bytes = buf_with_limit(FILE_BYTES)};
    if (!buf_reserve(&raw->bytes, FILE_BYTES, fault))
        return false;
    for (size_t at = 0; at + record_bytes <= FILE_BYTES; at += record_bytes)
        subject_fill(raw->bytes.at + at, record_bytes, at);
    raw->fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (raw->fd < 0)
        return fault_errno(fault, "create %s", path);
    *ret_self = raw;
    if (grows)
        return true;
    if (!file_write_all(raw->fd, slice_of_bytes(raw->bytes.at, FILE_BYTES), fault))
        return false;
    return fsync(raw->fd) == 0 || fault_errno(fault, "sync");
}

static bool raw_write(struct raw *raw, size_t len, struct fault *fault)
{
    if (!raw->grows && raw->end + len > FILE_BYTES)
        raw->end = 0;
    if (!file_write_at(raw->fd, slice_of_bytes(raw->bytes.at, len), raw->end, fault))
        return false;
    raw->end += len;
    return fdatasync(raw->fd) == 0 || fault_errno(fault, "sync");
}

static bool raw_round(void *self, struct fault *fault)
{
    struct raw *raw = self;

    if (!raw->by_record)
        return raw_write(raw, raw->record_bytes * raw->outstanding, fault);
    for (size_t i = 0; i < raw->outstanding; i++)
        if (!raw_write(raw, raw->record_bytes, fault))
            return false;
    return true;
}

static bool raw_close(void *self, struct fault *fault)
{
    struct raw *raw = self;

    (void)fault;
    (void)close(raw->fd);
    buf_free(&raw->bytes);
    free(raw);
    return true;
}

static bool raw_batch_open(const struct subject_place *place, void **ret_self,
                           struct fault *fault)
{
    return raw_open(place, false, false, ret_self, fault);
}

static bool raw_record_open(const struct subject_place *place, void **ret_self,
                            struct fault *fault)
{
    return raw_open(place, false, true, ret_self, fault);
}

static bool file_batch_open(const struct subject_place *place, void **ret_self,
                            struct fault *fault)
{
    return raw_open(place, true, false, ret_self, fault);
}

static bool file_record_open(const struct subject_place *place, void **ret_self,
                             struct fault *fault)
{
    return raw_open(place, true, true, ret_self, fault);
}

const struct subject subject_raw_batch = {"raw-batch", raw_batch_open, raw_round, raw_close,
                                          NULL};
const struct subject subject_raw_record = {"raw-record", raw_record_open, raw_round, raw_close,
                                           NULL};
const struct subject subject_file_batch = {"file-batch", file_batch_open, raw_round, raw_close,
                                           NULL};
const struct subject subject_file_record = {"file-record", file_record_open, raw_round,
                                            raw_close, NULL};
