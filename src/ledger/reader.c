#include "ledger/reader.h"

#include <fcntl.h>

#include "base/scope.h"
#include "ledger/checkpoint.h"
#include "ledger/tile.h"
#include "ledger/wal.h"
#include "os/file.h"

struct reading {
    bool (*on_leaf)(void *self, uint64_t index, struct slice leaf, struct fault *fault);
    void *self;
    const struct reader_options *options;
    uint64_t next;
    uint64_t to;
};

static bool published_size(int folder, uint64_t *ret_size, struct fault *fault)
{
    AUTO_BUF struct buf bytes = buf_with_limit(NOTE_BYTES_MAX);
    struct checkpoint checkpoint;
    struct note note;

    *ret_size = 0;
    if (!file_read(folder, "checkpoint", &bytes, fault))
        return fault->kind == FAULT_MISSING;
    if (!note_parse(buf_slice(&bytes), &note, fault) ||
        !checkpoint_parse(note.text, &checkpoint, fault))
        return false;
    *ret_size = checkpoint.size;
    return true;
}

/* Nowhere: noted where the caller wants that, and passed over. */
static bool pass_over(struct reading *reading, const struct tile *tile, struct fault *fault)
{
    uint64_t end = tile->index * TILE_WIDTH + tile->width;

    if (fault->kind != FAULT_MISSING || reading->options->absent == NULL)
        return false;
    end = end < reading->to ? end : reading->to;
    absent_add(reading->options->absent, reading->next, end, 0);
    reading->next = end;
    return true;
}

static bool read_bundle(struct reading *reading, int folder, uint64_t size, struct buf *bytes,
                        struct fault *fault)
{
    struct tile tile = {.is_entries = true, .index = reading->next / TILE_WIDTH};
    struct slice rest, entry;

    tile.width = tile_width(0, tile.index, size);
    if (!archive_or_tile_read(folder, reading->options->archive, &tile, bytes, NULL, fault))
        return pass_over(reading, &tile, fault);
    rest = buf_slice(bytes);
    for (uint64_t index = tile.index * TILE_WIDTH; tile_bundle_take(&rest, &entry); index++) {
        if (index < reading->next)
            continue;
        if (index >= reading->to)
            return true;
        if (!reading->on_leaf(reading->self, index, entry, fault))
            return false;
        reading->next = index + 1;
    }
    return true;
}

static bool on_frame(void *self, const struct wal_frame *frame, struct fault *fault)
{
    struct reading *reading = self;

    if (frame->index != reading->next || frame->index >= reading->to)
        return true;
    reading->next++;
    return reading->on_leaf(reading->self, frame->index, frame->leaf, fault);
}

static bool read_unsealed(struct reading *reading, int folder, uint64_t size,
                          struct fault *fault)
{
    AUTO_CLOSE int wal = openat(folder, "wal", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct wal_scan scan;

    return (wal < 0 ? fault_errno(fault, "open wal")
                    : wal_each(wal, size, on_frame, reading, &scan, fault)) ||
           fault->kind == FAULT_MISSING || fault->kind == FAULT_DENIED;
}

bool reader_each(int folder, const struct reader_options *options,
                 bool (*on_leaf)(void *self, uint64_t index, struct slice leaf,
                                 struct fault *fault),
                 void *self, uint64_t *ret_next, struct fault *fault)
{
    AUTO_BUF struct buf bytes = buf_with_limit(TILE_BUNDLE_BYTES_MAX);
    struct reading reading = {.on_leaf = on_leaf,
                              .self = self,
                              .options = options,
                              .next = options->from,
                              .to = options->to == 0 ? UINT64_MAX : options->to};
    uint64_t size = options->size;

    if (size == 0 && !published_size(folder, &size, fault))
        return false;
    while (reading.next < size && reading.next < reading.to)
        if (!read_bundle(&reading, folder, size, &bytes, fault))
            return false;
    if (options->with_unsealed && !read_unsealed(&reading, folder, size, fault))
        return false;
    *ret_next = reading.next;
    return true;
}
