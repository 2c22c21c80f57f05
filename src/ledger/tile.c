#include "ledger/tile.h"

#include <fcntl.h>

#include "base/scope.h"
#include "os/file.h"

void tile_path(const struct tile *tile, char ret_path[TILE_PATH_BYTES])
{
    char groups[40];
    char partial[8] = "";
    char level[8] = "entries";
    int len = 0;
    uint64_t unit = 1;

    while (tile->index / unit >= 1000)
        unit *= 1000;
    for (; unit > 0; unit /= 1000)
        len += snprintf(groups + len, sizeof(groups) - (size_t)len, "%s%03u",
                        unit > 1 ? "/x" : "/", (unsigned)(tile->index / unit % 1000));
    if (!tile->is_entries)
        (void)snprintf(level, sizeof(level), "%u", tile->level & 63);
    if (tile->width != TILE_WIDTH)
        (void)snprintf(partial, sizeof(partial), ".p/%u", tile->width & 255);
    (void)snprintf(ret_path, TILE_PATH_BYTES, "tile/%s%s%s", level, groups, partial);
}

/* A number of at most `digits_max` digits, to the end or the next '/' or '.'. */
static bool take_number(struct slice *rest, size_t digits_max, unsigned *ret_number)
{
    unsigned number = 0;
    size_t count = 0;

    while (count < rest->len && rest->at[count] >= '0' && rest->at[count] <= '9') {
        if (count == digits_max)
            return false;
        number = number * 10 + (unsigned)(rest->at[count++] - '0');
    }
    *rest = slice_part(*rest, count, rest->len);
    *ret_number = number;
    return count > 0;
}

static bool take_word(struct slice *rest, struct slice word)
{
    if (!slice_starts_with(*rest, word))
        return false;
    *rest = slice_part(*rest, word.len, rest->len);
    return true;
}

bool tile_path_parse(struct slice path, struct tile *ret_tile)
{
    struct tile tile = {.width = TILE_WIDTH};
    struct slice rest = path;
    char again[TILE_PATH_BYTES];
    unsigned number;

    if (!take_word(&rest, SLICE("tile/")))
        return false;
    if (take_word(&rest, SLICE("entries/")))
        tile.is_entries = true;
    else if (!take_number(&rest, 2, &tile.level) || tile.level > 63 ||
             !take_word(&rest, SLICE("/")))
        return false;
    while (take_word(&rest, SLICE("x"))) {
        if (tile.index > TREE_SIZE_MAX / 1000000 || !take_number(&rest, 3, &number) ||
            !take_word(&rest, SLICE("/")))
            return false;
        tile.index = tile.index * 1000 + number;
    }
    if (!take_number(&rest, 3, &number))
        return false;
    tile.index = tile.index * 1000 + number;
    if (take_word(&rest, SLICE(".p/")) &&
        (!take_number(&rest, 3, &tile.width) || tile.width == 0 || tile.width >= TILE_WIDTH))
        return false;
    tile_path(&tile, again); /* one way to write each */
    if (!slice_equal(slice_of(again), path))
        return false;
    *ret_tile = tile;
    return true;
}

unsigned tile_width(unsigned level, uint64_t index, uint64_t size)
{
    uint64_t hashes = level >= TILE_LEVELS ? 0 : size >> (8 * level);

    if (index >= hashes / TILE_WIDTH + 1)
        return 0;
    return index < hashes / TILE_WIDTH ? TILE_WIDTH : (unsigned)(hashes % TILE_WIDTH);
}

bool tile_bundle_add(struct buf *bundle, struct slice entry, struct fault *fault)
{
    uint8_t len[2] = {(uint8_t)(entry.len >> 8), (uint8_t)entry.len};

    if (entry.len > TILE_ENTRY_BYTES_MAX)
        return fault_set(fault, FAULT_LIMIT, "entry of %zu bytes", entry.len);
    return buf_reserve(bundle, sizeof(len) + entry.len, fault) &&
           buf_add(bundle, slice_of_bytes(len, sizeof(len)), fault) &&
           buf_add(bundle, entry, fault);
}

