/*
 * ledger/archive_place.h - what a ledger's folder says of its archive: the file `archive`.
 *
 *   custody-archive/v1
 *   <minimum index: records from here on are in the folder, a multiple of 256>
 *   <absolute path>
 *
 * It is not signed. That records were moved, and which, is said by records in the log, which
 * are under its checkpoints: a second kind of note by the same key would add nothing but two
 * kinds to mix up. This file only spares a reader the search.
 */
#ifndef CUSTODY_LEDGER_ARCHIVE_PLACE_H
#define CUSTODY_LEDGER_ARCHIVE_PLACE_H

#include "ledger/archive.h"

#define ARCHIVE_PLACE_NAME "archive"

MUST_USE bool archive_place_write(int folder, const char *path, uint64_t minimum,
                                  struct fault *fault);
/* NULL where nothing was ever archived. The caller frees. */
MUST_USE bool archive_place_read(int folder, char **ret_path, struct fault *fault);
/*
 * The archive of the ledger in `folder`, where that says that there is one. One that is not
 * there now (a volume that is not mounted) is no fault until a record of it is asked for: then
 * it says why.
 */
void archive_place_open(int folder, struct archive_folder *ret_archive);
/* The same in another place. */
MUST_USE bool archive_place_open_at(const char *path, int folder,
                                    struct archive_folder *ret_archive, struct fault *fault);

#endif
