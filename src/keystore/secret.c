#include "keystore/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "base/scope.h"
#include "os/file.h"

#define FD_MAX 1000000

void secret_guard(void)
{
    (void)prctl(PR_SET_DUMPABLE, 0);
}

void secret_lock_heap(void)
{
    size_t len = mallinfo2().arena; /* one arena, and what it has grew in one piece */

    (void)mlock((char *)sbrk(0) - len, len);
}

bool secret_reserve(struct buf *buf, struct fault *fault)
{
    if (!buf_reserve(buf, buf->limit - buf->len, fault))
        return false;
    (void)mlock(buf->at, buf->room); /* a limit of the host: it works without */
    return true;
}

static bool read_opened(int fd, bool ours_only, struct buf *ret_secret, struct fault *fault)
{
    struct stat stat;

    if (fstat(fd, &stat) < 0)
        return fault_errno(fault, "stat");
    if (ours_only && (stat.st_mode & 077) != 0)
        return fault_set(fault, FAULT_INVALID, "it can be read by others: chmod 600 it");
    return secret_reserve(ret_secret, fault) && file_read_fd(fd, ret_secret, fault);
}

static bool read_file(struct slice name, struct buf *ret_secret, struct fault *fault)
{
    AUTO_FREE char *path = slice_dup(name);
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

    if (fd < 0 && errno == ENOENT)
        return fault_set(fault, FAULT_MISSING,
                         "there is no %.200s: mount the volume that has it, or say with "
                         "CUSTODY_KEY_SECRET=file:/PATH where it is",
                         path);
    if (fd < 0)
        return fault_errno(fault, "open %.200s", path);
    return read_opened(fd, true, ret_secret, fault) || fault_in(fault, "%.150s", path);
}

/* Who may read it is systemd's matter: the mode that an access list shows says nothing. */
static bool read_credential(struct slice name, struct buf *ret_secret, struct fault *fault)
{
    const char *folder = getenv("CREDENTIALS_DIRECTORY");
    AUTO_FREE char *path = NULL;
    AUTO_CLOSE int fd = -1;

    if (folder == NULL)
        return fault_set(fault, FAULT_MISSING,
                         "no CREDENTIALS_DIRECTORY: start custody from a unit with "
                         "LoadCredentialEncrypted=%.*s:/PATH",
                         SLICE_ARGS(name));
    path = xformat("%s/%.*s", folder, SLICE_ARGS(name));
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return errno == ENOENT ? fault_set(fault, FAULT_MISSING,
                                           "the unit has no credential %.*s: add "
                                           "LoadCredentialEncrypted=%.*s:/PATH",
                                           SLICE_ARGS(name), SLICE_ARGS(name))
                               : fault_errno(fault, "open %.200s", path);
    return read_opened(fd, false, ret_secret, fault) ||
           fault_in(fault, "credential %.*s", SLICE_ARGS(name));
}

static int fd_of(struct slice digits)
{
    int number = 0;

    for (size_t i = 0; i < digits.len; i++) {
        if (digits.at[i] < '0' || digits.at[i] > '9' || number > FD_MAX)
            return -1;
        number = number * 10 + (digits.at[i] - '0');
    }
    return digits.len == 0 ? -1 : number;
}

/* From its beginning, where it has one: the next daemon reads it, too. */
static bool read_descriptor(struct slice digits, struct buf *ret_secret, struct fault *fault)
{
    int fd = fd_of(digits);

    (void)lseek(fd, 0, SEEK_SET);
    if (!read_opened(fd, false, ret_secret, fault))
        return fault_in(fault, "descriptor %d", fd);
    return ret_secret->len > 0 ||
           fault_set(fault, FAULT_MISSING,
                     "descriptor %d has no more to read: open it anew for each start", fd);
}

static bool path_is_good(struct slice path)
{
    return path.len > 1 && path.at[0] == '/';
}

static bool credential_is_good(struct slice name)
{
    return name.len > 0 && name.len <= 64 && name.at[0] != '.' &&
           slice_find_byte(name, '/', 0) == SIZE_MAX;
}

static bool descriptor_is_good(struct slice digits)
{
    return fd_of(digits) >= 0;
}

static const struct way {
    const char *head;
    bool (*is_good)(struct slice rest);
    bool (*read)(struct slice rest, struct buf *ret_secret, struct fault *fault);
} ways[] = {
    {"file:", path_is_good, read_file},
    {"credential:", credential_is_good, read_credential},
    {"fd:", descriptor_is_good, read_descriptor},
};

static const struct way *way_of(struct slice place, struct slice *ret_rest)
{
    for (size_t i = 0; i < COUNT(ways) && place.len <= SECRET_PLACE_BYTES_MAX; i++) {
        struct slice head = slice_of(ways[i].head);

        *ret_rest = slice_part(place, head.len, place.len);
        if (slice_starts_with(place, head) && ways[i].is_good(*ret_rest))
            return &ways[i];
    }
    return NULL;
}

bool secret_place_check(struct slice place, struct fault *fault)
{
    struct slice rest;

    return way_of(place, &rest) != NULL ||
           fault_set(fault, FAULT_INVALID,
                     "`%.*s` is not file:/PATH, credential:NAME or fd:NUMBER",
                     SLICE_ARGS(slice_part(place, 0, 100)));
}

bool secret_read(struct slice place, struct buf *ret_secret, struct fault *fault)
{
    struct slice rest;
    const struct way *way = way_of(place, &rest);

    if (way == NULL)
        return secret_place_check(place, fault);
    return way->read(rest, ret_secret, fault);
}

int secret_place_fd(struct slice place)
{
    struct slice rest;
    const struct way *way = way_of(place, &rest);

    return way != NULL && way->read == read_descriptor ? fd_of(rest) : -1;
}
