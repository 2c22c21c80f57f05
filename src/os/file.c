#include "os/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/scope.h"

#define GIVE_DEPTH_MAX 128
#define REMOVE_DEPTH_MAX 32

bool file_read_fd(int fd, struct buf *buf, struct fault *fault)
{
    for (;;) {
        size_t step = buf->limit - buf->len < 65536 ? buf->limit - buf->len : 65536;
        uint8_t over;
        ssize_t got;

        if (step == 0) { /* full: one more byte means too much */
            got = read(fd, &over, 1);
            if (got > 0)
                return fault_set(fault, FAULT_LIMIT, "more than %zu bytes", buf->limit);
        } else {
            if (!buf_reserve(buf, step, fault))
                return false;
            got = read(fd, buf->at + buf->len, step);
            if (got > 0)
                buf->len += (size_t)got;
        }
        if (got == 0)
            return true;
        if (got < 0 && errno != EINTR)
            return fault_errno(fault, "read");
    }
}

bool file_read(int folder, const char *name, struct buf *buf, struct fault *fault)
{
    /* Nobody waits for the other end of a pipe that somebody put in a file's place. */
    AUTO_CLOSE int fd =
        openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK);
    struct stat stat;

    if (fd < 0)
        return fault_errno(fault, "open %s", name);
    if (fstat(fd, &stat) < 0)
        return fault_errno(fault, "stat %s", name);
    if (!S_ISREG(stat.st_mode))
        return fault_set(fault, FAULT_INVALID, "%s is not a plain file", name);
    if (!file_read_fd(fd, buf, fault))
        return fault_in(fault, "read %s", name);
    return true;
}

bool file_write_all(int fd, struct slice bytes, struct fault *fault)
{
    while (bytes.len > 0) {
        ssize_t put = write(fd, bytes.at, bytes.len);

        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return fault_errno(fault, "write");
        bytes = slice_part(bytes, (size_t)put, bytes.len);
    }
    return true;
}

bool file_write_at(int fd, struct slice bytes, uint64_t offset, struct fault *fault)
{
    while (bytes.len > 0) {
        ssize_t put = pwrite(fd, bytes.at, bytes.len, (off_t)offset);

        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return fault_errno(fault, "write");
        offset += (uint64_t)put;
        bytes = slice_part(bytes, (size_t)put, bytes.len);
    }
    return true;
}

bool file_replace_durably(int folder, const char *name, struct slice bytes, mode_t mode,
                          struct fault *fault)
{
    AUTO_FREE char *temporary = xformat("%s.new.%d", name, (int)getpid());
    AUTO_CLOSE int fd = -1;
    AUTO_CLOSE int parent = -1;
    AUTO_FREE char *path = xstrdup(name);
    char *last = strrchr(path, '/');

    if (last != NULL)
        *last = 0;
    parent = openat(folder, last == NULL ? "." : path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (parent < 0)
        return fault_errno(fault, "open the folder of %s", name);
    fd =
        openat(folder, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0)
        return fault_errno(fault, "create %s", temporary);
    if (!file_write_all(fd, bytes, fault))
        return fault_in(fault, "write %s", temporary);
    if (fsync(fd) < 0)
        return fault_errno(fault, "sync %s", temporary);
    if (renameat(folder, temporary, folder, name) < 0)
        return fault_errno(fault, "rename %s", temporary);
    if (fsync(parent) < 0)
        return fault_errno(fault, "sync the folder of %s", name);
    return true;
}

bool file_create(int folder, const char *name, struct slice bytes, mode_t mode,
                 struct fault *fault)
{
    AUTO_CLOSE int fd =
        openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);

    if (fd < 0 && errno == EEXIST)
        return fault_set(fault, FAULT_CONFLICT, "%s is there already", name);
    if (fd < 0)
        return fault_errno(fault, "create %s", name);
    if (!file_write_all(fd, bytes, fault))
        return fault_in(fault, "write %s", name);
    return true;
}

