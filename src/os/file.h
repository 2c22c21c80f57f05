/* os/file.h - files, whole: read, replace durably, make folders, remove trees. */
#ifndef CUSTODY_OS_FILE_H
#define CUSTODY_OS_FILE_H

#include <sys/types.h>

#include "base/bytes.h"
#include "base/fault.h"

/* Reads to the end of `fd` into `buf`; FAULT_LIMIT where it holds more than the buffer's
 * limit. */
MUST_USE bool file_read_fd(int fd, struct buf *buf, struct fault *fault);
/* Opens (O_NOFOLLOW) `name` below `folder` (AT_FDCWD allowed) and reads the whole of it. */
MUST_USE bool file_read(int folder, const char *name, struct buf *buf, struct fault *fault);
/* Writes all of `bytes`; retries short writes and EINTR. */
MUST_USE bool file_write_all(int fd, struct slice bytes, struct fault *fault);
/* The same at an offset. */
MUST_USE bool file_write_at(int fd, struct slice bytes, uint64_t offset, struct fault *fault);
/*
 * Replaces `name` below `folder`: temporary file, fsync, rename, fsync of the folder.
 * After success the content survives a power loss; after failure the old content stands.
 */
MUST_USE bool file_replace_durably(int folder, const char *name, struct slice bytes,
                                   mode_t mode, struct fault *fault);
/* Creates `name`; FAULT_CONFLICT where it exists. Not synced. */
MUST_USE bool file_create(int folder, const char *name, struct slice bytes, mode_t mode,
                          struct fault *fault);
/* mkdir -p. Existing folders are left as they are. */
MUST_USE bool file_make_folders(const char *path, mode_t mode, struct fault *fault);
/* Opens a folder, making it first where it is missing. The caller closes. */
MUST_USE bool file_open_folder(int parent, const char *name, mode_t mode, int *ret_fd,
                               struct fault *fault);
/* Removes `name` and all below it, never following links, never leaving its file system. */
MUST_USE bool file_remove_tree(int parent, const char *name, struct fault *fault);
/*
 * The folder and all below it become `uid`'s (and its group of the same number). Links are not
 * followed. FAULT_LIMIT: deeper than 128 folders.
 */
MUST_USE bool file_give_tree(int folder, uid_t uid, struct fault *fault);
/* Copies `len` bytes from one offset to another descriptor's current position. */
MUST_USE bool file_copy_range(int from, uint64_t offset, int to, uint64_t len,
                              struct fault *fault);
/* False also where it cannot be listed. */
bool file_is_empty_folder(int folder);
bool file_exists(int folder, const char *name);

#endif
