/* roles/records/archiver_parts.h - what moving and expiring share. Private to archiver*.c. */
#ifndef CUSTODY_ROLES_ARCHIVER_PARTS_H
#define CUSTODY_ROLES_ARCHIVER_PARTS_H

#include "ledger/shards.h"
#include "roles/records/archiver.h"

/* What is recorded before and after: the same words. */
struct archiver_act {
    enum record_type type;
    const char *origin; /* of the ledger whose records they are */
    struct bundle_range range;
    char digest[65]; /* of the manifest; "" none */
    uint64_t bytes;  /* in the archive */
    uint64_t seq;    /* of the record `intended`; set by archiver_announce */
};

/* What became of it: "ok" or "failed". */
MUST_USE bool archiver_record(const struct archiver *archiver, const struct archiver_act *act,
                              const char *outcome, uint64_t size, struct fault *fault);
/*
 * A record `intended` for each, and returns when a published checkpoint covers them which the
 * witnesses that policy asks for have cosigned. FAULT_LIMIT: they have not; records say so.
 */
MUST_USE bool archiver_announce(const struct archiver *archiver, struct archiver_act *acts,
                                size_t count, struct fault *fault);
/* What was announced is not done after all. False, for the caller to return. */
bool archiver_call_off(const struct archiver *archiver, const struct archiver_act *acts,
                       size_t count);
/* Every shard in turn, alone. */
MUST_USE bool archiver_each(const struct archiver *archiver,
                            bool (*act)(const struct archiver *archiver,
                                        const struct shard *shard, archiver_told *told,
                                        void *self, struct fault *fault),
                            archiver_told *told, void *self, struct fault *fault);

#endif
