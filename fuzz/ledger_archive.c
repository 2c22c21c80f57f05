/* A file of an archive, whoever wrote it: its table, its frames, the bundles in them. */
#include <stdlib.h>

#include "base/scope.h"
#include "ledger/archive.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A store in memory with one file. */
struct memory {
    struct slice bytes;
    char name[COLD_NAME_BYTES];
};

static bool memory_read(void *self, const char *name, uint64_t offset, size_t len,
                        struct buf *ret_bytes, struct fault *fault)
{
    const struct memory *memory = self;

    (void)name;
    if (offset > memory->bytes.len || len > memory->bytes.len - offset)
        return fault_set(fault, FAULT_INVALID, "cut short");
    return buf_add(ret_bytes, slice_part(memory->bytes, offset, offset + len), fault);
}

static bool memory_size(void *self, const char *name, uint64_t *ret_size, struct fault *fault)
{
    const struct memory *memory = self;

    (void)name, (void)fault;
    *ret_size = memory->bytes.len;
    return true;
}

static bool memory_list(void *self, void (*each)(void *to, const char *name), void *to,
                        struct fault *fault)
{
    const struct memory *memory = self;

    (void)fault;
    each(to, memory->name);
    return true;
}

/* The first byte says how many bundles its name claims. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_BUF struct buf bundle = buf_with_limit(TILE_BUNDLE_BYTES_MAX);
    struct memory memory = {.bytes = slice_of_bytes(data + 1, size == 0 ? 0 : size - 1)};
    const struct cold cold = {
        .read = memory_read, .size = memory_size, .list = memory_list, .self = &memory};
    struct archive_file file = {.first = 1, .end = 2};
    struct archive *archive;
    struct fault fault = {0};

    if (size == 0)
        return 0;
    file.end += data[0];
    archive_file_name(&file, memory.name);
    if (!archive_open(&cold, &archive, &fault) || archive_count(archive) != 1)
        abort();
    for (uint64_t at = file.first; at < file.end; at++) {
        struct slice rest, entry;
        unsigned count = 0;

        if (!archive_bundle(archive, at, &bundle, &fault))
            continue;
        for (rest = buf_slice(&bundle); tile_bundle_take(&rest, &entry);)
            count++;
        if (count != TILE_WIDTH || rest.len != 0)
            abort();
    }
    archive_free(archive);
    return 0;
}
