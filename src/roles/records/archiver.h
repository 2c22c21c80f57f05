/*
 * roles/records/archiver.h - moves old records of a state folder's ledgers into an archive,
 * and lets them go when they were kept long enough. Every step is a record first.
 *
 *   copy, read back, compare   nothing is deleted for what did not come back as it was
 *   archive.moved, intended    durable, under a checkpoint, cosigned where policy asks for it
 *   delete, archive.moved, ok  the bytes that it has freed are in the record
 *
 * Cut off anywhere, the next call goes on. Which archive a ledger has is said by its file
 * `archive` (ledger/archive_place.h).
 */
#ifndef CUSTODY_ROLES_ARCHIVER_H
#define CUSTODY_ROLES_ARCHIVER_H

#include "base/clock.h"
#include "ledger/archive_move.h"
#include "policy/policy.h"
#include "roles/session.h"

#define ARCHIVER_DAY_US (INT64_C(86400) * 1000000)

struct archiver {
    struct session *session;
    const struct policy *policy;
    const struct clock *clock;
    const char *path;   /* absolute; NULL: where each ledger's archive is already (expiry) */
    const char *person; /* who asked, for the records */
    int64_t hot_days;
    bool is_dry_run;
    struct archive_progress progress;
};

/* What was done, or with is_dry_run would be, in one ledger. */
struct archiver_result {
    const char *shard; /* "ledger", "shards/0001" */
    uint64_t records;
    uint64_t archive_bytes, freed_bytes; /* 0 in a dry run */
    uint64_t held;                       /* expiry: records that were old enough, and held */
    char hold[64];                       /* by this hold, and perhaps others */
};
typedef void archiver_told(void *self, const struct archiver_result *result);

/* FAULT_CONFLICT: another one is at work. FAULT_INVALID: a ledger does not hold, or a copy. */
MUST_USE bool archiver_move(const struct archiver *archiver, archiver_told *told, void *self,
                            struct fault *fault);
/*
 * Removes archive files whose newest record is older than the policy's profile keeps, but for
 * those with a record that a legal hold is about, and the hold's own. FAULT_INVALID: the
 * profile keeps records for ever, or the clock is behind the ledger's last record.
 */
MUST_USE bool archiver_expire(const struct archiver *archiver, archiver_told *told, void *self,
                              struct fault *fault);

#endif
