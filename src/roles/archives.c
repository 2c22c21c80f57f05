#include "roles/archives.h"

#include "classify/archives.h"
#include "toolchain/archive_library.h"

static const struct archive_library *library;

/* Formats and filters that are bytes in, bytes out: none that starts a program. */
static bool open_archive(struct archive *archive, struct slice bytes)
{
    return library->support_gzip(archive) == ARCHIVE_OK &&
           library->support_bzip2(archive) == ARCHIVE_OK &&
           library->support_xz(archive) == ARCHIVE_OK &&
           library->support_zstd(archive) == ARCHIVE_OK &&
           library->support_tar(archive) == ARCHIVE_OK &&
           library->support_zip(archive) == ARCHIVE_OK &&
           library->support_7zip(archive) == ARCHIVE_OK &&
           library->support_raw(archive) == ARCHIVE_OK &&
           library->open_memory(archive, bytes.at, bytes.len) == ARCHIVE_OK;
}

static bool is_single(struct archive *archive)
{
    return (library->format(archive) & ARCHIVE_FORMAT_BASE_MASK) == ARCHIVE_FORMAT_RAW;
}

/* False: its bytes cannot be had. */
static bool read_member(struct archive *archive, const struct archive_sink *sink)
{
    for (;;) {
        const void *block;
        size_t len;
        la_int64_t offset;
        int done = library->data_block(archive, &block, &len, &offset);

        if (done == ARCHIVE_EOF)
            return true;
        if (done != ARCHIVE_OK && done != ARCHIVE_WARN)
            return false;
        if (!sink->bytes(sink->self, slice_of_bytes(block, len)))
            return true;
    }
}

static bool read_members(struct archive *archive, const struct archive_sink *sink)
{
    for (;;) {
        struct archive_entry *entry;
        const char *name;
        int done = library->next_header(archive, &entry);

        if (done == ARCHIVE_EOF)
            return true;
        if (done != ARCHIVE_OK && done != ARCHIVE_WARN)
            return false;
        if (is_single(archive) && library->filter_code(archive, 0) == ARCHIVE_FILTER_NONE)
            return false; /* neither packed nor an archive */
        if (library->filetype(entry) != AE_IFREG && !is_single(archive))
            continue;
        name = is_single(archive) ? NULL : library->pathname(entry);
        if (!sink->member(sink->self, name == NULL ? (struct slice){0} : slice_of(name)))
            return true;
        if (!read_member(archive, sink))
            return false;
    }
}

static bool walk(struct slice bytes, const struct archive_sink *sink)
{
    struct archive *archive = library->read_new();
    bool ok = archive != NULL && open_archive(archive, bytes) && read_members(archive, sink);

    if (archive != NULL)
        (void)library->read_free(archive);
    return ok;
}

bool archives_use(struct fault *fault)
{
    static const struct archive_opener opener = {walk};

    if (!archive_library_load(&library, fault))
        return false;
    classify_use_archives(&opener);
    return true;
}
