/* 64 entries of an io_uring; the kernel's own workers write and sync. */
#include "os/durable.h"

#include <assert.h>
#include <errno.h>
#include <unistd.h>

#include "base/scope.h"
#include "os/file.h"
#include "os/ring.h"

#define WRITE_TAG 1

struct under_way {
    struct ring *ring;
    unsigned waiting; /* completions that are not here yet */
    int file;
    struct slice bytes;
    uint64_t offset;
    bool is_write;   /* else files are synced */
    int32_t written; /* result of the write */
    int failed;      /* errno of a sync */
};

/* Room there is always: never more than DURABLE_FILES_MAX are under way. */
static void add(struct under_way *work, const struct io_uring_sqe *entry)
{
    struct io_uring_sqe *at = ring_add(work->ring);

    assert(at != NULL);
    *at = *entry;
    work->waiting++;
}

static bool work_begin(void *self, int fd, struct slice bytes, uint64_t offset,
                       struct fault *fault)
{
    struct under_way *work = self;
    struct io_uring_sqe write = {.opcode = IORING_OP_WRITE,
                                 .flags = IOSQE_IO_LINK,
                                 .fd = fd,
                                 .addr = (uint64_t)(uintptr_t)bytes.at,
                                 .len = (uint32_t)bytes.len,
                                 .off = offset,
                                 .user_data = WRITE_TAG};
    struct io_uring_sqe sync = {
        .opcode = IORING_OP_FSYNC, .fd = fd, .fsync_flags = IORING_FSYNC_DATASYNC};

    work->is_write = true;
    work->failed = 0;
    work->file = fd;
    work->bytes = bytes;
    work->offset = offset;
    add(work, &write);
    add(work, &sync);
    return ring_enter(work->ring, false, -1, fault);
}

static bool work_begin_files(void *self, const int *fds, size_t count, struct fault *fault)
{
    struct under_way *work = self;

    work->is_write = false;
    work->failed = 0;
    for (size_t i = 0; i < count; i++)
        add(work, &(struct io_uring_sqe){.opcode = IORING_OP_FSYNC, .fd = fds[i]});
    return ring_enter(work->ring, false, -1, fault);
}

/* Fewer bytes than asked for end the link: then the rest is written here, and synced here. */
static bool finish_short(struct under_way *work, struct fault *fault)
{
    size_t written = work->written > 0 ? (size_t)work->written : 0;

    return file_write_at(work->file, slice_part(work->bytes, written, work->bytes.len),
                         work->offset + written, fault) &&
           (fdatasync(work->file) == 0 || fault_errno(fault, "sync"));
}

static bool judge(struct under_way *work, struct fault *fault)
{
    if (work->is_write && (work->written == -EINTR || work->written == -EAGAIN ||
                           (work->written >= 0 && (size_t)work->written < work->bytes.len)))
        return finish_short(work, fault);
    errno = work->is_write && work->written < 0 ? -work->written : work->failed;
    return errno == 0 || fault_errno(fault, "write or sync");
}

static bool work_finish(void *self, bool wait, bool *ret_done, struct fault *fault)
{
    struct under_way *work = self;
    struct io_uring_cqe completion;

    while (work->waiting > 0) {
        if (!ring_take(work->ring, &completion)) {
            *ret_done = false;
            if (!wait)
                return true;
            if (!ring_enter(work->ring, true, -1, fault))
                return false;
            continue;
        }
        work->waiting--;
        if (completion.user_data == WRITE_TAG)
            work->written = completion.res;
        else if (completion.res < 0)
            work->failed = -completion.res;
    }
    *ret_done = true;
    return judge(work, fault);
}

static void work_free(void *self)
{
    struct under_way *work = self;

    ring_free(work->ring);
    free(work);
}

bool durable_ring(struct durable *ret_durable, struct fault *fault)
{
    static const struct ring_settings settings = {
        .entries = DURABLE_FILES_MAX,
        .operations = {IORING_OP_WRITE, IORING_OP_FSYNC},
        .operation_count = 2,
        .entry_flags = IOSQE_IO_LINK,
    };
    struct ring *ring;
    struct under_way *work;

    if (!ring_new(&settings, &ring, fault))
        return false;
    work = xalloc(sizeof(*work));
    work->ring = ring;
    *ret_durable = (struct durable){.begin = work_begin,
                                    .finish = work_finish,
                                    .begin_files = work_begin_files,
                                    .free = work_free,
                                    .self = work,
                                    .ready = ring_fd(ring),
                                    .is_overlapped = true};
    return true;
}
