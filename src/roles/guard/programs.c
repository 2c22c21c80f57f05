#include "roles/guard/programs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "base/scope.h"

#define FILE_BYTES_MAX (INT64_C(4) << 30)
#define PIECE_BYTES (256 * 1024)
#define ROWS 8192              /* a power of two: what is not found is hashed again */
#define CACHED_BYTES_MIN 65536 /* what is shorter is hashed as quickly as it is remembered */
#define HEAD_BYTES 256         /* as far as Linux looks for an interpreter */

struct row {
    uint64_t device, inode, size, modified_ns, changed_ns;
    uint8_t digest[PROGRAM_DIGEST_BYTES];
};

struct programs {
    int cache_fd;
    struct row rows[ROWS]; /* a place each, the younger one stays; inode 0: free */
};

static uint64_t nanoseconds(struct timespec time)
{
    return (uint64_t)time.tv_sec * 1000000000U + (uint64_t)time.tv_nsec;
}

static struct row row_of(const struct stat *stat)
{
    return (struct row){.device = stat->st_dev,
                        .inode = stat->st_ino,
                        .size = (uint64_t)stat->st_size,
                        .modified_ns = nanoseconds(stat->st_mtim),
                        .changed_ns = nanoseconds(stat->st_ctim)};
}

static struct row *place_of(struct programs *programs, const struct row *row)
{
    uint64_t mixed = (row->inode ^ row->device << 32) * UINT64_C(0x9e3779b97f4a7c15);

    return &programs->rows[mixed >> 40 & (ROWS - 1)];
}

struct programs *programs_new(int cache_fd)
{
    struct programs *programs = xalloc(sizeof(*programs));
    struct row row;

    programs->cache_fd = cache_fd;
    for (off_t at = 0; cache_fd >= 0 && pread(cache_fd, &row, sizeof(row), at) == sizeof(row);
         at += (off_t)sizeof(row))
        *place_of(programs, &row) = row;
    return programs;
}

void programs_free(struct programs *programs)
{
    if (programs == NULL)
        return;
    scope_close(&programs->cache_fd);
    free(programs);
}

static int reopen(int fd)
{
    char path[32];

    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
}

static bool hash_file(int fd, EVP_MD_CTX *context, uint8_t *piece,
                      uint8_t ret_digest[PROGRAM_DIGEST_BYTES])
{
    int64_t total = 0;
    ssize_t got;

    if (EVP_DigestInit_ex(context, EVP_sha256(), NULL) != 1)
        return false;
    while ((got = read(fd, piece, PIECE_BYTES)) > 0)
        if ((total += got) > FILE_BYTES_MAX ||
            EVP_DigestUpdate(context, piece, (size_t)got) != 1)
            return false;
    return got == 0 && EVP_DigestFinal_ex(context, ret_digest, NULL) == 1;
}

/* Only what did not change while it was read is remembered. */
static void remember(struct programs *programs, int fd, const struct row *row)
{
    struct stat stat;
    struct row now;

    if (fstat(fd, &stat) < 0)
        return;
    now = row_of(&stat);
    if (memcmp(&now, row, offsetof(struct row, digest)) != 0)
        return;
    *place_of(programs, row) = *row;
    /* What cannot be written is hashed again by the next run. */
    if (programs->cache_fd >= 0 && row->size >= CACHED_BYTES_MIN &&
        write(programs->cache_fd, row, sizeof(*row)) < 0)
        scope_close(&programs->cache_fd);
}

bool programs_digest(struct programs *programs, int fd, const struct stat *stat,
                     uint8_t ret_digest[PROGRAM_DIGEST_BYTES], struct fault *fault)
{
    struct row row = row_of(stat);
    const struct row *known = place_of(programs, &row);
    AUTO_FREE uint8_t *piece = NULL;
    AUTO_CLOSE int file = -1;
    EVP_MD_CTX *context;
    bool ok;

    if (memcmp(known, &row, offsetof(struct row, digest)) == 0) {
        memcpy(ret_digest, known->digest, PROGRAM_DIGEST_BYTES);
        return true;
    }
    if (stat->st_size > FILE_BYTES_MAX)
        return fault_set(fault, FAULT_LIMIT, "a program of more than 4 GiB");
    file = reopen(fd);
    if (file < 0)
        return fault_errno(fault, "read a program");
    piece = xalloc(PIECE_BYTES);
    context = EVP_MD_CTX_new();
    ok = context != NULL && hash_file(file, context, piece, row.digest);
    EVP_MD_CTX_free(context);
    if (!ok)
        return fault_set(fault, FAULT_IO, "a program cannot be hashed");
    remember(programs, file, &row);
    memcpy(ret_digest, row.digest, PROGRAM_DIGEST_BYTES);
    return true;
}

bool programs_head(int fd, struct buf *ret_head, struct fault *fault)
{
    AUTO_CLOSE int file = reopen(fd);
    ssize_t got;

    buf_clear(ret_head);
    if (file < 0 || !buf_reserve(ret_head, HEAD_BYTES, fault))
        return fault_errno(fault, "read a program");
    got = read(file, ret_head->at, HEAD_BYTES);
    if (got < 0)
        return fault_errno(fault, "read a program");
    ret_head->len = (size_t)got;
    return true;
}
