/*
 * toolchain/archive_library.h - what is used of libarchive, loaded (dlopen) when an image is
 * unpacked or an archive looked into: its many libraries cost every other start nothing.
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
    __typeof__(archive_read_support_filter_bzip2) *support_bzip2;
    __typeof__(archive_read_support_filter_xz) *support_xz;
    __typeof__(archive_read_support_format_zip) *support_zip;
    __typeof__(archive_read_support_format_7zip) *support_7zip;
    __typeof__(archive_read_support_format_raw) *support_raw;
    __typeof__(archive_read_open_memory) *open_memory;
    __typeof__(archive_filter_code) *filter_code;
    __typeof__(archive_format) *format;
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