bool file_make_folders(const char *path, mode_t mode, struct fault *fault)
{
    AUTO_FREE char *copy = xstrdup(path);

    for (char *at = copy + 1; *at != 0; at++) {
        if (*at != '/')
            continue;
        *at = 0;
        if (mkdir(copy, mode) < 0 && errno != EEXIST)
            return fault_errno(fault, "make folder %s", copy);
        *at = '/';
    }
    if (mkdir(copy, mode) < 0 && errno != EEXIST)
        return fault_errno(fault, "make folder %s", path);
    return true;
}

bool file_open_folder(int parent, const char *name, mode_t mode, int *ret_fd,
                      struct fault *fault)
{
    int fd;

    if (mkdirat(parent, name, mode) < 0 && errno != EEXIST)
        return fault_errno(fault, "make folder %s", name);
    fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return fault_errno(fault, "open folder %s", name);
    *ret_fd = fd;
    return true;
}

/* One tree that goes. What lies too deep is moved up to its top, so that no depth uses us up.
 */
struct removal {
    int top; /* -1 until there is one */
    dev_t device;
    unsigned moved;
};

static bool remove_below(struct removal *removal, int folder, unsigned depth,
                         struct fault *fault);

/* Opens a folder whose bits its owner may have taken away. */
static bool open_to_empty(const struct removal *removal, int parent, const char *name,
                          int *ret_fd, struct fault *fault)
{
    AUTO_CLOSE int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    struct stat stat;

    if (fd < 0 && errno == EACCES) {
        if (fchmodat(parent, name, 0700, 0) < 0)
            return fault_errno(fault, "open %s", name);
        fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    }
    if (fd < 0)
        return fault_errno(fault, "open %s", name);
    if (fstat(fd, &stat) < 0)
        return fault_errno(fault, "stat %s", name);
    if (stat.st_dev != removal->device)
        return fault_set(fault, FAULT_CONFLICT, "%s is another file system", name);
    if ((stat.st_mode & 0700) != 0700)
        (void)fchmod(fd, 0700);
    *ret_fd = take_fd(&fd);
    return true;
}

static bool move_up(struct removal *removal, int parent, const char *name, struct fault *fault)
{
    AUTO_FREE char *up = NULL;

    do {
        free(up);
        up = xformat(".removed-%u", removal->moved++);
    } while (file_exists(removal->top, up));
    return renameat(parent, name, removal->top, up) == 0 ||
           fault_errno(fault, "move %s up", name);
}

static bool remove_entry(struct removal *removal, int parent, const char *name, unsigned depth,
                         struct fault *fault)
{
    AUTO_CLOSE int fd = -1;

