/*
 * io_uring by its system calls: 64 entries, no library. The kernel's own workers write and
 * sync. See io_uring(7) for the rings: what we write of a shared counter is released, what we
 * read of the kernel's is acquired.
 */
#include "os/durable.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/scope.h"
#include "os/file.h"

#define WRITE_TAG 1

struct ring {
    int fd;
    uint8_t *shared; /* both rings */
    size_t shared_bytes;
    struct io_uring_sqe *entries;
    size_t entries_bytes;
    struct io_sqring_offsets sq;
    struct io_cqring_offsets cq;
    /* What is under way. */
    unsigned waiting; /* completions that are not here yet */
    int file;
    struct slice bytes;
    uint64_t offset;
    bool is_write;   /* else files are synced */
    int32_t written; /* result of the write */
    int failed;      /* errno of a sync */
};

static uint32_t *counter(const struct ring *ring, uint32_t offset)
{
    return (uint32_t *)(void *)(ring->shared + offset);
}

/* Room there is always: never more than DURABLE_FILES_MAX are under way. */
static void add(struct ring *ring, const struct io_uring_sqe *entry)
{
    uint32_t tail = *counter(ring, ring->sq.tail);
    uint32_t at = tail & *counter(ring, ring->sq.ring_mask);

    ring->entries[at] = *entry;
    counter(ring, ring->sq.array)[at] = at;
    __atomic_store_n(counter(ring, ring->sq.tail), tail + 1, __ATOMIC_RELEASE);
    ring->waiting++;
}

static bool enter(struct ring *ring, unsigned submit, unsigned wait_for, struct fault *fault)
{
    for (;;) {
        long got = syscall(SYS_io_uring_enter, ring->fd, submit, wait_for,
                           wait_for > 0 ? IORING_ENTER_GETEVENTS : 0, NULL, 0);

        if (got >= 0 && (unsigned)got >= submit)
            return true;
        if (got < 0 && errno != EINTR)
            return fault_errno(fault, "ask the kernel to write");
        if (got > 0)
            submit -= (unsigned)got;
    }
}

/* The next completion, if there is one. */
static bool take(struct ring *ring, struct io_uring_cqe *ret_completion)
{
    uint32_t head = *counter(ring, ring->cq.head);
    const struct io_uring_cqe *all =
        (const struct io_uring_cqe *)(const void *)(ring->shared + ring->cq.cqes);

    if (head == __atomic_load_n(counter(ring, ring->cq.tail), __ATOMIC_ACQUIRE))
        return false;
    *ret_completion = all[head & *counter(ring, ring->cq.ring_mask)];
    __atomic_store_n(counter(ring, ring->cq.head), head + 1, __ATOMIC_RELEASE);
    ring->waiting--;
    return true;
}

static bool ring_begin(void *self, int fd, struct slice bytes, uint64_t offset,
                       struct fault *fault)
{
    struct ring *ring = self;
    struct io_uring_sqe write = {.opcode = IORING_OP_WRITE,
                                 .flags = IOSQE_IO_LINK,
                                 .fd = fd,
                                 .addr = (uint64_t)(uintptr_t)bytes.at,
                                 .len = (uint32_t)bytes.len,
                                 .off = offset,
                                 .user_data = WRITE_TAG};
    struct io_uring_sqe sync = {
        .opcode = IORING_OP_FSYNC, .fd = fd, .fsync_flags = IORING_FSYNC_DATASYNC};

    ring->is_write = true;
    ring->failed = 0;
    ring->file = fd;
    ring->bytes = bytes;
    ring->offset = offset;
    add(ring, &write);
    add(ring, &sync);
    return enter(ring, 2, 0, fault);
}

static bool ring_begin_files(void *self, const int *fds, size_t count, struct fault *fault)
{
    struct ring *ring = self;

    ring->is_write = false;
    ring->failed = 0;
    for (size_t i = 0; i < count; i++)
        add(ring, &(struct io_uring_sqe){.opcode = IORING_OP_FSYNC, .fd = fds[i]});
    return enter(ring, (unsigned)count, 0, fault);
}

/* Fewer bytes than asked for end the link: then the rest is written here, and synced here. */
static bool finish_short(struct ring *ring, struct fault *fault)
{
    size_t written = ring->written > 0 ? (size_t)ring->written : 0;

    return file_write_at(ring->file, slice_part(ring->bytes, written, ring->bytes.len),
                         ring->offset + written, fault) &&
           (fdatasync(ring->file) == 0 || fault_errno(fault, "sync"));
}

