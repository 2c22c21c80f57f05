#include "ledger/archive_move.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/hex.h"
#include "base/scope.h"
#include "ledger/seekable.h"
#include "os/file.h"

/* a file that has so much gets no more bundles */
#define FILE_BYTES_SOFT (32UL * 1024 * 1024)
#define FILE_BYTES_MAX (FILE_BYTES_SOFT + 2UL * TILE_BUNDLE_BYTES_MAX)
#define MANIFEST_BYTES_MAX (64UL * 1024 * 1024)
#define READ_BYTES (1024UL * 1024)

static struct tile bundle_tile(uint64_t bundle)
{
    return (struct tile){.is_entries = true, .index = bundle, .width = TILE_WIDTH};
}

static bool is_here(int folder, uint64_t bundle)
{
    struct tile tile = bundle_tile(bundle);
    char path[TILE_PATH_BYTES];

    tile_path(&tile, path);
    return file_exists(folder, path);
}

static void tell(const struct archive_progress *progress, const char *what, uint64_t done,
                 uint64_t total)
{
    if (progress != NULL)
        progress->tell(progress->self, what, done, total);
}

/* Time of a bundle's newest record: clocks step back, so it need not be the last. */
static bool newest_of(struct slice bundle, struct buf *arena, int64_t *ret_us,
                      struct fault *fault)
{
    struct record_header header;
    struct record record;
    struct slice entry;

    *ret_us = INT64_MIN;
    while (tile_bundle_take(&bundle, &entry)) {
        if (!record_decode(entry, &record, &header, arena, fault))
            return false;
        if (header.t_us > *ret_us)
            *ret_us = header.t_us;
    }
    return true;
}

static void plan_add(struct archive_plan *plan, uint64_t bundle)
{
    plan->bundles++;
    if (plan->count > 0 && plan->at[plan->count - 1].end == bundle) {
        plan->at[plan->count - 1].end++;
        return;
    }
    plan->at = xgrow(plan->at, &plan->room, plan->count + 1, sizeof(plan->at[0]));
    plan->at[plan->count++] = (struct bundle_range){.first = bundle, .end = bundle + 1};
}

bool archive_plan_make(int folder, uint64_t size, int64_t before_us,
                       struct archive_plan *ret_plan, struct fault *fault)
{
    AUTO_BUF struct buf bytes = buf_with_limit(TILE_BUNDLE_BYTES_MAX);
    AUTO_BUF struct buf arena = buf_with_limit(RECORD_BYTES_MAX + 1);
    struct archive_plan plan = {.at = NULL};
    int64_t newest;

    for (plan.stop = 1; size > 0 && plan.stop < (size - 1) / TILE_WIDTH; plan.stop++) {
        struct tile tile = bundle_tile(plan.stop);

        if (!is_here(folder, plan.stop))
            continue; /* went before */
        if (!tile_read(folder, &tile, &bytes, fault) ||
            !newest_of(buf_slice(&bytes), &arena, &newest, fault)) {
            archive_plan_free(&plan);
            return fault_in(fault, "bundle %llu", (unsigned long long)tile.index);
        }
        if (newest >= before_us)
            break;
        plan_add(&plan, plan.stop);
    }
    *ret_plan = plan;
    return true;
}

void archive_plan_free(struct archive_plan *plan)
{
    free(plan->at);
    *plan = (struct archive_plan){.at = NULL};
}

/* A file of the archive while it is put together. */
struct packing {
    const struct cold *cold;
    struct archive_file file;
    struct seekable table;
    struct buf bytes;
};

static bool packing_end(struct packing *packing, struct fault *fault)
{
    char name[COLD_NAME_BYTES];
    bool ok = true;

    if (packing->table.count > 0) {
        archive_file_name(&packing->file, name);
        ok = seekable_end(&packing->table, &packing->bytes, fault) &&
             packing->cold->put(packing->cold->self, name, buf_slice(&packing->bytes), fault);
    }
    packing->table.count = 0;
    buf_clear(&packing->bytes);
    return ok;
}

static bool packing_add(struct packing *packing, uint64_t bundle, struct slice bytes,
                        struct fault *fault)
{
    if (packing->table.count > 0 &&
        (packing->file.end != bundle || bundle % SEEKABLE_FRAMES_MAX == 0 ||
         packing->bytes.len > FILE_BYTES_SOFT) &&
        !packing_end(packing, fault))
        return false;
    if (packing->table.count == 0)
        packing->file.first = bundle;
    packing->file.end = bundle + 1;
    return seekable_pack(&packing->table, bytes, &packing->bytes, fault);
}

bool archive_copy(int folder, const struct archive_plan *plan, const struct archive *archive,
                  const struct cold *cold, const struct archive_progress *progress,
                  struct fault *fault)
{
    AUTO_BUF struct buf bytes = buf_with_limit(TILE_BUNDLE_BYTES_MAX);
    AUTO_FREE struct packing *packing = xalloc(sizeof(*packing));
    uint64_t done = 0;
    bool ok = true;

