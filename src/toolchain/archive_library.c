#include "toolchain/archive_library.h"

#include <stddef.h>

#include "os/library.h"

#define LIBRARY "libarchive.so.13"

static const struct library_symbol symbols[] = {
    {"archive_read_new", offsetof(struct archive_library, read_new)},
    {"archive_read_support_format_tar", offsetof(struct archive_library, support_tar)},
    {"archive_read_support_filter_gzip", offsetof(struct archive_library, support_gzip)},
    {"archive_read_support_filter_zstd", offsetof(struct archive_library, support_zstd)},
    {"archive_read_support_filter_bzip2", offsetof(struct archive_library, support_bzip2)},
    {"archive_read_support_filter_xz", offsetof(struct archive_library, support_xz)},
    {"archive_read_support_format_zip", offsetof(struct archive_library, support_zip)},
    {"archive_read_support_format_7zip", offsetof(struct archive_library, support_7zip)},
    {"archive_read_support_format_raw", offsetof(struct archive_library, support_raw)},
    {"archive_read_open_memory", offsetof(struct archive_library, open_memory)},
    {"archive_filter_code", offsetof(struct archive_library, filter_code)},
    {"archive_format", offsetof(struct archive_library, format)},
    {"archive_read_open", offsetof(struct archive_library, open)},
    {"archive_read_next_header", offsetof(struct archive_library, next_header)},
    {"archive_read_data_block", offsetof(struct archive_library, data_block)},
    {"archive_error_string", offsetof(struct archive_library, error_string)},
    {"archive_read_free", offsetof(struct archive_library, read_free)},
    {"archive_entry_pathname", offsetof(struct archive_library, pathname)},
    {"archive_entry_hardlink", offsetof(struct archive_library, hardlink)},
    {"archive_entry_symlink", offsetof(struct archive_library, symlink)},
    {"archive_entry_filetype", offsetof(struct archive_library, filetype)},
    {"archive_entry_perm", offsetof(struct archive_library, perm)},
    {"archive_entry_size", offsetof(struct archive_library, size)},
    {"archive_entry_mtime", offsetof(struct archive_library, mtime)},
};

bool archive_library_load(const struct archive_library **ret_library, struct fault *fault)
{
    static struct archive_library library;

    if (!library_load(LIBRARY, "libarchive13", symbols, COUNT(symbols), &library, fault))
        return false;
    *ret_library = &library;
    return true;
}
