#include "view/serve_init.h"

#include <errno.h>
#include <linux/fuse.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "view/serve_shape.h"
#include "view/serve_state.h"
#include "view/uring_format.h"

#define PAGES_DEFAULT 32 /* FUSE_DEFAULT_MAX_PAGES_PER_REQ */

static void take_init(struct view *view, uint64_t unique, struct slice arguments)
{
    struct serve_init *init = &view->init;
    struct fuse_init_in in;

    if (arguments.len < sizeof(in))
        return;
    memcpy(&in, arguments.at, sizeof(in));
    init->unique = unique;
    init->offered = (in.flags & FUSE_HANDLE_KILLPRIV_V2) != 0;
    init->ring_offered = view->ring != NULL && (in.flags & FUSE_INIT_EXT) != 0 &&
                         (in.flags2 & URING_INIT_FLAG2) != 0;
}

bool serve_init_take(struct view *view, uint8_t *bytes, size_t len)
{
    struct fuse_in_header header;

    if (!serve_shape_is_whole(slice_of_bytes(bytes, len)))
        return false;
    memcpy(&header, bytes, sizeof(header));
    if (header.opcode == SERVE_OPCODE_TMPFILE) {
        header.opcode = FUSE_CREATE;
        memcpy(bytes, &header, sizeof(header));
    }
    if (header.opcode == FUSE_INIT)
        take_init(view, header.unique,
                  slice_of_bytes(bytes + sizeof(header), len - sizeof(header)));
    return true;
}

static ssize_t receive(int fd, void *bytes, size_t size, void *userdata)
{
    ssize_t got = read(fd, bytes, size);

    if (got > 0 && !serve_init_take(userdata, bytes, (size_t)got)) {
        errno = EPROTO; /* no kernel sends that */
        return -1;
    }
    return got;
}

/* What the kernel takes for the most that a request or an answer may have. */
static size_t payload_of(const struct fuse_init_out *out)
{
    size_t pages = (out->flags & FUSE_MAX_PAGES) != 0 ? out->max_pages : PAGES_DEFAULT;
    size_t bytes = pages * (size_t)sysconf(_SC_PAGESIZE);

    return bytes > out->max_write ? bytes : out->max_write;
}

static ssize_t answer_init(struct view *view, int fd, const struct iovec parts[2])
{
    struct serve_init *init = &view->init;
    struct fuse_init_out out;
    struct iovec with[2] = {parts[0], {&out, sizeof(out)}};
    ssize_t sent;

    memcpy(&out, parts[1].iov_base, sizeof(out));
    if (init->offered)
        out.flags |= FUSE_HANDLE_KILLPRIV_V2;
    if (init->ring_offered) {
        out.flags |= FUSE_INIT_EXT;
        out.flags2 |= URING_INIT_FLAG2;
    }
    init->unique = 0;
    sent = writev(fd, with, 2);
    if (sent >= 0 && init->ring_offered)
        init->failed = !serve_ring_begin(view->ring, fd, payload_of(&out), &init->fault);
    return sent;
}

static ssize_t answer(int fd, struct iovec *parts, int count, void *userdata)
{
    struct view *view = userdata;
    struct fuse_out_header header;
    struct fault fault = {0};

    memcpy(&header, parts[0].iov_base, sizeof(header));
    if (serve_ring_is_answer(view->ring, header.unique))
        return serve_ring_answer(view->ring, parts, count);
    /* the kernel is told something: first whoever has an answer has it */
    if (header.unique == 0 && serve_ring_is_begun(view->ring) &&
        !serve_ring_flush(view->ring, &fault)) {
        errno = EIO;
        return -1;
    }
    if (view->init.unique != 0 && view->init.unique == header.unique && header.error == 0 &&
        count == 2 && parts[1].iov_len >= sizeof(struct fuse_init_out))
        return answer_init(view, fd, parts);
    return writev(fd, parts, count);
}

bool serve_init_attach(struct fuse_session *session, int fuse_fd)
{
    static const struct fuse_custom_io io = {.writev = answer, .read = receive};

    return fuse_session_custom_io(session, &io, fuse_fd) == 0;
}
