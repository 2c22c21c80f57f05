#include "ledger/edge.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/scope.h"
#include "os/file.h"

#define TEMPORARY_NAME "new-tile"
#define FILES_AT_ONCE                                                                         \
    4 /* that are synced before anything else gets its turn, where that waits */

struct level {
    struct tree_hash hashes[TILE_WIDTH];
    unsigned count;
    bool is_new; /* since the last flush */
};

/* Written under a name of its own, and not synced yet. */
struct unsynced {
    int fd;
    unsigned number; /* in its name */
    char path[TILE_PATH_BYTES];
};

struct edge {
    int folder, temporary;
    const struct durable *durable;
    struct unsynced files[2 * DURABLE_FILES_MAX]; /* the first `syncing` are being synced */
    size_t file_count, syncing;
    unsigned files_made;
    char made[2][TILE_PATH_BYTES]; /* folder that was there last, of tiles and of bundles */
    uint64_t size;
    struct level levels[TILE_LEVELS];
    struct buf bundle; /* entries of the unfinished one */
    char **folders;    /* to be synced by the next flush */
    size_t folder_count, folder_room;
    struct tile *filled; /* their partial files may go once they are published */
    size_t filled_count, filled_room;
};

struct edge *edge_new(int folder, int temporary, const struct durable *durable)
{
    struct edge *edge = xalloc(sizeof(*edge));

    edge->folder = folder;
    edge->temporary = temporary;
    edge->durable = durable;
    edge->bundle = buf_with_limit(TILE_BUNDLE_BYTES_MAX);
    return edge;
}

static void temporary_name(unsigned number, char ret_name[32])
{
    (void)snprintf(ret_name, 32, TEMPORARY_NAME ".%u", number);
}

/* What has no name yet never gets one. */
static void forget_files(struct edge *edge)
{
    struct fault ignored = {0};
    bool done;

    if (edge->syncing > 0 &&
        !edge->durable->finish(edge->durable->self, true, &done, &ignored))
        edge->syncing = 0;
    for (size_t i = 0; i < edge->file_count; i++) {
        char name[32];

        temporary_name(edge->files[i].number, name);
        (void)close(edge->files[i].fd);
        (void)unlinkat(edge->temporary, name, 0);
    }
    edge->file_count = edge->syncing = 0;
}

static void edge_forget(struct edge *edge)
{
    forget_files(edge);
    for (size_t i = 0; i < edge->folder_count; i++)
        free(edge->folders[i]);
    edge->folder_count = edge->filled_count = 0;
    buf_clear(&edge->bundle);
    memset(edge->levels, 0, sizeof(edge->levels));
    memset(edge->made, 0, sizeof(edge->made));
    edge->size = 0;
}

void edge_free(struct edge *edge)
{
    if (edge == NULL)
        return;
    edge_forget(edge);
    free(edge->folders);
    free(edge->filled);
    buf_free(&edge->bundle);
    free(edge);
}

static bool load_level(struct edge *edge, unsigned level, uint64_t size, struct fault *fault)
{
    AUTO_BUF struct buf bytes = buf_with_limit(TILE_WIDTH * TREE_HASH_BYTES);
    uint64_t hashes = size >> (8 * level);
    struct tile tile = {.level = level, .index = hashes / TILE_WIDTH};

    tile.width = (unsigned)(hashes % TILE_WIDTH);
    if (tile.width == 0)
        return true;
    if (!tile_read(edge->folder, &tile, &bytes, fault))
        return false;
    memcpy(edge->levels[level].hashes, bytes.at, bytes.len);
    edge->levels[level].count = tile.width;
    return true;
}

static bool load_bundle(struct edge *edge, uint64_t size, struct fault *fault)
{
    struct tile tile = {.is_entries = true, .index = size / TILE_WIDTH};
    struct slice rest, entry;

    tile.width = (unsigned)(size % TILE_WIDTH);
    if (tile.width == 0)
        return true;
    if (!tile_read(edge->folder, &tile, &edge->bundle, fault))
        return false;
    rest = buf_slice(&edge->bundle);
    for (unsigned i = 0; tile_bundle_take(&rest, &entry); i++) {
        struct tree_hash hash = tree_leaf(entry);

        if (!tree_hash_equal(&hash, &edge->levels[0].hashes[i]))
            return fault_set(fault, FAULT_INVALID, "record %llu is not what its tile says",
                             (unsigned long long)(tile.index * TILE_WIDTH + i));
    }
    return true;
}

struct tree_range edge_range(const struct edge *edge)
{
    struct tree_range range = {0};

    for (unsigned i = TILE_LEVELS; i > 0; i--) /* the largest subtrees are the leftmost */
        for (unsigned at = 0; at < edge->levels[i - 1].count; at++)
            tree_append_subtree(&range, &edge->levels[i - 1].hashes[at], 8 * (i - 1));
    return range;
}

