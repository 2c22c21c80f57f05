#include "gateway/money/book_file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/scope.h"

#define MAGIC "custbk1\n"
#define CHANGE_BYTE 0
#define LOCK_TRIES 1000 /* a millisecond apart; a change takes microseconds */
#define HOLDER_BYTE (INT64_C(1) << 40) /* behind any file's end: locks may be there */

_Static_assert(sizeof(struct book_file) < UINT32_MAX, "offsets are 32 bits");
_Static_assert(sizeof(struct book_entry) <= BOOK_IMAGE_BYTES, "an image holds an entry");
_Static_assert(sizeof(struct book_totals) <= BOOK_IMAGE_BYTES, "an image holds the totals");

bool book_file_open(int home, int *ret_fd, struct fault *fault)
{
    AUTO_CLOSE int fd =
        openat(home, BOOK_FILE, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600);

    if (fd < 0)
        return fault_errno(fault, "open the budgets (%s)", BOOK_FILE);
    *ret_fd = take_fd(&fd);
    return true;
}

static bool lock_byte(int fd, int command, short type, int64_t at)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = at, .l_len = 1};
    int done;

    do
        done = fcntl(fd, command, &lock);
    while (done < 0 && errno == EINTR);
    return done == 0;
}

/*
 * Waits a second at most, and not again before it was had once: somebody who is stopped in the
 * middle of a change (SIGSTOP, a debugger) would hold up all calls of the host for as long.
 */
static bool lock_change(struct book_map *map, struct fault *fault)
{
    unsigned tries = map->is_stuck ? 1 : LOCK_TRIES;
    bool ok = lock_byte(map->fd, F_OFD_SETLK, F_WRLCK, CHANGE_BYTE);

    for (unsigned i = 1; !ok && i < tries && (errno == EAGAIN || errno == EACCES); i++) {
        (void)poll(NULL, 0, 1);
        ok = lock_byte(map->fd, F_OFD_SETLK, F_WRLCK, CHANGE_BYTE);
    }
    map->is_stuck = !ok;
    if (ok)
        return true;
    if (errno == EAGAIN || errno == EACCES)
        return fault_set(fault, FAULT_IO,
                         "a process of another run holds the budgets (%s in the state folder) and "
                         "does not go on: is it stopped? Without them nothing is spent",
                         BOOK_FILE);
    return fault_errno(fault, "lock the budgets");
}

static bool damaged(struct fault *fault)
{
    return fault_set(fault, FAULT_INVALID,
                     "the budgets' file (%s in the state folder) is damaged or another "
                     "version's: stop all runs and remove it; what was spent today is counted "
                     "anew then",
                     BOOK_FILE);
}

/* All of its blocks now: a full disk must not be met while it is mapped. */
static bool make_room(int fd, struct fault *fault)
{
    struct stat stat;
    int error;

    if (fstat(fd, &stat) < 0)
        return fault_errno(fault, "look at the budgets");
    if (stat.st_size == (off_t)sizeof(struct book_file))
        return true;
    if (stat.st_size != 0)
        return damaged(fault);
    error = posix_fallocate(fd, 0, (off_t)sizeof(struct book_file));
    if (error == 0)
        return true;
    errno = error;
    (void)!ftruncate(fd, 0);
    return fault_errno(fault, "make the budgets' file");
}

static bool is_whole(const struct book_file *file)
{
    return memcmp(file->magic, MAGIC, sizeof(file->magic)) == 0 &&
           file->bytes == sizeof(*file);
}

/* A file of zeros is a new one: who made it was killed before he had said so. */
static bool begin_file(struct book_file *file, struct fault *fault)
{
    if (file->magic[0] == 0 && file->bytes == 0) {
        file->bytes = sizeof(*file);
        atomic_thread_fence(memory_order_seq_cst);
        memcpy(file->magic, MAGIC, sizeof(file->magic));
    }
    return is_whole(file) || damaged(fault);
}