    packing->cold = cold;
    packing->bytes = buf_with_limit(FILE_BYTES_MAX);
    for (size_t i = 0; ok && i < plan->count; i++)
        for (uint64_t at = plan->at[i].first; ok && at < plan->at[i].end; at++) {
            struct tile tile = bundle_tile(at);

            tell(progress, "copied", ++done, plan->bundles);
            if (!archive_has(archive, at))
                ok = tile_read(folder, &tile, &bytes, fault) &&
                     packing_add(packing, at, buf_slice(&bytes), fault);
        }
    ok = ok && packing_end(packing, fault);
    buf_free(&packing->bytes);
    return ok;
}

/* A bundle out of the archive, each of its records what the ledger's hash tile says. */
static bool read_checked(int folder, struct archive *archive, uint64_t bundle,
                         struct buf *bytes, struct buf *hashes, struct fault *fault)
{
    struct tile tile = {.level = 0, .index = bundle, .width = TILE_WIDTH};
    struct slice rest, entry;

    if (!tile_read(folder, &tile, hashes, fault) ||
        !archive_bundle(archive, bundle, bytes, fault))
        return false;
    rest = buf_slice(bytes);
    for (unsigned i = 0; tile_bundle_take(&rest, &entry); i++) {
        struct tree_hash hash = tree_leaf(entry);

        if (memcmp(hash.at, hashes->at + i * TREE_HASH_BYTES, TREE_HASH_BYTES) != 0)
            return fault_set(fault, FAULT_INVALID,
                             "archive: record %llu in bundle %llu is not what the ledger's "
                             "hash tile says",
                             (unsigned long long)(bundle * TILE_WIDTH + i),
                             (unsigned long long)bundle);
    }
    return true;
}

bool archive_check(int folder, const struct archive_plan *plan, struct archive *archive,
                   const struct archive_progress *progress, struct fault *fault)
{
    AUTO_BUF struct buf bytes = buf_with_limit(TILE_BUNDLE_BYTES_MAX);
    AUTO_BUF struct buf hashes = buf_with_limit(TILE_WIDTH * TREE_HASH_BYTES);
    uint64_t done = 0;

    for (size_t i = 0; i < plan->count; i++)
        for (uint64_t at = plan->at[i].first; at < plan->at[i].end; at++) {
            if (!read_checked(folder, archive, at, &bytes, &hashes, fault))
                return false;
            tell(progress, "read back", ++done, plan->bundles);
        }
    return true;
}

static void hex_of(EVP_MD_CTX *context, char ret_hex[65])
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;

    if (EVP_DigestFinal_ex(context, digest, &len) != 1 || len != 32)
        abort();
    hex_encode(slice_of_bytes(digest, len), ret_hex);
}

static EVP_MD_CTX *digest_begin(void)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();

    if (context == NULL || EVP_DigestInit_ex(context, EVP_sha256(), NULL) != 1)
        abort();
    return context;
}

static bool digest_file(const struct cold *cold, const char *name, char ret_hex[65],
                        uint64_t *ret_size, struct fault *fault)
{
    AUTO_BUF struct buf bytes = buf_with_limit(READ_BYTES);
    EVP_MD_CTX *context;
    bool ok = cold->size(cold->self, name, ret_size, fault);

    if (!ok)
        return false;
    context = digest_begin();
    for (uint64_t at = 0; ok && at < *ret_size; at += bytes.len) {
        uint64_t left = *ret_size - at;

        buf_clear(&bytes);
        ok = cold->read(cold->self, name, at, left < READ_BYTES ? left : READ_BYTES, &bytes,
                        fault) &&
             EVP_DigestUpdate(context, bytes.at, bytes.len) == 1;
    }
    if (ok)
        hex_of(context, ret_hex);
    EVP_MD_CTX_free(context);
    return ok;
}

/* Puts it there, or finds the very same. */
static bool put_manifest(const struct cold *cold, const struct bundle_range *range,
                         struct slice text, struct fault *fault)
{
    AUTO_BUF struct buf there = buf_with_limit(MANIFEST_BYTES_MAX);
    const struct archive_file all = {.first = range->first, .end = range->end};
    char name[COLD_NAME_BYTES];
    uint64_t size;

    archive_file_name(&all, name);
    memcpy(strrchr(name, '.'), ".sum", sizeof(".sum"));
    if (cold->put(cold->self, name, text, fault))
        return true;
    if (fault->kind != FAULT_CONFLICT)
        return false;
    return cold->size(cold->self, name, &size, fault) && size == text.len &&
                   cold->read(cold->self, name, 0, size, &there, fault) &&
                   slice_equal(buf_slice(&there), text)
               ? true
               : fault_set(fault, FAULT_CONFLICT,
                           "archive: %s is there and says something else: take it away", name);
}

