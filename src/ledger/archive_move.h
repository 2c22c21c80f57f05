/*
 * ledger/archive_move.h - the steps that take bundles out of a ledger's folder into an
 * archive, and out of that again. What is recorded between them, and when, is
 * roles/records/archiver.h's matter.
 *
 * Each step may be done again after it was cut off: a bundle that the archive has is not
 * written a second time, and only what has just been read back from there is deleted here.
 */
#ifndef CUSTODY_LEDGER_ARCHIVE_MOVE_H
#define CUSTODY_LEDGER_ARCHIVE_MOVE_H

#include "ledger/archive.h"
#include "wire/record.h"

struct bundle_range {
    uint64_t first, end;
};

struct archive_plan {
    struct bundle_range *at; /* bundles that are in the folder, and may go */
    size_t count, room;
    uint64_t bundles; /* in all of them */
    uint64_t stop;    /* the first bundle behind the first that stays, and all behind it */
};

/* How far a step is; may be NULL. */
struct archive_progress {
    void (*tell)(void *self, const char *what, uint64_t done, uint64_t total);
    void *self;
};

/*
 * What may go: from the beginning up to the first bundle with a record of `before_us` or
 * later. size  records under the published checkpoint
 */
MUST_USE bool archive_plan_make(int folder, uint64_t size, int64_t before_us,
                                struct archive_plan *ret_plan, struct fault *fault);
void archive_plan_free(struct archive_plan *plan);

/* Writes what the archive has not. Open the archive anew behind it. */
MUST_USE bool archive_copy(int folder, const struct archive_plan *plan,
                           const struct archive *archive, const struct cold *cold,
                           const struct archive_progress *progress, struct fault *fault);
/*
 * Reads each bundle of the plan back out of the archive and compares the hash of each of its
 * records with the ledger's hash tiles. FAULT_INVALID names the file and the bundle.
 */
MUST_USE bool archive_check(int folder, const struct archive_plan *plan,
                            struct archive *archive, const struct archive_progress *progress,
                            struct fault *fault);
/*
 * SHA-256 of each archive file that has bundles of the range, one a line as `sha256sum -c`
 * reads them; that text is put beside them, and its digest (hex) and their bytes given out.
 */
MUST_USE bool archive_manifest(const struct archive *archive, const struct cold *cold,
                               const struct bundle_range *range, char ret_digest[65],
                               uint64_t *ret_bytes, struct fault *fault);
/* Deletes the bundles of the range here, and what there is of their partial files. */
MUST_USE bool archive_drop(int folder, const struct bundle_range *range,
                           uint64_t *ret_freed_bytes, struct fault *fault);
/*
 * Each record of an archive file, after its bundle was compared with the hash tiles. `each`
 * returning false ends it with its fault.
 */
MUST_USE bool archive_records(int folder, struct archive *archive,
                              const struct archive_file *file,
                              bool (*each)(void *self, const struct record *record,
                                           int64_t t_us, struct fault *fault),
                              void *self, struct fault *fault);

#endif
