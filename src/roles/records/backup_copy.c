#include "roles/records/backup_copy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/scope.h"
#include "ledger/archive_place.h"
#include "ledger/checkpoint.h"
#include "ledger/handover.h"
#include "ledger/tile.h"
#include "os/file.h"

#define LINES_BYTES 65536
#define CHUNK_BYTES 8192
#define FOLDER_DEPTH_MAX 12

bool backup_copy_begin(struct backup_copy *copy, int from, int to, struct fault *fault)
{
    *copy = (struct backup_copy){
        .from = from, .to = to, .lines_fd = -1, .lines = buf_with_limit(2 * LINES_BYTES)};
    copy->lines_fd = openat(to, MANIFEST_NAME ".new",
                            O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    return copy->lines_fd >= 0 || fault_errno(fault, "create " MANIFEST_NAME ".new");
}

void backup_copy_free(struct backup_copy *copy)
{
    scope_close(&copy->lines_fd);
    buf_free(&copy->lines);
}

static bool flush_lines(struct backup_copy *copy, struct fault *fault)
{
    if (!file_write_all(copy->lines_fd, buf_slice(&copy->lines), fault))
        return fault_in(fault, MANIFEST_NAME);
    buf_clear(&copy->lines);
    return true;
}

static bool add_line(struct backup_copy *copy, const struct manifest_line *line,
                     struct fault *fault)
{
    return manifest_line_write(line, &copy->lines, fault) &&
           (copy->lines.len < LINES_BYTES || flush_lines(copy, fault));
}

bool backup_copy_finish(struct backup_copy *copy, struct fault *fault)
{
    if (!flush_lines(copy, fault))
        return false;
    if (syncfs(copy->to) < 0 || fsync(copy->lines_fd) < 0)
        return fault_errno(fault, "sync the backup");
    if (renameat(copy->to, MANIFEST_NAME ".new", copy->to, MANIFEST_NAME) < 0 ||
        fsync(copy->to) < 0)
        return fault_errno(fault, "rename " MANIFEST_NAME);
    return true;
}

/* "a/b/c": makes a and a/b. */
static bool make_parents(int folder, const char *path, struct fault *fault)
{
    AUTO_FREE char *part = xstrdup(path);

    for (char *at = strchr(part, '/'); at != NULL; at = strchr(at + 1, '/')) {
        *at = 0;
        if (mkdirat(folder, part, 0700) < 0 && errno != EEXIST)
            return fault_errno(fault, "make folder %s", part);
        *at = '/';
    }
    return true;
}

static bool create(int folder, const char *path, mode_t mode, int *ret_fd, struct fault *fault)
{
    int fd;

    if (!make_parents(folder, path, fault))
        return false;
    fd = openat(folder, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0)
        return fault_errno(fault, "create %s", path);
    *ret_fd = fd;
    return true;
}

static bool name_line(const char *path, struct manifest_line *line, struct fault *fault)
{
    if (!manifest_path_valid(slice_of(path)))
        return fault_set(fault, FAULT_INVALID, "%s: not a name that a backup has", path);
    (void)snprintf(line->path, sizeof(line->path), "%s", path);
    return true;
}

bool backup_copy_bytes(struct backup_copy *copy, const char *path, struct slice bytes,
                       mode_t mode, struct fault *fault)
{
    struct manifest_line line;
    AUTO_CLOSE int fd = -1;

    if (!name_line(path, &line, fault) || !create(copy->to, path, mode, &fd, fault))
        return false;
    if (!file_write_all(fd, bytes, fault))
        return fault_in(fault, "%s", path);
    if (EVP_Digest(bytes.at, bytes.len, line.digest, NULL, EVP_sha256(), NULL) != 1)
        abort();
    copy->files++;
    copy->bytes += bytes.len;
    return add_line(copy, &line, fault);
}

/* `to` -1: it is hashed only. */
static bool pump(int from, int to, EVP_MD_CTX *hash, uint64_t *bytes, struct fault *fault)
{
    for (;;) {
        uint8_t chunk[CHUNK_BYTES];
        ssize_t got = read(from, chunk, sizeof(chunk));

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fault_errno(fault, "read");
        if (got == 0)
            return true;
        if (EVP_DigestUpdate(hash, chunk, (size_t)got) != 1)
            abort();
        if (to >= 0 && !file_write_all(to, slice_of_bytes(chunk, (size_t)got), fault))
            return false;
        *bytes += (uint64_t)got;
    }
}

static bool pump_hashed(int from, int to, uint8_t ret_digest[MANIFEST_DIGEST_BYTES],
                        uint64_t *bytes, struct fault *fault)
{
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    bool ok;

    if (hash == NULL || EVP_DigestInit_ex(hash, EVP_sha256(), NULL) != 1)
        abort();
    ok = pump(from, to, hash, bytes, fault);
    if (ok && EVP_DigestFinal_ex(hash, ret_digest, NULL) != 1)
        abort();
    EVP_MD_CTX_free(hash);
    return ok;
}

/*
 * No link on the way: a folder below may belong to a service user, who could put one in its
 * place while we copy as root. -1 with errno.
 */
static int open_beneath(int folder, const char *path, int flags)
{
    struct open_how how = {.flags = (unsigned)(O_RDONLY | O_CLOEXEC | flags),
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};

    return (int)syscall(SYS_openat2, folder, path, &how, sizeof(how));
}

bool backup_copy_file(struct backup_copy *copy, const char *path, mode_t mode,
                      struct fault *fault)
{
    AUTO_CLOSE int from = open_beneath(copy->from, path, 0);
    struct manifest_line line;
    AUTO_CLOSE int to = -1;

    if (from < 0)
        return errno == ENOENT || fault_errno(fault, "open %s", path);
    if (!name_line(path, &line, fault) || !create(copy->to, path, mode, &to, fault))
        return false;
    if (!pump_hashed(from, to, line.digest, &copy->bytes, fault))
        return fault_in(fault, "%s", path);
    copy->files++;
    return add_line(copy, &line, fault);
}

bool backup_copy_made(struct backup_copy *copy, const char *path, struct fault *fault)
{
    AUTO_CLOSE int made = openat(copy->to, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct manifest_line line;

    if (made < 0)
        return fault_errno(fault, "open %s", path);
    if (!name_line(path, &line, fault) ||
        !pump_hashed(made, -1, line.digest, &copy->bytes, fault))
        return fault_in(fault, "%s", path);
    copy->files++;
    return add_line(copy, &line, fault);
}

static bool is_left_out(const char *path, const char *const *left_out)
{
    for (; left_out != NULL && *left_out != NULL; left_out++)
        if (strcmp(path, *left_out) == 0)
            return true;
    return false;
}

static bool copy_below(struct backup_copy *copy, const char *path, mode_t mode,
                       const char *const *left_out, unsigned depth, struct fault *fault)
{
    int fd = open_beneath(copy->from, path, O_DIRECTORY);
    DIR *dir;
    bool ok = true;

    if (fd < 0)
        return errno == ENOENT || fault_errno(fault, "open %s", path);
    dir = fdopendir(fd);
    if (dir == NULL || depth > FOLDER_DEPTH_MAX) {
        (void)(dir == NULL ? close(fd) : closedir(dir));
        return fault_set(fault, FAULT_LIMIT, "%s cannot be listed", path);
    }
    for (struct dirent *entry; ok && (entry = readdir(dir)) != NULL;) {
        AUTO_FREE char *name = xformat("%s/%s", path, entry->d_name);
        struct stat stat;

        if (entry->d_name[0] == '.' || is_left_out(name, left_out) ||
            fstatat(copy->from, name, &stat, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        if (S_ISDIR(stat.st_mode))
            ok = copy_below(copy, name, mode, left_out, depth + 1, fault);
        else if (S_ISREG(stat.st_mode))
            ok = backup_copy_file(copy, name, mode, fault);
    }
    (void)closedir(dir);
    return ok;
}

bool backup_copy_folder(struct backup_copy *copy, const char *path, mode_t mode,
                        const char *const *left_out, struct fault *fault)
{
    return copy_below(copy, path, mode, left_out, 0, fault);
}

/* ---- a ledger ---- */

static bool copy_tile(struct backup_copy *copy, const char *name, int folder,
                      const struct tile *tile, struct buf *bytes, struct fault *fault)
{
    char path[TILE_PATH_BYTES];
    AUTO_FREE char *whole = NULL;

    if (!tile_read(folder, tile, bytes, fault))
        return tile->is_entries && fault->kind == FAULT_MISSING;
    tile_path(tile, path);
    whole = xformat("%s/%s", name, path);
    return backup_copy_bytes(copy, whole, buf_slice(bytes), 0644, fault);
}

/* All of one level, or (level 0 twice) all bundles. */
static bool copy_level(struct backup_copy *copy, const char *name, int folder, uint64_t size,
                       struct tile tile, struct fault *fault)
{
    AUTO_BUF struct buf bytes = buf_with_limit(TILE_BUNDLE_BYTES_MAX);

    for (tile.index = 0; (tile.width = tile_width(tile.level, tile.index, size)) > 0;
         tile.index++)
        if (!copy_tile(copy, name, folder, &tile, &bytes, fault))
            return fault_in(fault, "%s", name);
    return true;
}

static bool copy_tree(struct backup_copy *copy, const char *name, int folder, uint64_t size,
                      struct fault *fault)
{
    for (unsigned level = 0; level < TILE_LEVELS; level++)
        if (!copy_level(copy, name, folder, size, (struct tile){.level = level}, fault))
            return false;
    return copy_level(copy, name, folder, size, (struct tile){.is_entries = true}, fault);
}

static bool copy_beside(struct backup_copy *copy, const char *name, struct fault *fault)
{
    static const char *const beside[] = {HANDOVER_NAME, "vkey", ARCHIVE_PLACE_NAME};
    AUTO_FREE char *stamps = xformat("%s/timestamps", name);

    for (size_t i = 0; i < COUNT(beside); i++) {
        AUTO_FREE char *path = xformat("%s/%s", name, beside[i]);

        if (!backup_copy_file(copy, path, 0644, fault))
            return false;
    }
    return backup_copy_folder(copy, stamps, 0644, NULL, fault);
}

/* What was cosigned is read first: it must not be ahead of the checkpoint that is copied. */
bool backup_copy_shard(struct backup_copy *copy, const char *name, struct fault *fault)
{
    AUTO_CLOSE int folder =
        openat(copy->from, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    AUTO_BUF struct buf bytes = buf_with_limit(NOTE_BYTES_MAX);
    AUTO_FREE char *cosigned = xformat("%s/checkpoint.cosigned", name);
    AUTO_FREE char *path = xformat("%s/checkpoint", name);
    struct checkpoint checkpoint;
    struct note note;

    if (folder < 0)
        return fault_errno(fault, "open %s", name);
    return backup_copy_file(copy, cosigned, 0644, fault) &&
           file_read(folder, "checkpoint", &bytes, fault) &&
           note_parse(buf_slice(&bytes), &note, fault) &&
           checkpoint_parse(note.text, &checkpoint, fault) &&
           copy_tree(copy, name, folder, checkpoint.size, fault) &&
           copy_beside(copy, name, fault) &&
           backup_copy_bytes(copy, path, buf_slice(&bytes), 0644, fault);
}

/* ---- back ---- */

bool backup_copy_back(struct backup_copy *copy, const struct manifest_line *line, mode_t mode,
                      struct fault *fault)
{
    AUTO_CLOSE int from = open_beneath(copy->from, line->path, O_NONBLOCK);
    uint8_t digest[MANIFEST_DIGEST_BYTES];
    AUTO_CLOSE int to = -1;
    struct stat stat;

    if (from < 0)
        return fault_errno(fault, "open %s", line->path);
    if (fstat(from, &stat) < 0 || !S_ISREG(stat.st_mode))
        return fault_set(fault, FAULT_INVALID, "%s is not a plain file", line->path);
    if (!create(copy->to, line->path, mode, &to, fault))
        return false;
    if (!pump_hashed(from, to, digest, &copy->bytes, fault))
        return fault_in(fault, "%s", line->path);
    if (memcmp(digest, line->digest, sizeof(digest)) != 0)
        return fault_set(fault, FAULT_INVALID,
                         "%s is not what was backed up: its digest is another", line->path);
    copy->files++;
    return true;
}