bool tile_bundle_take(struct slice *rest, struct slice *ret_entry)
{
    size_t len;

    if (rest->len < 2)
        return false;
    len = (size_t)rest->at[0] << 8 | rest->at[1];
    if (len > rest->len - 2)
        return false;
    *ret_entry = slice_part(*rest, 2, 2 + len);
    *rest = slice_part(*rest, 2 + len, rest->len);
    return true;
}

/*
 * Cuts `bytes` behind `width` hashes or entries; `exactly`: there must be no more than that.
 */
static bool cut_to_width(const struct tile *tile, unsigned width, bool exactly,
                         struct buf *bytes, struct fault *fault)
{
    struct slice rest = buf_slice(bytes);
    struct slice entry;
    unsigned count = 0;

    if (tile->is_entries) {
        while (count < width && tile_bundle_take(&rest, &entry))
            count++;
    } else {
        size_t whole =
            bytes->len / TREE_HASH_BYTES < width ? bytes->len / TREE_HASH_BYTES : width;

        count = (unsigned)whole;
        rest = slice_part(rest, whole * TREE_HASH_BYTES, rest.len);
    }
    if (count < width)
        return fault_set(fault, FAULT_INVALID, "%u of %u are there", count, width);
    if (exactly && rest.len > 0)
        return fault_set(fault, FAULT_INVALID, "%zu bytes too many", rest.len);
    bytes->len -= rest.len;
    return true;
}

bool tile_read(int folder, const struct tile *tile, struct buf *ret_bytes, struct fault *fault)
{
    char path[TILE_PATH_BYTES];
    struct tile full = *tile;
    bool whole = tile->width == TILE_WIDTH;

    buf_clear(ret_bytes);
    tile_path(tile, path);
    if (!file_read(folder, path, ret_bytes, fault)) {
        if (fault->kind != FAULT_MISSING || whole)
            return false;
        full.width = TILE_WIDTH;
        buf_clear(ret_bytes);
        tile_path(&full, path);
        if (!file_read(folder, path, ret_bytes, fault)) {
            tile_path(tile, path);
            return fault->kind == FAULT_MISSING
                       ? fault_set(fault, FAULT_MISSING, "%s is missing", path)
                       : false;
        }
        if (!cut_to_width(tile, TILE_WIDTH, true, ret_bytes, fault))
            return fault_in(fault, "%s", path);
    }
    if (!cut_to_width(tile, tile->width, full.width == tile->width, ret_bytes, fault))
        return fault_in(fault, "%s", path);
    return true;
}

static bool source_load(struct tile_source *source, const struct tile *tile,
                        struct fault *fault)
{
    AUTO_BUF struct buf bytes = buf_with_limit(TILE_WIDTH * TREE_HASH_BYTES);

    if (source->has_cached && source->cached.level == tile->level &&
        source->cached.index == tile->index)
        return true;
    if (!tile_read(source->folder, tile, &bytes, fault))
        return false;
    memcpy(source->hashes, bytes.at, bytes.len);
    source->cached = *tile;
    source->has_cached = true;
    return true;
}

/* A perfect node never leaves its tile: level height / 8, hashed up height % 8 times. */
static bool source_node(void *self, unsigned height, uint64_t index,
                        struct tree_hash *ret_hash, struct fault *fault)
{
    struct tile_source *source = self;
    unsigned level = height / 8, up = height % 8;
    uint64_t first = index << up;
    struct tile tile = {.level = level, .index = first / TILE_WIDTH};

    tile.width = tile_width(level, tile.index, source->size);
    if (first % TILE_WIDTH + (UINT64_C(1) << up) > tile.width)
        return fault_set(fault, FAULT_INVALID, "no such node in a tree of %llu",
                         (unsigned long long)source->size);
    if (!source_load(source, &tile, fault))
        return false;
    *ret_hash = tree_root_of(&source->hashes[first % TILE_WIDTH], (size_t)1 << up);
    return true;
}

struct tree_source tile_source(struct tile_source *source)
{
    return (struct tree_source){.node = source_node, .self = source};
}
