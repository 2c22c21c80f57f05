#include "view/serve_init.h"

#include <errno.h>
#include <linux/fuse.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "view/serve_shape.h"
#include "view/serve_state.h"

static ssize_t receive(int fd, void *bytes, size_t size, void *userdata)
{
    struct serve_init *init = &((struct view *)userdata)->init;
    ssize_t got = read(fd, bytes, size);
    struct fuse_in_header header;
    struct fuse_init_in in;

    if (got <= 0)
        return got;
    if (!serve_shape_is_whole(slice_of_bytes(bytes, (size_t)got))) {
        errno = EPROTO; /* no kernel sends that: the mount ends */
        return -1;
    }
    memcpy(&header, bytes, sizeof(header));
    if (header.opcode == SERVE_OPCODE_TMPFILE) {
        header.opcode = FUSE_CREATE;
        memcpy(bytes, &header, sizeof(header));
    }
    if (header.opcode != FUSE_INIT || got < (ssize_t)(sizeof(header) + sizeof(in)))
        return got;
    memcpy(&in, (const uint8_t *)bytes + sizeof(header), sizeof(in));
    init->unique = header.unique;
    init->offered = (in.flags & FUSE_HANDLE_KILLPRIV_V2) != 0;
    return got;
}

static ssize_t answer(int fd, struct iovec *parts, int count, void *userdata)
{
    struct serve_init *init = &((struct view *)userdata)->init;
    struct fuse_out_header header;
    struct fuse_init_out out;

    if (init->unique == 0 || count != 2 || parts[0].iov_len != sizeof(header) ||
        parts[1].iov_len < sizeof(out))
        return writev(fd, parts, count);
    memcpy(&header, parts[0].iov_base, sizeof(header));
    if (header.unique == init->unique && header.error == 0) {
        struct iovec with[2] = {parts[0], {&out, sizeof(out)}};

        memcpy(&out, parts[1].iov_base, sizeof(out));
        if (init->offered)
            out.flags |= FUSE_HANDLE_KILLPRIV_V2;
        init->unique = 0;
        return writev(fd, with, 2);
    }
    return writev(fd, parts, count);
}

bool serve_init_attach(struct fuse_session *session, int fuse_fd)
{
    static const struct fuse_custom_io io = {.writev = answer, .read = receive};

    return fuse_session_custom_io(session, &io, fuse_fd) == 0;
}
