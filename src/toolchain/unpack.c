#include "toolchain/unpack.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/scope.h"
#include "os/file.h"
#include "toolchain/blob.h"

#define GONE ".wh."              /* before the name of what a layer removes */
#define GONE_ALL ".wh..wh..opq"  /* all that lower layers have in the folder */
#define GONE_RESERVED ".wh..wh." /* of other file systems' making */

/* A layer under way. */
struct reading {
    struct unpack *unpack;
    const struct archive_library *library;
    struct archive *archive;
    struct blob blob;
    struct buf path;
};

static la_ssize_t read_piece(struct archive *archive, void *self, const void **ret_piece)
{
    (void)archive;
    return blob_read(self, ret_piece);
}

static bool failed(const struct reading *reading, struct fault *fault)
{
    const char *why = reading->library->error_string(reading->archive);

    if (reading->blob.fault.kind != FAULT_NONE) {
        *fault = reading->blob.fault;
        return false;
    }
    return fault_set(fault, FAULT_INVALID, "the archive: %.120s", why == NULL ? "?" : why);
}

static bool begin(struct reading *reading, const struct image_layer *layer,
                  struct fault *fault)
{
    const struct archive_library *library = reading->library;
    int done;

    if (!blob_open(reading->unpack->layout, &layer->blob, &reading->blob, fault))
        return false;
    reading->archive = library->read_new();
    if (reading->archive == NULL)
        return fault_set(fault, FAULT_IO, "no archive reader");
    /* No other filter and no other format is even looked for. */
    done = library->support_tar(reading->archive);
    if (done == ARCHIVE_OK && layer->packing == IMAGE_GZIP)
        done = library->support_gzip(reading->archive);
    if (done == ARCHIVE_OK && layer->packing == IMAGE_ZSTD)
        done = library->support_zstd(reading->archive);
    if (done == ARCHIVE_OK)
        done = library->open(reading->archive, &reading->blob, NULL, read_piece, NULL);
    return done == ARCHIVE_OK || failed(reading, fault);
}

/* ---- paths ---- */

