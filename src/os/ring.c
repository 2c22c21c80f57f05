/*
 * What we write of a shared counter is released, what we read of the kernel's is acquired.
 */
#include "os/ring.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/scope.h"

#define ALWAYS (IORING_FEAT_SINGLE_MMAP | IORING_FEAT_NODROP) /* Linux 5.5 */

struct ring {
    int fd;
    uint8_t *shared; /* both rings */
    size_t shared_bytes;
    uint8_t *entries;
    size_t entries_bytes, entry_bytes;
    struct io_sqring_offsets sq;
    struct io_cqring_offsets cq;
    uint32_t tail;  /* ours, of what was added */
    uint32_t added; /* since the kernel took the last ones */
};

static uint32_t *counter(const struct ring *ring, uint32_t offset)
{
    return (uint32_t *)(void *)(ring->shared + offset);
}

int ring_fd(const struct ring *ring)
{
    return ring->fd;
}

struct io_uring_sqe *ring_add(struct ring *ring)
{
    uint32_t mask = *counter(ring, ring->sq.ring_mask), at = ring->tail & mask;
    struct io_uring_sqe *entry;

    if (ring->added > mask)
        return NULL;
    entry = (struct io_uring_sqe *)(void *)(ring->entries + at * ring->entry_bytes);
    memset(entry, 0, ring->entry_bytes);
    counter(ring, ring->sq.array)[at] = at;
    ring->tail++;
    ring->added++;
    return entry;
}

static long enter(struct ring *ring, bool wait, int64_t timeout_us)
{
    struct timespec time = {.tv_sec = timeout_us / 1000000,
                            .tv_nsec = timeout_us % 1000000 * 1000};
    struct io_uring_getevents_arg argument = {.sigmask_sz = _NSIG / 8,
                                              .ts = (uint64_t)(uintptr_t)&time};
    unsigned flags = wait ? IORING_ENTER_GETEVENTS : 0;

    if (wait && timeout_us >= 0)
        return syscall(SYS_io_uring_enter, ring->fd, ring->added, 1,
                       flags | IORING_ENTER_EXT_ARG, &argument, sizeof(argument));
    return syscall(SYS_io_uring_enter, ring->fd, ring->added, wait, flags, NULL, 0);
}

static bool is_complete(const struct ring *ring)
{
    return *counter(ring, ring->cq.head) !=
           __atomic_load_n(counter(ring, ring->cq.tail), __ATOMIC_ACQUIRE);
}

bool ring_enter(struct ring *ring, bool wait, int64_t timeout_us, struct fault *fault)
{
    __atomic_store_n(counter(ring, ring->sq.tail), ring->tail, __ATOMIC_RELEASE);
    for (;;) {
        long got = enter(ring, wait, timeout_us);

        if (got < 0 && errno == ETIME && ring->added == 0)
            return true;
        if (got < 0 && errno != EINTR && errno != ETIME)
            return fault_errno(fault, "ask the kernel through io_uring");
        ring->added -= got > 0 ? (uint32_t)got : 0;
        if (ring->added == 0 && (!wait || is_complete(ring)))
            return true;
    }
}

bool ring_take(struct ring *ring, struct io_uring_cqe *ret_completion)
{
    uint32_t head = *counter(ring, ring->cq.head);
    const struct io_uring_cqe *all =
        (const struct io_uring_cqe *)(const void *)(ring->shared + ring->cq.cqes);

    if (head == __atomic_load_n(counter(ring, ring->cq.tail), __ATOMIC_ACQUIRE))
        return false;
    *ret_completion = all[head & *counter(ring, ring->cq.ring_mask)];
    __atomic_store_n(counter(ring, ring->cq.head), head + 1, __ATOMIC_RELEASE);
    return true;
}

void ring_free(struct ring *ring)
{
    if (ring == NULL)
        return;
    if (ring->entries != NULL)
        (void)munmap(ring->entries, ring->entries_bytes);
    if (ring->shared != NULL)
        (void)munmap(ring->shared, ring->shared_bytes);
    scope_close(&ring->fd);
    free(ring);
}

static void *map(int fd, size_t bytes, off_t offset)
{
    void *at =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, offset);

    return at == MAP_FAILED ? NULL : at;
}

static bool bind_to(int fd, const struct ring_settings *settings)
{
    struct io_uring_restriction allowed[RING_OPERATIONS_MAX + 2] = {
        {.opcode = IORING_RESTRICTION_REGISTER_OP,
         .register_op = IORING_REGISTER_ENABLE_RINGS},
        {.opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED, .sqe_flags = settings->entry_flags},
    };

    for (size_t i = 0; i < settings->operation_count; i++)
        allowed[i + 2] = (struct io_uring_restriction){.opcode = IORING_RESTRICTION_SQE_OP,
                                                       .sqe_op = settings->operations[i]};
    return syscall(SYS_io_uring_register, fd, IORING_REGISTER_RESTRICTIONS, allowed,
                   settings->operation_count + 2) == 0 &&
           syscall(SYS_io_uring_register, fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0) == 0;
}

static bool set_up(struct ring *ring, const struct ring_settings *settings)
{
    struct io_uring_params params = {.flags = settings->flags | IORING_SETUP_R_DISABLED};
    uint32_t features = settings->features | ALWAYS;
    size_t requests, completions;

    ring->fd = (int)syscall(SYS_io_uring_setup, settings->entries, &params);
    if (ring->fd < 0 || (params.features & features) != features)
        return false;
    (void)fcntl(ring->fd, F_SETFD, FD_CLOEXEC);
    requests = params.sq_off.array + params.sq_entries * sizeof(uint32_t);
    completions = params.cq_off.cqes + params.cq_entries * sizeof(struct io_uring_cqe);
    ring->sq = params.sq_off;
    ring->cq = params.cq_off;
    ring->entry_bytes = (settings->flags & IORING_SETUP_SQE128) != 0
                            ? RING_LARGE_BYTES
                            : sizeof(struct io_uring_sqe);
    ring->shared_bytes = requests > completions ? requests : completions;
    ring->entries_bytes = params.sq_entries * ring->entry_bytes;
    ring->shared = map(ring->fd, ring->shared_bytes, IORING_OFF_SQ_RING);
    ring->entries = map(ring->fd, ring->entries_bytes, IORING_OFF_SQES);
    return ring->shared != NULL && ring->entries != NULL && bind_to(ring->fd, settings);
}

bool ring_new(const struct ring_settings *settings, struct ring **ret_ring,
              struct fault *fault)
{
    struct ring *ring = xalloc(sizeof(*ring));

    if (settings->operation_count > RING_OPERATIONS_MAX || !set_up(ring, settings)) {
        ring_free(ring);
        return fault_set(fault, FAULT_HOST, "io_uring is not to be had here");
    }
    *ret_ring = ring;
    return true;
}
