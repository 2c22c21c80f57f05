#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/scope.h"
#include "view/snapshot_format.h"
#include "view/tree_node.h"

#define LINK_TARGET_BYTES_MAX 4095
#define COPY_BYTES (256U << 10)

static void upper_name(uint32_t number, char ret_name[16])
{
    (void)snprintf(ret_name, 16, "%u", number);
}

void tree_close_upper(struct tree *tree, uint32_t number)
{
    size_t at = number % TREE_OPEN_FILES;

    if (tree->open[at].number == number) {
        (void)close(tree->open[at].fd);
        tree->open[at].number = TREE_NONE;
        tree->open[at].fd = -1;
    }
}

/* A descriptor of upper/N, kept for the next call. */
static int open_upper(struct tree *tree, uint32_t number, int *ret_fd)
{
    size_t at = number % TREE_OPEN_FILES;
    char name[16];
    int fd = -1;

    if (tree->open[at].number == number) {
        *ret_fd = tree->open[at].fd;
        return 0;
    }
    upper_name(number, name);
    fd =
        openat(tree->settings.upper_fd, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return errno;
    if (tree->open[at].fd >= 0)
        (void)close(tree->open[at].fd);
    tree->open[at].number = number;
    tree->open[at].fd = fd;
    *ret_fd = fd;
    return 0;
}

static int read_file(int fd, uint64_t at, size_t size, uint8_t *room, struct slice *ret_bytes)
{
    size_t done = 0;

    while (done < size) {
        ssize_t got = pread(fd, room + done, size - done, (off_t)(at + done));

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return errno;
        if (got == 0)
            break;
        done += (size_t)got;
    }
    *ret_bytes = slice_of_bytes(room, done);
    return 0;
}

static int write_file(int fd, struct slice bytes, uint64_t at)
{
    while (bytes.len > 0) {
        ssize_t put = pwrite(fd, bytes.at, bytes.len, (off_t)at);

        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return put == 0 ? EIO : errno;
        at += (uint64_t)put;
        bytes = slice_part(bytes, (size_t)put, bytes.len);
    }
    return 0;
}

int tree_read_base(struct tree *tree, uint32_t base, uint64_t at, size_t size, uint8_t *room,
                   struct slice *ret_bytes)
{
    const struct snapshot_node *node = snapshot_node(tree->settings.snapshot, base);
    struct slice redacted;
    int error;

    switch ((enum verdict)node->verdict) {
    case VERDICT_ALLOW:
        if (at >= node->size)
            size = 0;
        else if (size > node->size - at)
            size = (size_t)(node->size - at);
        error =
            read_file(tree->settings.content_fd, node->content_at + at, size, room, ret_bytes);
        return error != 0               ? error
               : ret_bytes->len == size ? 0
                                        : EIO; /* never short in the middle */
    case VERDICT_REDACT:
        if (!redacted_find(tree->settings.redacted, base, &redacted))
            return EIO;
        if (at > redacted.len)
            at = redacted.len;
        if (size > redacted.len - at)
            size = (size_t)(redacted.len - at);
        *ret_bytes = slice_of_bytes(redacted.at == NULL ? room : redacted.at + at, size);
        return 0;
    case VERDICT_DENY:
    case VERDICT_COUNT:
        break;
    }
    return EACCES;
}

int tree_read(struct tree *tree, uint32_t number, uint64_t at, size_t size, uint8_t *room,
              struct slice *ret_bytes)
{
    const struct node *node = tree_touched(tree, number);
    struct slice memory;
    int fd, error;

    if (tree_is_folder(tree, number))
        return EISDIR;
    if (node == NULL)
        return tree_read_base(tree, number, at, size, room, ret_bytes);
    if (node->verdict == VERDICT_DENY)
        return EACCES;
    switch (node->content) {
    case CONTENT_BASE:
        return tree_read_base(tree, node->base, at, size, room, ret_bytes);
    case CONTENT_MEMORY:
        memory = slice_part(node->memory, (size_t)at, (size_t)at + size);
        *ret_bytes = memory.len == 0 ? slice_of_bytes(room, 0) : memory;
        return 0;
    case CONTENT_SMALL:
        memory = at >= node->size ? (struct slice){0}
                                  : slice_part(slice_of_bytes(node->small, node->size),
                                               (size_t)at, (size_t)at + size);
        *ret_bytes = memory.len == 0 ? slice_of_bytes(room, 0) : memory;
        return 0;
    case CONTENT_UPPER:
        error = open_upper(tree, number, &fd);
        return error != 0 ? error : read_file(fd, at, size, room, ret_bytes);
    case CONTENT_NONE:
        break;
    }
    return EINVAL;
}

void tree_set_blocks(struct tree *tree, struct node *node, uint64_t blocks)
{
    tree->blocks += blocks - node->blocks;
    if (node->is_nameless)
        tree->nameless_blocks += blocks - node->blocks;
    node->blocks = blocks;
}

/*
 * What the file takes of the disk, as the file system counts it. Its times are not asked for:
 * a kernel with fine-grained times would stamp the next write to any file anew.
 */
static int account(struct tree *tree, struct node *node, int fd)
{
    struct statx stat;

    if (statx(fd, "", AT_EMPTY_PATH, STATX_SIZE | STATX_BLOCKS, &stat) < 0)
        return errno;
    tree_set_blocks(tree, node, stat.stx_blocks);
    node->size = stat.stx_size;
    return 0;
}

/*
 * The kernel forgets a removed file some calls later: `rm big; echo x > small` must find room.
 * So removed files have as much again for themselves, and cannot take more by being held open.
 */
bool tree_has_room(const struct tree *tree, uint64_t bytes)
{
    uint64_t max = tree->settings.upper_bytes_max;
    uint64_t nameless = tree->nameless_blocks * 512;
    uint64_t named = tree->blocks * 512 - nameless;

    return bytes <= max && named <= max - bytes && nameless <= max;
}

static int copy_base(struct tree *tree, uint32_t base, uint64_t keep, int fd)
{
    AUTO_FREE uint8_t *room = xalloc(COPY_BYTES);

    for (uint64_t at = 0; at < keep;) {
        size_t want = keep - at < COPY_BYTES ? (size_t)(keep - at) : COPY_BYTES;
        struct slice bytes;
        int error = tree_read_base(tree, base, at, want, room, &bytes);

        if (error != 0)
            return error;
        if (bytes.len == 0)
            break;
        error = write_file(fd, bytes, at);
        if (error != 0)
            return error;
        at += bytes.len;
    }
    return 0;
}

/* ---- content of the node's own ---- */

/* A small file goes to upper/N. */
static int spill(struct tree *tree, uint32_t number)
{
    struct node *node = tree_touched(tree, number);
    int fd, error = open_upper(tree, number, &fd);

    if (error == 0 && ftruncate(fd, 0) < 0)
        error = errno;
    if (error == 0)
        error = write_file(fd, slice_of_bytes(node->small, (size_t)node->size), 0);
    if (error != 0)
        return error;
    tree_small_free(tree, node);
    node->content = CONTENT_UPPER;
    return account(tree, node, fd);
}

static int base_to_upper(struct tree *tree, uint32_t number, uint64_t keep)
{
    struct node *node = tree_touched(tree, number);
    int fd, error = open_upper(tree, number, &fd);

    if (error == 0 && ftruncate(fd, 0) < 0)
        error = errno;
    if (error == 0)
        error = copy_base(tree, node->base, keep, fd);
    if (error != 0) {
        tree_close_upper(tree,
                         number); /* the node keeps what it had; the next try starts anew */
        return error;
    }
    node->content = CONTENT_UPPER;
    node->blocks = 0; /* until now they were the repository's */
    return account(tree, node, fd);
}

static int base_to_small(struct tree *tree, uint32_t number, size_t keep)
{
    struct node *node = tree_touched(tree, number);
    AUTO_FREE uint8_t *room = xalloc(keep + 1);
    struct slice bytes = {0};
    int error = keep == 0 ? 0 : tree_read_base(tree, node->base, 0, keep, room, &bytes);

    if (error != 0)
        return error;
    node->content = CONTENT_SMALL;
    node->blocks = 0; /* until now they were the repository's */
    node->size = 0;
    tree_small_resize(tree, node, bytes.len);
    if (bytes.len > 0)
        memcpy(node->small, bytes.at, bytes.len);
    return 0;
}

/*
 * Gives the node content of its own, of the first `keep` bytes of what it had, where `end`
 * bytes find room. ret_fd: upper/N, or -1: it is in memory.
 */
static int make_own(struct tree *tree, uint32_t number, uint64_t keep, uint64_t end,
                    int *ret_fd)
{
    struct node *node = tree_touch(tree, number);
    int error = 0;

    if (S_ISDIR(node->mode))
        return EISDIR;
    if (!S_ISREG(node->mode) || node->content == CONTENT_MEMORY ||
        node->content == CONTENT_NONE || node->verdict == VERDICT_DENY)
        return EACCES;
    tree_set_blob_told(tree, number, NULL);
    if (keep > node->size)
        keep = node->size;
    if (end < keep)
        end = keep;
    if (node->content == CONTENT_BASE) {
        if (!tree_has_room(tree, keep))
            return ENOSPC;
        error = tree_small_fits(tree, node, end) ? base_to_small(tree, number, (size_t)keep)
                                                 : base_to_upper(tree, number, keep);
    } else if (node->content == CONTENT_SMALL && !tree_small_fits(tree, node, end)) {
        error = spill(tree, number);
    }
    *ret_fd = -1;
    return error != 0 || node->content == CONTENT_SMALL ? error
                                                        : open_upper(tree, number, ret_fd);
}

static void set_changed(struct tree *tree, uint32_t number)
{
    struct node *node = tree_touched(tree, number);

    node->mtime = tree_now(tree);
    node->ctime = node->mtime;
}

static int write_own(struct tree *tree, struct node *node, int fd, uint64_t at,
                     struct slice bytes)
{
    int error;

    if (fd >= 0) {
        error = write_file(fd, bytes, at);
        return error != 0 ? error : account(tree, node, fd);
    }
    if (at + bytes.len > node->size)
        tree_small_resize(tree, node, (size_t)at + bytes.len);
    if (bytes.len > 0)
        memcpy(node->small + at, bytes.at, bytes.len);
    return 0;
}

int tree_write(struct tree *tree, uint32_t number, uint64_t at, struct slice bytes,
               bool is_now)
{
    uint64_t end;
    int fd, error;

    if (__builtin_add_overflow(at, bytes.len, &end) || end > INT64_MAX)
        return EFBIG;
    if (!tree_has_room(tree, bytes.len))
        return ENOSPC;
    error = make_own(tree, number, UINT64_MAX, end, &fd);
    if (error == 0)
        error = write_own(tree, tree_touched(tree, number), fd, at, bytes);
    if (error == 0 && is_now)
        set_changed(tree, number);
    return error;
}

int tree_truncate(struct tree *tree, uint32_t number, uint64_t size)
{
    int fd, error;

    if (size > INT64_MAX)
        return EFBIG;
    error = make_own(tree, number, size, size, &fd);
    if (error != 0)
        return error;
    if (fd < 0)
        tree_small_resize(tree, tree_touched(tree, number), (size_t)size);
    else if (ftruncate(fd, (off_t)size) < 0)
        return errno;
    else
        error = account(tree, tree_touched(tree, number), fd);
    set_changed(tree, number);
    return error;
}

int tree_allocate(struct tree *tree, uint32_t number, int mode, uint64_t at, uint64_t len)
{
    int fd, error;

    if (at > INT64_MAX || len > INT64_MAX)
        return EFBIG;
    if (!tree_has_room(tree, len))
        return ENOSPC;
    error = make_own(tree, number, UINT64_MAX, UINT64_MAX, &fd);
    if (error != 0)
        return error;
    if (fallocate(fd, mode, (off_t)at, (off_t)len) < 0)
        return errno;
    set_changed(tree, number);
    return account(tree, tree_touched(tree, number), fd);
}

int tree_open_own(struct tree *tree, uint32_t number, int *ret_fd)
{
    const struct node *node = tree_touched(tree, number);
    char name[16];
    int fd, error;

    if (node == NULL || !node_is_own(node))
        return ENOENT;
    error = node->content == CONTENT_SMALL ? spill(tree, number) : 0;
    if (error != 0)
        return error;
    upper_name(number, name);
    fd = openat(tree->settings.upper_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return errno;
    *ret_fd = fd;
    return 0;
}

int tree_target(struct tree *tree, uint32_t number, struct buf *ret_target)
{
    const struct node *node = tree_touched(tree, number);
    uint8_t room[LINK_TARGET_BYTES_MAX + 1];
    struct fault fault = {0};
    struct slice bytes;
    int error;

    buf_clear(ret_target);
    if (node != NULL && node->target != NULL) {
        bytes = slice_of(node->target);
    } else {
        uint32_t base = node == NULL ? number : node->base;

        if (base == TREE_NONE ||
            snapshot_node(tree->settings.snapshot, base)->mode != SNAPSHOT_MODE_LINK)
            return EINVAL;
        error = tree_read_base(tree, base, 0, sizeof(room), room, &bytes);
        if (error != 0)
            return error;
        if (bytes.len > LINK_TARGET_BYTES_MAX || bytes.len == 0 ||
            memchr(bytes.at, 0, bytes.len) != NULL)
            return EIO;
    }
    if (!buf_add(ret_target, bytes, &fault) || !buf_reserve(ret_target, 1, &fault))
        return ENAMETOOLONG;
    ret_target->at[ret_target->len] = 0;
    return 0;
}
