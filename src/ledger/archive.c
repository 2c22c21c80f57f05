#include "ledger/archive.h"

#include <stdio.h>

#include "base/scope.h"
#include "ledger/seekable.h"

#define NAME_FORMAT "bundles-%012llu-%012llu.zst"
#define BUNDLES_MAX (TREE_SIZE_MAX / TILE_WIDTH)

struct archive {
    struct cold cold;
    char *why_absent;           /* NULL: it is there */
    struct archive_file *files; /* sorted */
    size_t count, room;
    struct seekable table; /* of files[loaded] */
    size_t loaded;
    bool has_loaded;
    struct buf packed;
};

void archive_file_name(const struct archive_file *file, char ret_name[COLD_NAME_BYTES])
{
    (void)snprintf(ret_name, COLD_NAME_BYTES, NAME_FORMAT, (unsigned long long)file->first,
                   (unsigned long long)file->end - 1);
}

static bool take_number(struct slice *rest, uint64_t *ret_number)
{
    uint64_t number = 0;
    size_t count = 0;

    for (; count < rest->len && rest->at[count] >= '0' && rest->at[count] <= '9'; count++) {
        if (number > BUNDLES_MAX)
            return false;
        number = number * 10 + (uint64_t)(rest->at[count] - '0');
    }
    *rest = slice_part(*rest, count, rest->len);
    *ret_number = number;
    return count > 0 && number <= BUNDLES_MAX;
}

/* Takes what archive_file_name writes and nothing else. */
static bool parse_name(const char *name, struct archive_file *ret_file)
{
    static const size_t head = sizeof("bundles-") - 1;
    struct slice rest = slice_of(name);
    char again[COLD_NAME_BYTES];
    uint64_t last;

    if (!slice_starts_with(rest, SLICE("bundles-")))
        return false;
    rest = slice_part(rest, head, rest.len);
    if (!take_number(&rest, &ret_file->first) || !slice_starts_with(rest, SLICE("-")))
        return false;
    rest = slice_part(rest, 1, rest.len);
    if (!take_number(&rest, &last) || last < ret_file->first ||
        last - ret_file->first >= SEEKABLE_FRAMES_MAX)
        return false;
    ret_file->end = last + 1;
    archive_file_name(ret_file, again);
    return strcmp(again, name) == 0;
}

/* What has another name is not ours: an archive may hold a README. */
static void add_name(void *to, const char *name)
{
    struct archive *archive = to;
    struct archive_file file;

    if (!parse_name(name, &file))
        return;
    archive->files =
        xgrow(archive->files, &archive->room, archive->count + 1, sizeof(archive->files[0]));
    archive->files[archive->count++] = file;
}

static int by_first(const void *a, const void *b)
{
    const struct archive_file *left = a, *right = b;

    return left->first < right->first ? -1 : left->first > right->first;
}

bool archive_open(const struct cold *cold, struct archive **ret_archive, struct fault *fault)
{
    struct archive *archive = xalloc(sizeof(*archive));

    archive->cold = *cold;
    archive->packed = buf_with_limit(TILE_BUNDLE_BYTES_MAX + TILE_BUNDLE_BYTES_MAX / 16);
    if (!cold->list(cold->self, add_name, archive, fault)) {
        archive_free(archive);
        return false;
    }
    if (archive->count > 0)
        qsort(archive->files, archive->count, sizeof(archive->files[0]), by_first);
    for (size_t i = 1; i < archive->count; i++)
        if (archive->files[i].first < archive->files[i - 1].end) {
            char name[COLD_NAME_BYTES];

            archive_file_name(&archive->files[i], name);
            archive_free(archive);
            return fault_set(fault, FAULT_INVALID,
                             "archive: %s holds a bundle that another file holds, too", name);
        }
    *ret_archive = archive;
    return true;
}

struct archive *archive_absent(const char *why)
{
    struct archive *archive = xalloc(sizeof(*archive));

    archive->why_absent = xstrdup(why);
    return archive;
}

void archive_free(struct archive *archive)
{
    if (archive == NULL)
        return;
    free(archive->why_absent);
    free(archive->files);
    buf_free(&archive->packed);
    free(archive);
}

size_t archive_count(const struct archive *archive)
{
    return archive->count;
}

const struct archive_file *archive_file_at(const struct archive *archive, size_t at)
{
    return &archive->files[at];
}

/* Place of the file that has it, or `count`. */
static size_t find(const struct archive *archive, uint64_t bundle)
{
    size_t low = 0, high = archive->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (archive->files[middle].end <= bundle)
            low = middle + 1;
        else
            high = middle;
    }
    return low < archive->count && archive->files[low].first <= bundle ? low : archive->count;
}

bool archive_has(const struct archive *archive, uint64_t bundle)
{
    return find(archive, bundle) < archive->count;
}

