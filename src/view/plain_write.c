#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/scope.h"
#include "os/file.h"
#include "view/plain.h"
#include "view/plain_format.h"
#include "view/serve_state.h"

#define COPY_BYTES (256U << 10)
#define BLOCK_BYTES 4096U
#define TICK_NS 10000000 /* no kernel's clock of files is coarser */

struct writing {
    struct view *view;
    int root;
    struct buf path; /* of the folder that is being written */
    uint8_t *room;
    struct plain_header header;
    struct plain_file *files; /* by node */
    uint64_t bytes;
};

static bool failed(struct fault *fault, int error, const struct writing *writing,
                   struct slice name)
{
    errno = error;
    return fault_errno(fault, "write %.150s/%.*s",
                       writing->path.len == 0 ? "." : (const char *)writing->path.at,
                       (int)(name.len < 150 ? name.len : 150), (const char *)name.at);
}

static bool write_content(struct writing *writing, uint32_t number, int fd, uint64_t size,
                          int *ret_error)
{
    struct fault fault = {0};

    for (uint64_t at = 0; at < size;) {
        struct slice bytes;
        int error =
            tree_read(writing->view->tree, number, at, COPY_BYTES, writing->room, &bytes);

        if (error == 0 && (bytes.len == 0 || !file_write_at(fd, bytes, at, &fault)))
            error = errno == 0 ? EIO : errno;
        if (error != 0) {
            *ret_error = error;
            return false;
        }
        at += bytes.len;
    }
    return true;
}

/* Base files show the time of the base commit, as git's index has it. */
static bool date(int fd, const struct stat *stat)
{
    const struct timespec times[2] = {stat->st_mtim, stat->st_mtim};

    return futimens(fd, times) == 0;
}

/* Last of all that is done to the file: what changes it after this is the agent's. */
static bool identify(struct writing *writing, int folder, const char *name, uint32_t number)
{
    struct tree_origin origin = tree_origin(writing->view->tree, number);
    struct statx stat;

    if (statx(folder, name, name[0] == 0 ? AT_EMPTY_PATH : AT_SYMLINK_NOFOLLOW, PLAIN_STATX,
              &stat) < 0)
        return false;
    writing->bytes += stat.stx_size / BLOCK_BYTES * BLOCK_BYTES + BLOCK_BYTES;
    if (origin.base == TREE_NONE || origin.base >= writing->header.count)
        return true;
    writing->header.dev_major = stat.stx_dev_major;
    writing->header.dev_minor = stat.stx_dev_minor;
    writing->files[origin.base] = (struct plain_file){
        .inode = stat.stx_ino,
        .born = plain_time_of(&stat.stx_btime),
        .changed = plain_time_of(&stat.stx_ctime),
    };
    return true;
}

/* Denied and shown: a name, a size, no right to open it and nothing in it. */
static bool write_denied(struct writing *writing, int folder, const char *name,
                         uint32_t number, const struct stat *stat)
{
    AUTO_CLOSE int fd =
        openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0);

    return fd >= 0 && ftruncate(fd, stat->st_size) == 0 && date(fd, stat) &&
           identify(writing, fd, "", number);
}

static bool write_file(struct writing *writing, int folder, const char *name, uint32_t number,
                       const struct stat *stat)
{
    AUTO_CLOSE int fd =
        openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, stat->st_mode & 0777);
    int error = 0;

    if (fd < 0)
        return false;
    if (!write_content(writing, number, fd, (uint64_t)stat->st_size, &error)) {
        errno = error;
        return false;
    }
    return date(fd, stat) && identify(writing, fd, "", number);
}

static bool write_link(struct writing *writing, int folder, const char *name, uint32_t number,
                       const struct stat *stat)
{
    const struct timespec times[2] = {stat->st_mtim, stat->st_mtim};
    int error = tree_target(writing->view->tree, number, &writing->view->target);

    if (error != 0)
        errno = error;
    return error == 0 &&
           symlinkat((const char *)writing->view->target.at, folder, name) == 0 &&
           utimensat(folder, name, times, AT_SYMLINK_NOFOLLOW) == 0 &&
           identify(writing, folder, name, number);
}

