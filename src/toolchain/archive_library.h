/*
 * toolchain/archive_library.h - what is used of libarchive, loaded when an image is unpacked:
 * its many libraries cost every other start nothing (dlopen).
 */
#ifndef CUSTODY_TOOLCHAIN_ARCHIVE_LIBRARY_H
#define CUSTODY_TOOLCHAIN_ARCHIVE_LIBRARY_H

#include <archive.h>
#include <archive_entry.h>

#include "base/fault.h"

struct archive_library {
    __typeof__(archive_read_new) *read_new;
    __typeof__(archive_read_support_format_tar) *support_tar;
    __typeof__(archive_read_support_filter_gzip) *support_gzip;
    __typeof__(archive_read_support_filter_zstd) *support_zstd;
    __typeof__(archive_read_open) *open;
    __typeof__(archive_read_next_header) *next_header;
    __typeof__(archive_read_data_block) *data_block;
    __typeof__(archive_error_string) *error_string;
    __typeof__(archive_read_free) *read_free;
    __typeof__(archive_entry_pathname) *pathname;
    __typeof__(archive_entry_hardlink) *hardlink;
    __typeof__(archive_entry_symlink) *symlink;
    __typeof__(archive_entry_filetype) *filetype;
    __typeof__(archive_entry_perm) *perm;
    __typeof__(archive_entry_size) *size;
    __typeof__(archive_entry_mtime) *mtime;
};

/* FAULT_HOST: it is not installed. Loaded once; never unloaded. */
MUST_USE bool archive_library_load(const struct archive_library **ret_library,
                                   struct fault *fault);

#endif