static int open_inside(int root, const char *path)
{
    struct open_how how = {.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
                           .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};

    return (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
}

#define AUTO_PLACE __attribute__((cleanup(place_free)))
/* Folder and last name of an entry's path. */
struct place {
    int folder; /* the place's, to be closed */
    char *name; /* owned */
};

static void place_free(struct place *place)
{
    scope_close(&place->folder);
    free(place->name);
}

/* The folder at `path`, through links as a process in that root would go; made where it is
 * missing. */
static bool open_folder(const struct unpack *unpack, struct slice path, int *ret_fd,
                        struct fault *fault);

static bool place_of(const struct unpack *unpack, struct slice path, struct place *ret_place,
                     struct fault *fault)
{
    size_t name = path.len;

    while (name > 0 && path.at[name - 1] != '/')
        name--;
    ret_place->name = slice_dup(slice_part(path, name, path.len));
    return open_folder(unpack, slice_part(path, 0, name == 0 ? 0 : name - 1),
                       &ret_place->folder, fault);
}

static bool open_folder(const struct unpack *unpack, struct slice path, int *ret_fd,
                        struct fault *fault)
{
    AUTO_FREE char *text = path.len == 0 ? xstrdup(".") : slice_dup(path);
    AUTO_CLOSE int fd = open_inside(unpack->root, text);

    if (fd < 0 && errno == ENOENT && path.len > 0) {
        AUTO_PLACE struct place place = {.folder = -1};

        if (!place_of(unpack, path, &place, fault))
            return false;
        if (mkdirat(place.folder, place.name, 0755) < 0 && errno != EEXIST)
            return fault_errno(fault, "make the folder %.150s", text);
        fd = open_inside(unpack->root, text);
    }
    if (fd < 0)
        return fault_errno(fault, "open the folder %.150s", text);
    *ret_fd = take_fd(&fd);
    return true;
}

/* ---- what a layer removes ---- */

static bool empty(int folder, struct fault *fault)
{
    int own = fcntl(folder, F_DUPFD_CLOEXEC, 3);
    DIR *listing = own < 0 ? NULL : fdopendir(own);
    bool ok = true;

    if (listing == NULL) {
        if (own >= 0)
            (void)close(own);
        return fault_errno(fault, "list a folder");
    }
    for (const struct dirent *entry; ok && (entry = readdir(listing)) != NULL;)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            ok = file_remove_tree(folder, entry->d_name, fault);
    (void)closedir(listing);
    return ok;
}

static bool remove_gone(struct reading *reading, struct archive_entry *entry,
                        struct fault *fault)
{
    AUTO_PLACE struct place place = {.folder = -1};
    struct slice path = buf_slice(&reading->path);
    const char *gone;

    (void)entry;
    if (slice_find(path, SLICE(GONE), 0) == SIZE_MAX)
        return true;
    if (!place_of(reading->unpack, path, &place, fault))
        return false;
    if (strcmp(place.name, GONE_ALL) == 0)
        return empty(place.folder, fault);
    if (strncmp(place.name, GONE, strlen(GONE)) != 0 ||
        strncmp(place.name, GONE_RESERVED, strlen(GONE_RESERVED)) == 0)
        return true;
    gone = place.name + strlen(GONE);
    if (*gone == 0 || strcmp(gone, ".") == 0 || strcmp(gone, "..") == 0)
        return fault_set(fault, FAULT_INVALID, "it removes what has no name");
    return file_remove_tree(place.folder, gone, fault);
}

/* Bounds before anything is written. */
static bool count_entry(struct reading *reading, struct archive_entry *entry,
                        struct fault *fault)
{
    struct unpack *unpack = reading->unpack;
    int64_t size = reading->library->size(entry);

    if (++unpack->entries > UNPACK_ENTRIES_MAX || size < 0 ||
        (uint64_t)size > UNPACK_BYTES_MAX - unpack->bytes)
        return fault_set(fault, FAULT_LIMIT, "more than %llu files or %llu bytes",
                         (unsigned long long)UNPACK_ENTRIES_MAX,
                         (unsigned long long)UNPACK_BYTES_MAX);
    unpack->bytes += (uint64_t)size;
    return remove_gone(reading, entry, fault);
}

/* ---- what it brings ---- */

static bool write_content(struct reading *reading, struct archive_entry *entry, int fd,
                          struct fault *fault)
{
    uint64_t size = (uint64_t)reading->library->size(entry);
    const void *piece;
    size_t len;
    la_int64_t at;
    int done;

    while ((done = reading->library->data_block(reading->archive, &piece, &len, &at)) ==
           ARCHIVE_OK) {
        if (at < 0 || (uint64_t)at > size || len > size - (uint64_t)at)
            return fault_set(fault, FAULT_INVALID, "more bytes than it is long");
        if (!file_write_at(fd, slice_of_bytes(piece, len), (uint64_t)at, fault))
            return false;
    }
    if (done != ARCHIVE_EOF)
        return failed(reading, fault);
    return ftruncate(fd, (off_t)size) == 0 || fault_errno(fault, "set its size");
}

static bool bring_file(struct reading *reading, struct archive_entry *entry,
                       const struct place *place, struct fault *fault)
{
    const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT},
                                      {.tv_sec = reading->library->mtime(entry)}};
    AUTO_CLOSE int fd = openat(place->folder, place->name,
                               O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

    if (fd < 0)
        return fault_errno(fault, "make it");
    if (!write_content(reading, entry, fd, fault))
        return false;
    if (fchmod(fd, reading->library->perm(entry) & 0777) < 0)
        return fault_errno(fault, "set its mode");
    (void)futimens(fd, times); /* a time that cannot be is no harm */
    return true;
}

static bool bring_folder(struct reading *reading, struct archive_entry *entry,
                         const struct place *place, struct fault *fault)
{
    mode_t mode = (reading->library->perm(entry) & 0777) | 0700;

    if (mkdirat(place->folder, place->name, mode) < 0 && errno != EEXIST)
        return fault_errno(fault, "make it");
    return fchmodat(place->folder, place->name, mode, 0) == 0 ||
           fault_errno(fault, "set its mode");
}

static bool bring_symlink(struct reading *reading, struct archive_entry *entry,
                          const struct place *place, struct fault *fault)
{
    const char *target = reading->library->symlink(entry);

    return (target != NULL && symlinkat(target, place->folder, place->name) == 0) ||
           fault_errno(fault, "make the link");
}