static bool write_entry(struct writing *writing, int folder, struct slice name,
                        uint32_t number, struct fault *fault)
{
    AUTO_FREE char *text = slice_dup(name);
    struct tree_origin origin = tree_origin(writing->view->tree, number);
    struct stat stat;
    bool done;

    tree_stat(writing->view->tree, number, &stat);
    errno = 0;
    if (S_ISDIR(stat.st_mode))
        done = mkdirat(folder, text, stat.st_mode & 0777) == 0;
    else if (origin.verdict == VERDICT_DENY)
        done = write_denied(writing, folder, text, number, &stat);
    else if (S_ISLNK(stat.st_mode))
        done = write_link(writing, folder, text, number, &stat);
    else
        done = write_file(writing, folder, text, number, &stat);
    writing->bytes += S_ISDIR(stat.st_mode) ? BLOCK_BYTES : 0;
    return done || failed(fault, errno, writing, name);
}

/* The entries of a folder, and when it is closed again the folders in it. */
static bool write_folder(struct writing *writing, uint32_t folder, struct fault *fault)
{
    AUTO_CLOSE int fd =
        openat(writing->root, writing->path.len == 0 ? "." : buf_text(&writing->path),
               O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct tree *tree = writing->view->tree;
    size_t len = writing->path.len;
    uint64_t cookie = 0;
    struct slice name;
    uint32_t number;

    if (fd < 0)
        return failed(fault, errno, writing, SLICE(""));
    while (tree_next(tree, folder, &cookie, &name, &number))
        if (!write_entry(writing, fd, name, number, fault))
            return false;
    scope_close(&fd);
    cookie = 0;
    while (tree_next(tree, folder, &cookie, &name, &number)) {
        struct stat stat;

        tree_stat(tree, number, &stat);
        if (!S_ISDIR(stat.st_mode))
            continue;
        if ((len > 0 && !buf_add_byte(&writing->path, '/', fault)) ||
            !buf_add(&writing->path, name, fault) || !write_folder(writing, number, fault))
            return false;
        writing->path.len = len;
        (void)buf_text(&writing->path);
    }
    return true;
}

static bool write_identities(const struct writing *writing, int fd, struct fault *fault)
{
    return file_write_all(fd, slice_of_bytes(&writing->header, sizeof(writing->header)),
                          fault) &&
           file_write_all(fd,
                          slice_of_bytes(writing->files,
                                         writing->header.count * sizeof(writing->files[0])),
                          fault);
}

bool plain_write(struct view *view, int folder_fd, int identity_fd, uint64_t *ret_bytes,
                 struct fault *fault)
{
    struct writing writing = {.view = view,
                              .root = folder_fd,
                              .path = buf_with_limit(TREE_PATH_BYTES_MAX),
                              .room = xalloc(COPY_BYTES),
                              .header = {.magic = PLAIN_MAGIC}};
    bool done;

    writing.header.count = snapshot_node_count(view->settings.snapshot);
    writing.files = xalloc_array(writing.header.count, sizeof(writing.files[0]));
    (void)buf_text(&writing.path);
    done = write_folder(&writing, 0, fault) && write_identities(&writing, identity_fd, fault);
    buf_free(&writing.path);
    free(writing.room);
    free(writing.files);
    /* A change within the tick of the clock in which a file was made could not be told. */
    if (done)
        (void)nanosleep(&(struct timespec){.tv_nsec = TICK_NS}, NULL);
    if (done)
        *ret_bytes = writing.bytes;
    return done || fault_in(fault, "make the agent's files");
}

bool plain_disarm(struct view *view, int folder_fd, struct fault *fault)
{
    for (size_t i = 0; view->rules.armed && i < view->settings.planted_count; i++)
        if (unlinkat(folder_fd, view->settings.planted[i].name, 0) < 0 && errno != ENOENT)
            return fault_errno(fault, "take the canary %s away",
                               view->settings.planted[i].name);
    return view_disarm(view, fault);
}
