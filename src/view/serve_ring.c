#include "view/serve_ring.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/scope.h"
#include "os/file.h"
#include "os/ring.h"
#include "view/uring_format.h"

#define SWITCH "/sys/module/fuse/parameters/enable_uring"
#define PROCESSORS "/sys/devices/system/cpu/possible"
#define QUEUES_MAX 512
#define ENTRIES_MAX 64      /* altogether, where there are not more queues */
#define QUEUE_ENTRIES_MAX 4 /* one reads ahead while one waits, and another comes */
#define COPIED_BYTES_MAX (64U << 10)
/* In front of a payload: that header, arguments and payload are in a row. */
#define FRONT_BYTES 4096
#define BESIDE_ENTRIES 2 /* waiting for /dev/fuse, and for the other descriptor */

enum beside {
    BESIDE_DEVICE = -1,
    BESIDE_OTHER = -2,
};

struct entry {
    struct uring_headers *headers;
    uint8_t *payload;
    struct iovec vectors[URING_VECTORS];
    uint16_t queue;
};

struct serve_ring {
    struct ring *ring;
    unsigned queues, entry_count;
    struct entry *entries; /* NULL: not begun */
    uint8_t *room;         /* of all entries */
    size_t room_bytes, payload_bytes;
    uint8_t *copy; /* FRONT_BYTES, then a small payload */
    int fuse_fd;
    bool device_awaited, other_awaited;
    /* The request that is being handled. */
    struct entry *current;
    uint64_t unique, commit_id;
    bool answered;
};

/* "0-3" or "0,2-3": how many. 0: it cannot be told. */
static unsigned processors_of(struct slice text)
{
    unsigned count = 0;
    struct slice part;

    text = slice_trim(text);
    while (slice_cut(&text, ',', &part)) {
        AUTO_FREE char *range = slice_dup(part);
        char *end;
        unsigned long first = strtoul(range, &end, 10), last = first;

        if (end == range)
            return 0;
        if (*end == '-')
            last = strtoul(end + 1, &end, 10);
        if (*end != 0 || last < first || last - first >= QUEUES_MAX)
            return 0;
        count += (unsigned)(last - first + 1);
    }
    return count;
}

static bool read_setting(const char *path, struct buf *ret_text)
{
    struct fault fault = {0};

    return file_read(AT_FDCWD, path, ret_text, &fault);
}

bool serve_ring_new(struct serve_ring **ret_ring, struct fault *fault)
{
    struct ring_settings settings = {
        .flags = RING_OF_COMMANDS,
        .features = IORING_FEAT_EXT_ARG,
        .operations = {IORING_OP_URING_CMD, IORING_OP_POLL_ADD},
        .operation_count = 2,
    };
    AUTO_BUF struct buf enabled = buf_with_limit(64), processors = buf_with_limit(4096);
    struct serve_ring *ring;
    unsigned queues, each;

    if (!read_setting(SWITCH, &enabled))
        return fault_set(fault, FAULT_HOST, "the kernel has no FUSE over io_uring");
    if (!slice_starts_with(buf_slice(&enabled), SLICE("Y")))
        return fault_set(fault, FAULT_HOST, "fuse.enable_uring is off");
    queues = read_setting(PROCESSORS, &processors) ? processors_of(buf_slice(&processors)) : 0;
    if (queues == 0 || queues > QUEUES_MAX)
        return fault_set(fault, FAULT_HOST, "not for 1 to %d processors", QUEUES_MAX);
    each = ENTRIES_MAX / queues;
    each = each < 1 ? 1 : each > QUEUE_ENTRIES_MAX ? QUEUE_ENTRIES_MAX : each;
    settings.entries = queues * each + BESIDE_ENTRIES;
    ring = xalloc(sizeof(*ring));
    ring->queues = queues;
    ring->entry_count = queues * each;
    ring->fuse_fd = -1;
    if (!ring_new(&settings, &ring->ring, fault)) {
        serve_ring_free(ring);
        return false;
    }
    *ret_ring = ring;
    return true;
}

void serve_ring_free(struct serve_ring *ring)
{
    if (ring == NULL)
        return;
    ring_free(ring->ring); /* the kernel has its own hold on our memory until it is done */
    if (ring->room != NULL)
        (void)munmap(ring->room, ring->room_bytes);
    free(ring->copy);
    free(ring->entries);
    free(ring);
}

bool serve_ring_is_begun(const struct serve_ring *ring)
{
    return ring != NULL && ring->entries != NULL;
}