static bool map_file(struct book_map *map, struct fault *fault)
{
    int flags = map->fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
    void *at = mmap(NULL, sizeof(struct book_file), PROT_READ | PROT_WRITE, flags, map->fd, 0);

    if (at == MAP_FAILED)
        return fault_errno(fault, "map the budgets");
    map->file = at;
    return begin_file(map->file, fault);
}

bool book_map_open(int fd, struct book_map *ret_map, struct fault *fault)
{
    struct book_map map = {.fd = fd};
    bool ok = fd < 0 || lock_change(&map, fault);

    if (ok) {
        ok = (fd < 0 || make_room(fd, fault)) && map_file(&map, fault);
        book_unlock(&map);
    }
    if (!ok) {
        book_map_close(&map);
        return false;
    }
    *ret_map = map;
    return true;
}

void book_map_close(struct book_map *map)
{
    if (map->file != NULL)
        (void)munmap(map->file, sizeof(*map->file));
    map->file = NULL;
    scope_close(&map->fd);
}

static bool image_valid(const struct book_image *image)
{
    return image->bytes <= BOOK_IMAGE_BYTES && image->at < sizeof(struct book_file) &&
           image->bytes <= sizeof(struct book_file) - image->at;
}

/* The same bytes as often as one likes. */
static void apply(struct book_file *file)
{
    for (uint32_t i = 0; i < file->images; i++)
        memcpy((uint8_t *)file + file->image[i].at, file->image[i].with, file->image[i].bytes);
    atomic_thread_fence(memory_order_seq_cst);
    file->images = 0;
}

bool book_lock(struct book_map *map, struct fault *fault)
{
    struct book_file *file = map->file;

    if (map->fd >= 0 && !lock_change(map, fault))
        return false;
    map->images = 0;
    for (uint32_t i = 0; i < file->images; i++)
        if (i >= BOOK_IMAGES || !image_valid(&file->image[i])) {
            book_unlock(map);
            return damaged(fault);
        }
    if (file->images > 0)
        apply(file);
    return true;
}

void book_unlock(struct book_map *map)
{
    if (map->fd >= 0)
        (void)lock_byte(map->fd, F_OFD_SETLK, F_UNLCK, CHANGE_BYTE);
}

void book_put(struct book_map *map, const void *at, const void *with, size_t bytes)
{
    struct book_image *image = &map->file->image[map->images];

    if (map->images >= BOOK_IMAGES || bytes > BOOK_IMAGE_BYTES)
        abort();
    image->at = (uint32_t)((const uint8_t *)at - (const uint8_t *)map->file);
    image->bytes = (uint32_t)bytes;
    memcpy(image->with, with, bytes);
    map->images++;
}

void book_apply(struct book_map *map)
{
    atomic_thread_fence(memory_order_seq_cst);
    map->file->images = map->images;
    atomic_thread_fence(memory_order_seq_cst);
    apply(map->file);
    map->images = 0;
}

bool book_is_held(const struct book_map *map, uint32_t holder)
{
    struct flock lock = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = HOLDER_BYTE + holder, .l_len = 1};

    /* what cannot be asked is taken to live */
    return map->fd >= 0 && (fcntl(map->fd, F_OFD_GETLK, &lock) < 0 || lock.l_type != F_UNLCK);
}

bool book_hold(struct book_map *map, const char *run, uint32_t *ret_holder,
               struct fault *fault)
{
    for (uint32_t i = 0; i < BOOK_HOLDERS; i++) {
        struct book_holder holder = {.is_used = 1};

        if (map->file->holders[i].is_used != 0 ||
            (map->fd >= 0 && !lock_byte(map->fd, F_OFD_SETLK, F_WRLCK, HOLDER_BYTE + i)))
            continue;
        (void)snprintf(holder.run, sizeof(holder.run), "%s", run);
        book_put(map, &map->file->holders[i], &holder, sizeof(holder));
        book_apply(map);
        *ret_holder = i;
        return true;
    }
    return fault_set(fault, FAULT_LIMIT, "%d runs hold the budgets already", BOOK_HOLDERS);
}