bool archive_manifest(const struct archive *archive, const struct cold *cold,
                      const struct bundle_range *range, char ret_digest[65],
                      uint64_t *ret_bytes, struct fault *fault)
{
    AUTO_BUF struct buf text = buf_with_limit(MANIFEST_BYTES_MAX);
    EVP_MD_CTX *context;

    *ret_bytes = 0;
    for (size_t i = 0; i < archive_count(archive); i++) {
        const struct archive_file *file = archive_file_at(archive, i);
        char name[COLD_NAME_BYTES], hex[65];
        uint64_t size;

        if (file->end <= range->first || file->first >= range->end)
            continue;
        archive_file_name(file, name);
        if (!digest_file(cold, name, hex, &size, fault) ||
            !buf_add_format(&text, fault, "%s  %s\n", hex, name))
            return false;
        *ret_bytes += size;
    }
    context = digest_begin();
    if (EVP_DigestUpdate(context, text.at, text.len) != 1)
        abort();
    hex_of(context, ret_digest);
    EVP_MD_CTX_free(context);
    return put_manifest(cold, range, buf_slice(&text), fault);
}

/* Partial files of a bundle that is full have no use any more, and hold the same records. */
static bool drop_partials(int folder, const char *path, uint64_t *freed, struct fault *fault)
{
    AUTO_FREE char *partials = xformat("%s.p", path);
    AUTO_CLOSE int fd =
        openat(folder, partials, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    DIR *dir;

    if (fd < 0)
        return errno == ENOENT ? true : fault_errno(fault, "open %s", partials);
    dir = fdopendir(fd);
    if (dir == NULL)
        return fault_errno(fault, "list %s", partials);
    (void)take_fd(&fd);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        struct stat stat;

        if (fstatat(dirfd(dir), entry->d_name, &stat, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(stat.st_mode) && unlinkat(dirfd(dir), entry->d_name, 0) == 0)
            *freed += (uint64_t)stat.st_blocks * 512;
    }
    (void)closedir(dir);
    return unlinkat(folder, partials, AT_REMOVEDIR) == 0
               ? true
               : fault_errno(fault, "remove %s", partials);
}

static bool sync_above(int folder, const char *path, struct fault *fault)
{
    AUTO_FREE char *above =
        slice_dup(slice_of_bytes(path, (size_t)(strrchr(path, '/') - path)));
    AUTO_CLOSE int fd = openat(folder, above, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    return fd >= 0 && fsync(fd) == 0 ? true : fault_errno(fault, "sync %s", above);
}

bool archive_drop(int folder, const struct bundle_range *range, uint64_t *ret_freed_bytes,
                  struct fault *fault)
{
    uint64_t freed = 0;

    for (uint64_t at = range->first; at < range->end; at++) {
        struct tile tile = bundle_tile(at);
        char path[TILE_PATH_BYTES];
        struct stat stat;

        tile_path(&tile, path);
        if (!drop_partials(folder, path, &freed, fault))
            return false;
        if (fstatat(folder, path, &stat, AT_SYMLINK_NOFOLLOW) < 0 ||
            unlinkat(folder, path, 0) < 0) {
            if (errno != ENOENT)
                return fault_errno(fault, "remove %s", path);
        } else {
            freed += (uint64_t)stat.st_blocks * 512;
        }
        /* 1,000 of them are in one folder. */
        if ((at % 1000 == 999 || at + 1 == range->end) && !sync_above(folder, path, fault))
            return false;
    }
    *ret_freed_bytes = freed;
    return true;
}

static bool each_record(struct slice bundle, struct buf *arena,
                        bool (*each)(void *self, const struct record *record, int64_t t_us,
                                     struct fault *fault),
                        void *self, struct fault *fault)
{
    struct record_header header;
    struct record record;
    struct slice entry;

    while (tile_bundle_take(&bundle, &entry))
        if (!record_decode(entry, &record, &header, arena, fault) ||
            !each(self, &record, header.t_us, fault))
            return false;
    return true;
}

bool archive_records(int folder, struct archive *archive, const struct archive_file *file,
                     bool (*each)(void *self, const struct record *record, int64_t t_us,
                                  struct fault *fault),
                     void *self, struct fault *fault)
{
    AUTO_BUF struct buf bytes = buf_with_limit(TILE_BUNDLE_BYTES_MAX);
    AUTO_BUF struct buf hashes = buf_with_limit(TILE_WIDTH * TREE_HASH_BYTES);
    AUTO_BUF struct buf arena = buf_with_limit(RECORD_BYTES_MAX + 1);

    for (uint64_t at = file->first; at < file->end; at++)
        if (!read_checked(folder, archive, at, &bytes, &hashes, fault) ||
            !each_record(buf_slice(&bytes), &arena, each, self, fault))
            return false;
    return true;
}
