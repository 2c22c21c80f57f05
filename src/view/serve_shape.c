#include "view/serve_shape.h"

#include <linux/fuse.h>
#include <string.h>

#define SETXATTR_BYTES 8 /* FUSE_COMPAT_SETXATTR_IN_SIZE: the longer one is not asked for */
#define INIT_BYTES 16    /* until 7.36 */

static const struct serve_shape shapes[] = {
    [FUSE_LOOKUP] = {.is_known = true, .names = 1, .entries = 1},
    [FUSE_FORGET] = {.is_known = true, .fixed = sizeof(struct fuse_forget_in)},
    [FUSE_GETATTR] = {.is_known = true, .fixed = sizeof(struct fuse_getattr_in)},
    [FUSE_SETATTR] = {.is_known = true, .fixed = sizeof(struct fuse_setattr_in)},
    [FUSE_READLINK] = {.is_known = true},
    [FUSE_SYMLINK] = {.is_known = true, .names = 2, .entries = 1},
    [FUSE_MKNOD] = {.is_known = true,
                    .fixed = sizeof(struct fuse_mknod_in),
                    .names = 1,
                    .entries = 1},
    [FUSE_MKDIR] = {.is_known = true,
                    .fixed = sizeof(struct fuse_mkdir_in),
                    .names = 1,
                    .entries = 1},
    [FUSE_UNLINK] = {.is_known = true, .names = 1, .entries = 1},
    [FUSE_RMDIR] = {.is_known = true, .names = 1, .entries = 1},
    [FUSE_RENAME] = {.is_known = true,
                     .fixed = sizeof(struct fuse_rename_in),
                     .names = 2,
                     .entries = 2},
    [FUSE_LINK] = {.is_known = true,
                   .fixed = sizeof(struct fuse_link_in),
                   .names = 1,
                   .entries = 1},
    [FUSE_OPEN] = {.is_known = true, .fixed = sizeof(struct fuse_open_in)},
    [FUSE_READ] = {.is_known = true, .fixed = sizeof(struct fuse_read_in)},
    [FUSE_WRITE] = {.is_known = true,
                    .fixed = sizeof(struct fuse_write_in),
                    .data_each = 1,
                    .count_at = offsetof(struct fuse_write_in, size)},
    [FUSE_STATFS] = {.is_known = true},
    [FUSE_RELEASE] = {.is_known = true, .fixed = sizeof(struct fuse_release_in)},
    [FUSE_FSYNC] = {.is_known = true, .fixed = sizeof(struct fuse_fsync_in)},
    [FUSE_SETXATTR] = {.is_known = true,
                       .fixed = SETXATTR_BYTES,
                       .names = 1,
                       .data_each = 1,
                       .count_at = offsetof(struct fuse_setxattr_in, size)},
    [FUSE_GETXATTR] = {.is_known = true, .fixed = sizeof(struct fuse_getxattr_in), .names = 1},
    [FUSE_LISTXATTR] = {.is_known = true, .fixed = sizeof(struct fuse_getxattr_in)},
    [FUSE_REMOVEXATTR] = {.is_known = true, .names = 1},
    [FUSE_FLUSH] = {.is_known = true, .fixed = sizeof(struct fuse_flush_in)},
    [FUSE_INIT] = {.is_known = true, .fixed = INIT_BYTES},
    [FUSE_OPENDIR] = {.is_known = true, .fixed = sizeof(struct fuse_open_in)},
    [FUSE_READDIR] = {.is_known = true, .fixed = sizeof(struct fuse_read_in)},
    [FUSE_RELEASEDIR] = {.is_known = true, .fixed = sizeof(struct fuse_release_in)},
    [FUSE_FSYNCDIR] = {.is_known = true, .fixed = sizeof(struct fuse_fsync_in)},
    [FUSE_GETLK] = {.is_known = true, .fixed = sizeof(struct fuse_lk_in)},
    [FUSE_SETLK] = {.is_known = true, .fixed = sizeof(struct fuse_lk_in)},
    [FUSE_SETLKW] = {.is_known = true, .fixed = sizeof(struct fuse_lk_in)},
    [FUSE_ACCESS] = {.is_known = true, .fixed = sizeof(struct fuse_access_in)},
    [FUSE_CREATE] = {.is_known = true,
                     .fixed = sizeof(struct fuse_create_in),
                     .names = 1,
                     .entries = 1},
    [FUSE_INTERRUPT] = {.is_known = true, .fixed = sizeof(struct fuse_interrupt_in)},
    [FUSE_BMAP] = {.is_known = true, .fixed = sizeof(struct fuse_bmap_in)},
    [FUSE_DESTROY] = {.is_known = true},
    [FUSE_IOCTL] = {.is_known = true,
                    .fixed = sizeof(struct fuse_ioctl_in),
                    .data_each = 1,
                    .count_at = offsetof(struct fuse_ioctl_in, in_size)},
    [FUSE_POLL] = {.is_known = true, .fixed = sizeof(struct fuse_poll_in)},
    [FUSE_BATCH_FORGET] = {.is_known = true,
                           .fixed = sizeof(struct fuse_batch_forget_in),
                           .data_each = sizeof(struct fuse_forget_one),
                           .count_at = offsetof(struct fuse_batch_forget_in, count)},
    [FUSE_FALLOCATE] = {.is_known = true, .fixed = sizeof(struct fuse_fallocate_in)},
    [FUSE_READDIRPLUS] = {.is_known = true, .fixed = sizeof(struct fuse_read_in)},
    [FUSE_RENAME2] = {.is_known = true,
                      .fixed = sizeof(struct fuse_rename2_in),
                      .names = 2,
                      .entries = 2},
    [FUSE_LSEEK] = {.is_known = true, .fixed = sizeof(struct fuse_lseek_in)},
    [FUSE_COPY_FILE_RANGE] = {.is_known = true,
                              .fixed = sizeof(struct fuse_copy_file_range_in)},
    [SERVE_OPCODE_TMPFILE] = {.is_known = true,
                              .fixed = sizeof(struct fuse_create_in),
                              .names = 1},
};

