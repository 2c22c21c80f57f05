/*
 * ledger/archive.h - the archived bundles of one ledger, in a cold store (cold.h).
 *
 * A file holds up to 256 bundles in a row, a frame each (seekable.h): neither millions of tiny
 * objects, nor the unpacking of a month for one record. Its name says which:
 * bundles-FIRST-LAST.zst. Whoever reads compares with the ledger's hash tiles: the archive's
 * word counts for nothing.
 */
#ifndef CUSTODY_LEDGER_ARCHIVE_H
#define CUSTODY_LEDGER_ARCHIVE_H

#include "ledger/cold.h"
#include "ledger/tile.h"

struct archive;

struct archive_file {
    uint64_t first, end; /* bundles */
};

/* "bundles-000000000000-000000000255.zst" */
void archive_file_name(const struct archive_file *file, char ret_name[COLD_NAME_BYTES]);

/*
 * Lists what there is; unpacks nothing. What is behind `cold` must outlive it.
 * FAULT_INVALID: two files say that they hold the same bundle.
 */
MUST_USE bool archive_open(const struct cold *cold, struct archive **ret_archive,
                           struct fault *fault);
/* One that has nothing, and says why when it is asked. */
struct archive *archive_absent(const char *why);
void archive_free(struct archive *archive); /* NULL is fine */

size_t archive_count(const struct archive *archive);
/* In the order of their bundles. */
const struct archive_file *archive_file_at(const struct archive *archive, size_t at);
bool archive_has(const struct archive *archive, uint64_t bundle);
/*
 * The bytes of a bundle of 256 entries. FAULT_MISSING: no file has it; FAULT_INVALID: its file
 * is not what it says to be. Both name it.
 */
MUST_USE bool archive_bundle(struct archive *archive, uint64_t bundle, struct buf *ret_bytes,
                             struct fault *fault);

/*
 * tile_read for a bundle, which may be in the archive (NULL: there is none) instead.
 *   ret_archived  whether it was; may be NULL
 */
MUST_USE bool archive_or_tile_read(int folder, struct archive *archive,
                                   const struct tile *tile, struct buf *ret_bytes,
                                   bool *ret_archived, struct fault *fault);

/* A folder that is an archive, opened for reading. */
struct archive_folder {
    struct cold cold;
    struct archive *archive; /* NULL: none, or nothing of that ledger is in it */
};
/* `path` NULL: none. */
MUST_USE bool archive_folder_open(const char *path, const char *origin,
                                  struct archive_folder *ret_folder, struct fault *fault);
void archive_folder_close(struct archive_folder *folder); /* also one of zeros */

#endif