bool edge_load(struct edge *edge, uint64_t size, struct tree_range *ret_range,
               struct fault *fault)
{
    edge_forget(edge);
    for (unsigned i = TILE_LEVELS; i > 0; i--)
        if (!load_level(edge, i - 1, size, fault))
            return false;
    if (!load_bundle(edge, size, fault))
        return false;
    edge->size = size;
    *ret_range = edge_range(edge);
    assert(ret_range->size == size);
    return true;
}

static void sync_later(struct edge *edge, struct slice path)
{
    for (size_t i = 0; i < edge->folder_count; i++)
        if (slice_equal(slice_of(edge->folders[i]), path))
            return;
    edge->folders =
        xgrow(edge->folders, &edge->folder_room, edge->folder_count + 1, sizeof(char *));
    edge->folders[edge->folder_count++] = slice_dup(path);
}

/* Makes the folders above `path` that are missing. */
static bool make_folders_above(struct edge *edge, const char *path, bool is_entries,
                               struct fault *fault)
{
    struct slice whole = slice_of(path);
    struct slice parent = slice_of_bytes(path, (size_t)(strrchr(path, '/') - path));
    char *made = edge->made[is_entries];

    if (slice_equal(slice_of(made), parent))
        return true;

    for (size_t at = slice_find_byte(whole, '/', 0); at != SIZE_MAX;
         at = slice_find_byte(whole, '/', at + 1)) {
        AUTO_FREE char *folder = slice_dup(slice_part(whole, 0, at));
        char *above = strrchr(folder, '/');

        if (mkdirat(edge->folder, folder, 0755) < 0) {
            if (errno != EEXIST)
                return fault_errno(fault, "make folder %s", folder);
            continue;
        }
        sync_later(edge, above == NULL ? SLICE(".")
                                       : slice_of_bytes(folder, (size_t)(above - folder)));
    }
    (void)snprintf(made, TILE_PATH_BYTES, "%.*s", SLICE_ARGS(parent));
    return true;
}

/* True in ret_same when the file is there with these very bytes; other bytes are a fault. */
static bool is_there(struct edge *edge, const char *path, struct slice bytes, bool *ret_same,
                     struct fault *fault)
{
    AUTO_BUF struct buf old = buf_with_limit(TILE_BUNDLE_BYTES_MAX);

    *ret_same = false;
    if (!file_exists(edge->folder, path))
        return true;
    if (!file_read(edge->folder, path, &old, fault))
        return false;
    *ret_same = slice_equal(buf_slice(&old), bytes);
    return *ret_same ? true
                     : fault_set(fault, FAULT_INVALID, "%s is there with other content", path);
}

/* Synced: now it gets its name. */
static bool name_files(struct edge *edge, struct fault *fault)
{
    for (size_t i = 0; i < edge->syncing; i++) {
        struct unsynced *file = &edge->files[i];
        char name[32];

        temporary_name(file->number, name);
        if (renameat(edge->temporary, name, edge->folder, file->path) < 0)
            return fault_errno(fault, "rename %s", file->path);
        sync_later(
            edge, slice_of_bytes(file->path, (size_t)(strrchr(file->path, '/') - file->path)));
    }
    for (size_t i = 0; i < edge->syncing; i++)
        (void)close(edge->files[i].fd);
    edge->file_count -= edge->syncing;
    memmove(edge->files, edge->files + edge->syncing,
            edge->file_count * sizeof(edge->files[0]));
    edge->syncing = 0;
    return true;
}

static bool sync_begin(struct edge *edge, struct fault *fault)
{
    size_t most = edge->durable->is_overlapped ? DURABLE_FILES_MAX : FILES_AT_ONCE;
    int fds[DURABLE_FILES_MAX];

    edge->syncing = edge->file_count < most ? edge->file_count : most;
    for (size_t i = 0; i < edge->syncing; i++)
        fds[i] = edge->files[i].fd;
    return edge->durable->begin_files(edge->durable->self, fds, edge->syncing, fault);
}

bool edge_sync(struct edge *edge, bool wait, bool *ret_done, struct fault *fault)
{
    bool done = true;

    do {
        if (edge->syncing > 0 &&
            (!edge->durable->finish(edge->durable->self, wait, &done, fault) ||
             (done && !name_files(edge, fault))))
            return false;
        if (done && edge->file_count > 0 && !sync_begin(edge, fault))
            return false;
    } while (wait && edge->file_count > 0);
    *ret_done = edge->file_count == 0;
    return true;
}

/* Until there is a place for one more. */
static bool make_room(struct edge *edge, struct fault *fault)
{
    bool done;

    while (edge->file_count == COUNT(edge->files)) {
        if (edge->syncing == 0 && !sync_begin(edge, fault))
            return false;
        if (!edge->durable->finish(edge->durable->self, true, &done, fault) ||
            !name_files(edge, fault))
            return false;
    }
    return true;
}

static bool place_file(struct edge *edge, const struct tile *tile, struct slice bytes,
                       struct fault *fault)
{
    struct unsynced file = {.number = edge->files_made};
    AUTO_CLOSE int fd = -1;
    char name[32];
    bool same;