/* ---- entries ---- */

static bool add_command(struct serve_ring *ring, struct entry *entry,
                        enum uring_command command, uint64_t commit_id, struct fault *fault)
{
    struct io_uring_sqe *sqe = ring_add(ring->ring);
    struct uring_request request = {.commit_id = commit_id, .queue = entry->queue};

    if (sqe == NULL)
        return fault_set(fault, FAULT_IO, "the view's io_uring is full");
    sqe->opcode = IORING_OP_URING_CMD;
    sqe->fd = ring->fuse_fd;
    sqe->cmd_op = command;
    sqe->user_data = (uint64_t)(entry - ring->entries);
    if (command == URING_REGISTER) {
        sqe->addr = (uint64_t)(uintptr_t)entry->vectors;
        sqe->len = URING_VECTORS;
    }
    memcpy((uint8_t *)sqe + offsetof(struct io_uring_sqe, cmd), &request, sizeof(request));
    return true;
}

static bool await(struct serve_ring *ring, int fd, enum beside beside, bool *awaited,
                  struct fault *fault)
{
    struct io_uring_sqe *sqe;

    if (*awaited || fd < 0)
        return true;
    sqe = ring_add(ring->ring);
    if (sqe == NULL)
        return fault_set(fault, FAULT_IO, "the view's io_uring is full");
    sqe->opcode = IORING_OP_POLL_ADD;
    sqe->fd = fd;
    sqe->poll32_events = POLLIN;
    sqe->user_data = (__u64)beside;
    *awaited = true;
    return true;
}

/* Memory is taken when it is first written to. */
static bool make_room(struct serve_ring *ring, size_t max_payload_bytes, struct fault *fault)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t stride;

    if (max_payload_bytes < URING_MIN_PAYLOAD_BYTES)
        max_payload_bytes = URING_MIN_PAYLOAD_BYTES;
    ring->payload_bytes = max_payload_bytes;
    stride = FRONT_BYTES + (max_payload_bytes + page - 1) / page * page;
    ring->room_bytes = stride * ring->entry_count;
    ring->room = mmap(NULL, ring->room_bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (ring->room == MAP_FAILED) {
        ring->room = NULL;
        return fault_errno(fault, "make room for requests");
    }
    ring->copy = xalloc(FRONT_BYTES + COPIED_BYTES_MAX);
    ring->entries = xalloc_array(ring->entry_count, sizeof(*ring->entries));
    for (unsigned i = 0; i < ring->entry_count; i++) {
        struct entry *entry = &ring->entries[i];
        uint8_t *at = ring->room + i * stride;

        entry->headers = (struct uring_headers *)(void *)at;
        entry->payload = at + FRONT_BYTES;
        entry->vectors[0] = (struct iovec){entry->headers, sizeof(*entry->headers)};
        entry->vectors[1] = (struct iovec){entry->payload, max_payload_bytes};
        entry->queue = (uint16_t)(i % ring->queues);
    }
    return true;
}

bool serve_ring_begin(struct serve_ring *ring, int fuse_fd, size_t max_payload_bytes,
                      struct fault *fault)
{
    ring->fuse_fd = fuse_fd;
    if (!make_room(ring, max_payload_bytes, fault))
        return false;
    for (unsigned i = 0; i < ring->entry_count; i++)
        if (!add_command(ring, &ring->entries[i], URING_REGISTER, 0, fault))
            return false;
    return ring_enter(ring->ring, false, -1, fault) ||
           fault_in(fault, "use the mount by io_uring");
}

/* ---- requests ---- */

/*
 * Header, arguments and payload in a row. A small payload is copied, since its place is that of
 * the answer; a large one is of a WRITE, which has used it by then.
 */
static bool line_up(struct serve_ring *ring, struct entry *entry, uint8_t **ret_request,
                    size_t *ret_len, struct fault *fault)
{
    size_t payload = entry->headers->payload_bytes, arguments, front;
    struct fuse_in_header header;
    uint8_t *at;

    memcpy(&header, entry->headers->in_out, sizeof(header));
    front = header.len - payload; /* wraps where it cannot be */
    arguments = front - sizeof(header);
    if (payload > ring->payload_bytes || payload > header.len || front < sizeof(header) ||
        arguments > URING_HEADER_BYTES)
        return fault_set(fault, FAULT_IO, "a request through io_uring that cannot be");
    if (payload <= COPIED_BYTES_MAX) {
        at = ring->copy + FRONT_BYTES - front;
        memcpy(ring->copy + FRONT_BYTES, entry->payload, payload);
    } else {
        at = entry->payload - front;
    }
    memcpy(at, &header, sizeof(header));
    memcpy(at + sizeof(header), entry->headers->arguments, arguments);
    ring->unique = header.unique;
    *ret_request = at;
    *ret_len = header.len;
    return true;
}