    if (unlinkat(parent, name, 0) == 0 || errno == ENOENT)
        return true;
    if (errno != EISDIR && errno != EPERM)
        return fault_errno(fault, "remove %s", name);
    if (!open_to_empty(removal, parent, name, &fd, fault))
        return false;
    if (depth >= REMOVE_DEPTH_MAX)
        return move_up(removal, parent, name, fault);
    if (!remove_below(removal, fd, depth + 1, fault))
        return fault_in(fault, "%.60s", name);
    if (unlinkat(parent, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
        return fault_errno(fault, "remove folder %s", name);
    return true;
}

static bool remove_below(struct removal *removal, int folder, unsigned depth,
                         struct fault *fault)
{
    int own = dup(folder);
    DIR *dir = own < 0 ? NULL : fdopendir(own);
    bool ok = true;

    if (dir == NULL) {
        if (own >= 0)
            (void)close(own);
        return fault_errno(fault, "list a folder");
    }
    for (struct dirent *entry; ok && (entry = readdir(dir)) != NULL;)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            ok = remove_entry(removal, folder, entry->d_name, depth, fault);
    (void)closedir(dir);
    return ok;
}

/* Again as long as something was moved up. */
static bool empty_folder(struct removal *removal, struct fault *fault)
{
    unsigned before;

    do {
        before = removal->moved;
        if (lseek(removal->top, 0, SEEK_SET) < 0)
            return fault_errno(fault, "list a folder");
        if (!remove_below(removal, removal->top, 0, fault))
            return false;
    } while (removal->moved != before);
    return true;
}

bool file_remove_tree(int parent, const char *name, struct fault *fault)
{
    struct removal removal = {.top = -1};
    AUTO_CLOSE int top = -1;
    struct stat stat;

    if (fstatat(parent, name, &stat, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? true : fault_errno(fault, "stat %s", name);
    if (!S_ISDIR(stat.st_mode))
        return unlinkat(parent, name, 0) == 0 || fault_errno(fault, "remove %s", name);
    removal.device = stat.st_dev;
    if (!open_to_empty(&removal, parent, name, &top, fault))
        return false;
    removal.top = top;
    if (!empty_folder(&removal, fault))
        return fault_in(fault, "%.60s", name);
    return unlinkat(parent, name, AT_REMOVEDIR) == 0 ||
           fault_errno(fault, "remove folder %s", name);
}

static bool give_below(int folder, uid_t uid, unsigned depth, struct fault *fault);

static bool give_entry(int folder, const char *name, uid_t uid, unsigned depth,
                       struct fault *fault)
{
    AUTO_CLOSE int below = -1;
    struct stat stat;

    if (fstatat(folder, name, &stat, AT_SYMLINK_NOFOLLOW) < 0 ||
        fchownat(folder, name, uid, uid, AT_SYMLINK_NOFOLLOW) < 0)
        return fault_errno(fault, "give %s away", name);
    if (!S_ISDIR(stat.st_mode))
        return true;
    below = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return below >= 0 ? give_below(below, uid, depth + 1, fault)
                      : fault_errno(fault, "open %s", name);
}

static bool give_below(int folder, uid_t uid, unsigned depth, struct fault *fault)
{
    int own = fcntl(folder, F_DUPFD_CLOEXEC, 3);
    DIR *listing = own < 0 ? NULL : fdopendir(own);
    bool ok = depth < GIVE_DEPTH_MAX || fault_set(fault, FAULT_LIMIT, "too deep a folder");

    if (listing == NULL) {
        if (own >= 0)
            (void)close(own);
        return fault_errno(fault, "list a folder");
    }
    for (const struct dirent *entry; ok && (entry = readdir(listing)) != NULL;)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            ok = give_entry(folder, entry->d_name, uid, depth, fault);
    (void)closedir(listing);
    return ok;
}

bool file_give_tree(int folder, uid_t uid, struct fault *fault)
{
    return give_below(folder, uid, 0, fault) &&
           (fchown(folder, uid, uid) == 0 || fault_errno(fault, "give a folder away"));
}

bool file_copy_range(int from, uint64_t offset, int to, uint64_t len, struct fault *fault)
{
    uint8_t chunk[65536 / 8];

    while (len > 0) {
        size_t want = len < sizeof(chunk) ? (size_t)len : sizeof(chunk);
        ssize_t got = pread(from, chunk, want, (off_t)offset);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fault_errno(fault, "read");
        if (got == 0)
            return fault_set(fault, FAULT_IO, "read: file is shorter than it was");
        if (!file_write_all(to, slice_of_bytes(chunk, (size_t)got), fault))
            return false;
        offset += (uint64_t)got;
        len -= (uint64_t)got;
    }
    return true;
}

bool file_is_empty_folder(int folder)
{
    int own = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = own < 0 ? NULL : fdopendir(own);
    size_t count = 0;

    if (dir == NULL) {
        if (own >= 0)
            (void)close(own);
        return false;
    }
    while (readdir(dir) != NULL)
        count++;
    (void)closedir(dir);
    return count == 2; /* itself and its parent */
}

bool file_exists(int folder, const char *name)
{
    struct stat stat;

    return fstatat(folder, name, &stat, AT_SYMLINK_NOFOLLOW) == 0;
}