/* Another name for what is there already, below the same root. */
static bool bring_hard_link(struct reading *reading, const char *target,
                            const struct place *place, struct fault *fault)
{
    AUTO_PLACE struct place other = {.folder = -1};
    AUTO_BUF struct buf path = buf_with_limit(IMAGE_PATH_BYTES_MAX + 1);

    if (!image_path_clean(slice_of(target), &path, fault) ||
        !place_of(reading->unpack, buf_slice(&path), &other, fault))
        return false;
    return linkat(other.folder, other.name, place->folder, place->name, 0) == 0 ||
           fault_errno(fault, "link it to %.100s", target);
}

/* What stood there goes, but a folder stays where one comes. */
static bool make_way(const struct place *place, bool is_folder, struct fault *fault)
{
    struct stat stat;

    if (fstatat(place->folder, place->name, &stat, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT || fault_errno(fault, "look at what is there");
    return (is_folder && S_ISDIR(stat.st_mode)) ||
           file_remove_tree(place->folder, place->name, fault);
}

typedef bool bring(struct reading *reading, struct archive_entry *entry,
                   const struct place *place, struct fault *fault);

static bring *bring_of(mode_t type)
{
    return S_ISREG(type)   ? bring_file
           : S_ISDIR(type) ? bring_folder
           : S_ISLNK(type) ? bring_symlink
                           : NULL;
}

static bool bring_entry(struct reading *reading, struct archive_entry *entry,
                        struct fault *fault)
{
    AUTO_PLACE struct place place = {.folder = -1};
    const char *hard_link = reading->library->hardlink(entry);
    mode_t type = reading->library->filetype(entry);
    bring *how = bring_of(type);

    if (reading->path.len == 0 || (hard_link == NULL && how == NULL))
        return true; /* the root; devices and pipes */
    if (!place_of(reading->unpack, buf_slice(&reading->path), &place, fault))
        return false;
    if (strncmp(place.name, GONE, strlen(GONE)) == 0)
        return true;
    if (!make_way(&place, hard_link == NULL && S_ISDIR(type), fault))
        return false;
    return hard_link != NULL ? bring_hard_link(reading, hard_link, &place, fault)
                             : how(reading, entry, &place, fault);
}

/* ---- all of it ---- */

static bool each_entry(struct reading *reading,
                       bool (*visit)(struct reading *reading, struct archive_entry *entry,
                                     struct fault *fault),
                       struct fault *fault)
{
    for (;;) {
        struct archive_entry *entry;
        int done = reading->library->next_header(reading->archive, &entry);
        const char *path;

        if (done == ARCHIVE_EOF)
            return true;
        if (done != ARCHIVE_OK && done != ARCHIVE_WARN)
            return failed(reading, fault);
        path = reading->library->pathname(entry);
        buf_clear(&reading->path);
        if (path == NULL)
            return fault_set(fault, FAULT_INVALID, "an entry without a path");
        if (!image_path_clean(slice_of(path), &reading->path, fault))
            return false;
        if (!visit(reading, entry, fault))
            return fault_in(fault, "%.100s", buf_text(&reading->path));
    }
}

static bool pass(struct unpack *unpack, const struct image_layer *layer,
                 bool (*visit)(struct reading *reading, struct archive_entry *entry,
                               struct fault *fault),
                 struct fault *fault)
{
    struct reading reading = {.unpack = unpack,
                              .library = unpack->library,
                              .blob = {.fd = -1},
                              .path = buf_with_limit(IMAGE_PATH_BYTES_MAX + 1)};
    bool ok = begin(&reading, layer, fault) && each_entry(&reading, visit, fault) &&
              blob_check(&reading.blob, fault);

    if (reading.archive != NULL)
        (void)unpack->library->read_free(reading.archive);
    blob_close(&reading.blob);
    buf_free(&reading.path);
    return ok;
}

bool unpack_layer(struct unpack *unpack, const struct image_layer *layer, struct fault *fault)
{
    return (pass(unpack, layer, count_entry, fault) &&
            pass(unpack, layer, bring_entry, fault)) ||
           fault_in(fault, "layer %.12s...", layer->blob.digest);
}