/* What is answered is handed in by the next ring_enter; then the kernel may fill its place anew. */
static bool commit(struct serve_ring *ring, struct fault *fault)
{
    ring->answered = true;
    return add_command(ring, ring->current, URING_COMMIT_AND_FETCH, ring->commit_id, fault);
}

static bool answer_error(struct serve_ring *ring, int error, struct fault *fault)
{
    struct fuse_out_header out = {.len = sizeof(out), .error = -error, .unique = ring->unique};

    memcpy(ring->current->headers->in_out, &out, sizeof(out));
    ring->current->headers->payload_bytes = 0;
    return commit(ring, fault);
}

static bool handle(struct serve_ring *ring, struct entry *entry,
                   const struct serve_ring_calls *calls, struct fault *fault)
{
    uint8_t *request;
    size_t len;
    bool done;

    if (!line_up(ring, entry, &request, &len, fault))
        return false;
    ring->current = entry;
    ring->commit_id = entry->headers->commit_id;
    ring->answered = false;
    done = calls->request(calls->self, request, len, fault) &&
           (ring->answered || answer_error(ring, EIO, fault));
    ring->current = NULL;
    return done;
}

bool serve_ring_is_answer(const struct serve_ring *ring, uint64_t unique)
{
    return ring != NULL && ring->current != NULL && !ring->answered && ring->unique == unique;
}

ssize_t serve_ring_answer(struct serve_ring *ring, const struct iovec *parts, int count)
{
    struct fault fault = {0};
    size_t len = 0;

    for (int i = 1; i < count; i++) {
        if (parts[i].iov_len > ring->payload_bytes - len) {
            errno = EMSGSIZE;
            return -1;
        }
        memcpy(ring->current->payload + len, parts[i].iov_base, parts[i].iov_len);
        len += parts[i].iov_len;
    }
    memcpy(ring->current->headers->in_out, parts[0].iov_base, parts[0].iov_len);
    ring->current->headers->payload_bytes = (uint32_t)len;
    if (!commit(ring, &fault)) {
        errno = EIO;
        return -1;
    }
    return (ssize_t)(parts[0].iov_len + len);
}

bool serve_ring_flush(struct serve_ring *ring, struct fault *fault)
{
    return ring_enter(ring->ring, false, -1, fault);
}

/* ---- waiting ---- */

static bool complete(struct serve_ring *ring, const struct io_uring_cqe *completion,
                     const struct serve_ring_calls *calls, bool *ret_asked, bool *ret_other,
                     struct fault *fault)
{
    switch ((int64_t)completion->user_data) {
    case BESIDE_OTHER:
        ring->other_awaited = false;
        *ret_other = true;
        return true;
    case BESIDE_DEVICE:
        ring->device_awaited = false;
        *ret_asked = true;
        return calls->device(calls->self, fault);
    default:
        break;
    }
    *ret_asked = true;
    if (completion->res == -ENOTCONN || completion->res == -ECONNABORTED)
        return calls->device(calls->self, fault); /* it says that the mount is gone */
    if (completion->res < 0 || completion->user_data >= ring->entry_count) {
        errno = completion->res < 0 ? -completion->res : EPROTO;
        return fault_errno(fault, "take a file request through io_uring");
    }
    return handle(ring, &ring->entries[completion->user_data], calls, fault);
}

bool serve_ring_wait(struct serve_ring *ring, int other_fd, int timeout_ms,
                     const struct serve_ring_calls *calls, bool *ret_asked, bool *ret_other,
                     struct fault *fault)
{
    struct io_uring_cqe completion;

    *ret_asked = false;
    *ret_other = false;
    if (!await(ring, ring->fuse_fd, BESIDE_DEVICE, &ring->device_awaited, fault) ||
        !await(ring, other_fd, BESIDE_OTHER, &ring->other_awaited, fault) ||
        !ring_enter(ring->ring, true, timeout_ms < 0 ? -1 : (int64_t)timeout_ms * 1000, fault))
        return false;
    while (ring_take(ring->ring, &completion))
        if (!complete(ring, &completion, calls, ret_asked, ret_other, fault))
            return false;
    return !*ret_other || serve_ring_flush(ring, fault);
}
