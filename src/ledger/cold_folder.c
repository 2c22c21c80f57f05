#include "ledger/cold.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/hex.h"
#include "base/scope.h"
#include "os/file.h"

#define TEMPORARY ".new"

struct cold_folder {
    int fd;
};

static bool put(void *self, const char *name, struct slice bytes, struct fault *fault)
{
    const struct cold_folder *folder = self;
    AUTO_FREE char *temporary = xformat("%s" TEMPORARY, name);
    AUTO_CLOSE int fd = -1;

    if (file_exists(folder->fd, name))
        return fault_set(fault, FAULT_CONFLICT, "archive: %s is there already", name);
    (void)unlinkat(folder->fd, temporary, 0); /* of a run that was cut off */
    fd = openat(folder->fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
                0444);
    if (fd < 0)
        return fault_errno(fault, "archive: create %s", name);
    if (!file_write_all(fd, bytes, fault)) {
        (void)unlinkat(folder->fd, temporary, 0);
        return fault_in(fault, "archive: %s", name);
    }
    if (fsync(fd) < 0 || renameat(folder->fd, temporary, folder->fd, name) < 0) {
        (void)fault_errno(fault, "archive: put %s in place", name);
        (void)unlinkat(folder->fd, temporary, 0);
        return false;
    }
    if (fsync(folder->fd) < 0)
        return fault_errno(fault, "archive: sync its folder");
    /* What is read back shall come from the disk, not from memory. */
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    return true;
}

static bool open_one(const struct cold_folder *folder, const char *name, int *ret_fd,
                     uint64_t *ret_size, struct fault *fault)
{
    AUTO_CLOSE int fd =
        openat(folder->fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    struct stat stat;

    if (fd < 0 && errno == ENOENT)
        return fault_set(fault, FAULT_MISSING, "archive: %s is missing", name);
    if (fd < 0 || fstat(fd, &stat) < 0)
        return fault_errno(fault, "archive: open %s", name);
    if (!S_ISREG(stat.st_mode))
        return fault_set(fault, FAULT_INVALID, "archive: %s is not a file", name);
    *ret_size = (uint64_t)stat.st_size;
    *ret_fd = take_fd(&fd);
    return true;
}

static bool read_part(void *self, const char *name, uint64_t offset, size_t len,
                      struct buf *ret_bytes, struct fault *fault)
{
    AUTO_CLOSE int fd = -1;
    uint64_t size;

    if (!open_one(self, name, &fd, &size, fault))
        return false;
    if (offset > size || len > size - offset)
        return fault_set(fault, FAULT_INVALID, "archive: %s is cut short", name);
    if (!buf_reserve(ret_bytes, len, fault))
        return fault_in(fault, "archive: %s", name);
    for (size_t done = 0; done < len;) {
        ssize_t got =
            pread(fd, ret_bytes->at + ret_bytes->len, len - done, (off_t)(offset + done));

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fault_errno(fault, "archive: read %s", name);
        if (got == 0)
            return fault_set(fault, FAULT_INVALID, "archive: %s is cut short", name);
        ret_bytes->len += (size_t)got;
        done += (size_t)got;
    }
    return true;
}

static bool size_of(void *self, const char *name, uint64_t *ret_size, struct fault *fault)
{
    AUTO_CLOSE int fd = -1;

    return open_one(self, name, &fd, ret_size, fault);
}

static bool list(void *self, void (*each)(void *to, const char *name), void *to,
                 struct fault *fault)
{
    const struct cold_folder *folder = self;
    AUTO_CLOSE int fd = openat(folder->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);

    if (dir == NULL)
        return fault_errno(fault, "archive: list its folder");
    (void)take_fd(&fd);
    errno = 0;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
        each(to, entry->d_name);
    if (errno != 0)
        (void)fault_errno(fault, "archive: list its folder");
    else
        fault = NULL;
    (void)closedir(dir);
    return fault == NULL;
}

static bool remove_one(void *self, const char *name, struct fault *fault)
{
    const struct cold_folder *folder = self;

    if (unlinkat(folder->fd, name, 0) < 0 && errno != ENOENT)
        return fault_errno(fault, "archive: remove %s", name);
    return fsync(folder->fd) == 0 ? true : fault_errno(fault, "archive: sync its folder");
}

/* One component that means the same to everyone; '+' for '/', which a key's name has not. */
static bool plain_name(const char *origin, char *ret_name, size_t room)
{
    size_t len = strlen(origin);

    if (len == 0 || len >= room || origin[0] == '.' ||
        strspn(origin, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/") !=
            len)
        return false;
    for (size_t i = 0; i <= len; i++)
        ret_name[i] = origin[i] == '/' ? '+' : origin[i];
    return true;
}

static char *folder_name(const char *origin)
{
    uint8_t digest[SHA256_DIGEST_LENGTH];
    char hex[2 * SHA256_DIGEST_LENGTH + 1];
    char name[128];

    if (plain_name(origin, name, sizeof(name)))
        return xstrdup(name);
    (void)SHA256((const uint8_t *)origin, strlen(origin), digest);
    hex_encode(slice_of_bytes(digest, sizeof(digest)), hex);
    return xstrdup(hex);
}

bool cold_folder_open(const char *path, const char *origin, bool make, struct cold *ret_cold,
                      struct fault *fault)
{
    AUTO_CLOSE int above = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    AUTO_FREE char *name = folder_name(origin);
    AUTO_CLOSE int fd = -1;
    struct cold_folder *folder;

    if (above < 0)
        return fault_errno(fault, "open the archive %s", path);
    if (make && mkdirat(above, name, 0755) < 0 && errno != EEXIST)
        return fault_errno(fault, "make %s in the archive %s", name, path);
    if (make && fsync(above) < 0)
        return fault_errno(fault, "sync the archive %s", path);
    fd = openat(above, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno == ENOENT)
        return fault_set(fault, FAULT_MISSING, "the archive %s has nothing of %s", path,
                         origin);
    if (fd < 0)
        return fault_errno(fault, "open %s in the archive %s", name, path);
    folder = xalloc(sizeof(*folder));
    folder->fd = take_fd(&fd);
    *ret_cold = (struct cold){.put = put,
                              .read = read_part,
                              .size = size_of,
                              .list = list,
                              .remove = remove_one,
                              .self = folder};
    return true;
}

void cold_folder_close(struct cold *cold)
{
    struct cold_folder *folder = cold->self;

    if (folder == NULL)
        return;
    scope_close(&folder->fd);
    free(folder);
    cold->self = NULL;
}

int cold_folder_fd(const struct cold *cold)
{
    const struct cold_folder *folder = cold->self;

    return folder->fd;
}