const struct serve_shape *serve_shape_of(uint32_t opcode)
{
    return opcode < COUNT(shapes) && shapes[opcode].is_known ? &shapes[opcode] : NULL;
}

/* The flags say that there is more of it. */
static bool is_init_whole(struct slice arguments)
{
    struct fuse_init_in in = {0};

    memcpy(&in, arguments.at, INIT_BYTES);
    return (in.flags & FUSE_INIT_EXT) == 0 || arguments.len >= sizeof(in);
}

static bool have_names(struct slice *rest, const struct serve_shape *shape)
{
    for (unsigned i = 0; i < shape->names; i++) {
        size_t end = slice_find_byte(*rest, 0, 0);

        if (end == SIZE_MAX || (i < shape->entries && memchr(rest->at, '/', end) != NULL))
            return false;
        *rest = slice_part(*rest, end + 1, rest->len);
    }
    return true;
}

bool serve_shape_is_whole(struct slice request)
{
    const struct serve_shape *shape;
    struct fuse_in_header header;
    struct slice arguments, rest;
    uint32_t count = 0;

    if (request.len < sizeof(header))
        return false;
    memcpy(&header, request.at, sizeof(header));
    if (header.len != request.len)
        return false;
    shape = serve_shape_of(header.opcode);
    if (shape == NULL) /* an answer to what is never asked: the library would keep it for ever */
        return header.opcode != FUSE_NOTIFY_REPLY;
    arguments = slice_part(request, sizeof(header), request.len);
    if (arguments.len < shape->fixed ||
        (header.opcode == FUSE_INIT && !is_init_whole(arguments)))
        return false;
    rest = slice_part(arguments, shape->fixed, arguments.len);
    if (!have_names(&rest, shape))
        return false;
    if (shape->data_each == 0)
        return true;
    memcpy(&count, arguments.at + shape->count_at, sizeof(count));
    return count <= rest.len / shape->data_each;
}