static bool load_table(struct archive *archive, size_t at, const char *name,
                       struct fault *fault)
{
    AUTO_BUF struct buf bytes = buf_with_limit(SEEKABLE_TABLE_BYTES_MAX);
    const struct cold *cold = &archive->cold;
    const struct archive_file *file = &archive->files[at];
    uint64_t size;
    size_t len;

    if (archive->has_loaded && archive->loaded == at)
        return true;
    archive->has_loaded = false;
    if (!cold->size(cold->self, name, &size, fault))
        return false;
    if (size < SEEKABLE_FOOTER_BYTES)
        return fault_set(fault, FAULT_INVALID, "archive: %s is cut short", name);
    if (!cold->read(cold->self, name, size - SEEKABLE_FOOTER_BYTES, SEEKABLE_FOOTER_BYTES,
                    &bytes, fault))
        return false;
    if (!seekable_table_bytes(buf_slice(&bytes), &len, fault))
        return fault_in(fault, "archive: %s", name);
    if (len > size)
        return fault_set(fault, FAULT_INVALID, "archive: %s is cut short", name);
    buf_clear(&bytes);
    if (!cold->read(cold->self, name, size - len, len, &bytes, fault))
        return false;
    if (!seekable_parse(buf_slice(&bytes), size, TILE_BUNDLE_BYTES_MAX, &archive->table,
                        fault))
        return fault_in(fault, "archive: %s", name);
    if (archive->table.count != file->end - file->first)
        return fault_set(fault, FAULT_INVALID, "archive: %s has %zu bundles", name,
                         archive->table.count);
    archive->loaded = at;
    archive->has_loaded = true;
    return true;
}

static bool is_whole(struct slice bundle)
{
    struct slice entry;
    unsigned count = 0;

    while (count < TILE_WIDTH && tile_bundle_take(&bundle, &entry))
        count++;
    return count == TILE_WIDTH && bundle.len == 0;
}

bool archive_bundle(struct archive *archive, uint64_t bundle, struct buf *ret_bytes,
                    struct fault *fault)
{
    size_t at = find(archive, bundle);
    const struct seekable_frame *frame;
    char name[COLD_NAME_BYTES];

    if (at == archive->count)
        return fault_set(fault, FAULT_MISSING,
                         "bundle %llu is neither here nor in the archive",
                         (unsigned long long)bundle);
    archive_file_name(&archive->files[at], name);
    if (!load_table(archive, at, name, fault))
        return false;
    frame = &archive->table.frame[bundle - archive->files[at].first];
    buf_clear(&archive->packed);
    buf_clear(ret_bytes);
    if (!archive->cold.read(archive->cold.self, name, frame->offset, frame->packed,
                             &archive->packed, fault))
        return false;
    if (!seekable_unpack(frame, buf_slice(&archive->packed), ret_bytes, fault))
        return fault_in(fault, "archive: %s: bundle %llu", name, (unsigned long long)bundle);
    if (!is_whole(buf_slice(ret_bytes)))
        return fault_set(fault, FAULT_INVALID, "archive: %s: bundle %llu has not %d entries",
                         name, (unsigned long long)bundle, TILE_WIDTH);
    return true;
}

bool archive_or_tile_read(int folder, struct archive *archive, const struct tile *tile,
                          struct buf *ret_bytes, bool *ret_archived, struct fault *fault)
{
    bool ok = tile_read(folder, tile, ret_bytes, fault), may_be_archived;

    if (ret_archived != NULL)
        *ret_archived = false;
    may_be_archived = !ok && fault->kind == FAULT_MISSING && archive != NULL &&
                      tile->is_entries && tile->width == TILE_WIDTH;
    if (!may_be_archived)
        return ok;
    if (archive->why_absent != NULL)
        return fault_set(fault, FAULT_MISSING, "bundle %llu is archived, and %s",
                         (unsigned long long)tile->index, archive->why_absent);
    if (!archive_bundle(archive, tile->index, ret_bytes, fault))
        return false;
    if (ret_archived != NULL)
        *ret_archived = true;
    return true;
}

bool archive_folder_open(const char *path, const char *origin,
                         struct archive_folder *ret_folder, struct fault *fault)
{
    *ret_folder = (struct archive_folder){.archive = NULL};
    if (path == NULL)
        return true;
    if (!cold_folder_open(path, origin, false, &ret_folder->cold, fault))
        return false;
    if (archive_open(&ret_folder->cold, &ret_folder->archive, fault))
        return true;
    cold_folder_close(&ret_folder->cold);
    return false;
}

void archive_folder_close(struct archive_folder *folder)
{
    archive_free(folder->archive);
    cold_folder_close(&folder->cold);
    folder->archive = NULL;
}