    tile_path(tile, file.path);
    if (!is_there(edge, file.path, bytes, &same, fault))
        return false;
    if (same) {
        sync_later(edge,
                   slice_of_bytes(file.path, (size_t)(strrchr(file.path, '/') - file.path)));
        return true;
    }
    if (!make_room(edge, fault) ||
        !make_folders_above(edge, file.path, tile->is_entries, fault))
        return false;
    temporary_name(file.number, name);
    fd = openat(edge->temporary, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
                0644);
    if (fd < 0)
        return fault_errno(fault, "create %s", name);
    if (!file_write_all(fd, bytes, fault)) {
        (void)unlinkat(edge->temporary, name, 0);
        return fault_in(fault, "%s", file.path);
    }
    file.fd = take_fd(&fd);
    edge->files[edge->file_count++] = file;
    edge->files_made = (edge->files_made + 1) % (4 * DURABLE_FILES_MAX);
    return true;
}

static void drop_partials_later(struct edge *edge, const struct tile *tile)
{
    edge->filled =
        xgrow(edge->filled, &edge->filled_room, edge->filled_count + 1, sizeof(*edge->filled));
    edge->filled[edge->filled_count++] = *tile;
}

/* Writes the bundle or tile as it is now. */
static bool place_bundle(struct edge *edge, const struct tile *tile, struct fault *fault)
{
    return place_file(edge, tile, buf_slice(&edge->bundle), fault);
}

static bool place_tile(struct edge *edge, const struct tile *tile, struct fault *fault)
{
    const struct level *level = &edge->levels[tile->level];

    return place_file(
        edge, tile,
        slice_of_bytes(level->hashes[0].at, level->count * sizeof(level->hashes[0])), fault);
}

/* A full tile at `level` is written, and its root is the next hash of the level above. */
static bool carry(struct edge *edge, unsigned level, struct fault *fault)
{
    for (; edge->levels[level].count == TILE_WIDTH; level++) {
        struct tile tile = {.level = level,
                            .index = (edge->size >> (8 * level)) / TILE_WIDTH - 1,
                            .width = TILE_WIDTH};
        struct level *above = &edge->levels[level + 1];

        assert(level + 1 < TILE_LEVELS);
        if (!place_tile(edge, &tile, fault))
            return false;
        drop_partials_later(edge, &tile);
        above->hashes[above->count++] = tree_root_of(edge->levels[level].hashes, TILE_WIDTH);
        above->is_new = true;
        edge->levels[level].count = 0;
    }
    return true;
}

bool edge_add(struct edge *edge, struct slice leaf, const struct tree_hash *leaf_hash,
              struct fault *fault)
{
    struct level *lowest = &edge->levels[0];

    if (!tile_bundle_add(&edge->bundle, leaf, fault))
        return false;
    lowest->hashes[lowest->count++] = *leaf_hash;
    lowest->is_new = true;
    edge->size++;
    if (lowest->count == TILE_WIDTH) {
        struct tile tile = {
            .is_entries = true, .index = edge->size / TILE_WIDTH - 1, .width = TILE_WIDTH};

        if (!place_bundle(edge, &tile, fault))
            return false;
        drop_partials_later(edge, &tile);
        buf_clear(&edge->bundle);
    }
    return carry(edge, 0, fault);
}

bool edge_write_partials(struct edge *edge, struct fault *fault)
{
    for (unsigned i = 0; i < TILE_LEVELS; i++) {
        struct tile tile = {.level = i,
                            .index = (edge->size >> (8 * i)) / TILE_WIDTH,
                            .width = edge->levels[i].count};

        if (!edge->levels[i].is_new || tile.width == 0)
            continue;
        if (!place_tile(edge, &tile, fault))
            return false;
        tile.is_entries = i == 0;
        if (i == 0 && !place_bundle(edge, &tile, fault))
            return false;
        edge->levels[i].is_new = false;
    }
    return true;
}

bool edge_sync_folders(struct edge *edge, struct fault *fault)
{
    assert(edge->file_count == 0);
    for (size_t i = 0; i < edge->folder_count; i++) {
        AUTO_CLOSE int fd =
            openat(edge->folder, edge->folders[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0 || fsync(fd) < 0)
            return fault_errno(fault, "sync %s", edge->folders[i]);
    }
    for (size_t i = 0; i < edge->folder_count; i++)
        free(edge->folders[i]);
    edge->folder_count = 0;
    return true;
}

bool edge_flush(struct edge *edge, struct fault *fault)
{
    bool done;

    return edge_write_partials(edge, fault) && edge_sync(edge, true, &done, fault) &&
           edge_sync_folders(edge, fault);
}

void edge_drop_partials(struct edge *edge)
{
    for (size_t i = 0; i < edge->filled_count; i++) {
        struct fault ignored = {0}; /* they do no harm where they are */
        struct tile partial = edge->filled[i];
        char path[TILE_PATH_BYTES];

        partial.width = 1;
        tile_path(&partial, path);
        *strrchr(path, '/') = 0;
        if (!file_remove_tree(edge->folder, path, &ignored))
            continue;
    }
    edge->filled_count = 0;
}