static bool judge(struct ring *ring, struct fault *fault)
{
    if (ring->is_write && (ring->written == -EINTR || ring->written == -EAGAIN ||
                           (ring->written >= 0 && (size_t)ring->written < ring->bytes.len)))
        return finish_short(ring, fault);
    errno = ring->is_write && ring->written < 0 ? -ring->written : ring->failed;
    return errno == 0 || fault_errno(fault, "write or sync");
}

static bool ring_finish(void *self, bool wait, bool *ret_done, struct fault *fault)
{
    struct ring *ring = self;
    struct io_uring_cqe completion;

    while (ring->waiting > 0) {
        if (!take(ring, &completion)) {
            *ret_done = false;
            if (!wait)
                return true;
            if (!enter(ring, 0, 1, fault))
                return false;
        } else if (completion.user_data == WRITE_TAG) {
            ring->written = completion.res;
        } else if (completion.res < 0) {
            ring->failed = -completion.res;
        }
    }
    *ret_done = true;
    return judge(ring, fault);
}

static void ring_free(void *self)
{
    struct ring *ring = self;

    if (ring->entries != NULL)
        (void)munmap(ring->entries, ring->entries_bytes);
    if (ring->shared != NULL)
        (void)munmap(ring->shared, ring->shared_bytes);
    scope_close(
        &ring->fd); /* the kernel ends what is under way before it lets go of our bytes */
    free(ring);
}

static void *map(int fd, size_t bytes, off_t offset)
{
    void *at =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, offset);

    return at == MAP_FAILED ? NULL : at;
}

/*
 * io_uring does what it is asked behind a filter of system calls: so this ring can do nothing
 * but write and sync (Linux 5.10).
 */
static bool restrict_to_writing(int fd)
{
    struct io_uring_restriction allowed[] = {
        {.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_WRITE},
        {.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_FSYNC},
        {.opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED, .sqe_flags = IOSQE_IO_LINK},
        {.opcode = IORING_RESTRICTION_REGISTER_OP,
         .register_op = IORING_REGISTER_ENABLE_RINGS},
    };

    return syscall(SYS_io_uring_register, fd, IORING_REGISTER_RESTRICTIONS, allowed,
                   COUNT(allowed)) == 0 &&
           syscall(SYS_io_uring_register, fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0) == 0;
}

bool durable_ring(struct durable *ret_durable, struct fault *fault)
{
    struct io_uring_params params = {.flags = IORING_SETUP_R_DISABLED};
    struct ring *ring = xalloc(sizeof(*ring));
    size_t requests, completions;

    ring->fd = (int)syscall(SYS_io_uring_setup, DURABLE_FILES_MAX, &params);
    if (ring->fd >= 0 && (params.features & IORING_FEAT_SINGLE_MMAP) != 0) {
        requests = params.sq_off.array + params.sq_entries * sizeof(uint32_t);
        completions = params.cq_off.cqes + params.cq_entries * sizeof(struct io_uring_cqe);
        ring->sq = params.sq_off;
        ring->cq = params.cq_off;
        ring->shared_bytes = requests > completions ? requests : completions;
        ring->entries_bytes = params.sq_entries * sizeof(struct io_uring_sqe);
        ring->shared = map(ring->fd, ring->shared_bytes, IORING_OFF_SQ_RING);
        ring->entries = map(ring->fd, ring->entries_bytes, IORING_OFF_SQES);
    }
    /* One mapping for both rings, and results that never get lost: Linux 5.5. */
    if (ring->shared == NULL || ring->entries == NULL ||
        (params.features & IORING_FEAT_NODROP) == 0 || !restrict_to_writing(ring->fd)) {
        ring_free(ring);
        return fault_set(fault, FAULT_HOST, "io_uring is not to be had here");
    }
    (void)fcntl(ring->fd, F_SETFD, FD_CLOEXEC);
    *ret_durable = (struct durable){.begin = ring_begin,
                                    .finish = ring_finish,
                                    .begin_files = ring_begin_files,
                                    .free = ring_free,
                                    .self = ring,
                                    .ready = ring->fd,
                                    .is_overlapped = true};
    return true;
}
