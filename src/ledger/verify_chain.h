/*
 * ledger/verify_chain.h - do the shards of a ledger hold, each by itself and one after the
 * other?
 *
 * One key is trusted, and it may be any shard's. From there back, each shard's first record
 * (shard.begun) names the key and the last checkpoint of the one before; from there on, the
 * last record (key.rotated) names the next key, or the old key has signed the handover.
 */
#ifndef CUSTODY_LEDGER_VERIFY_CHAIN_H
#define CUSTODY_LEDGER_VERIFY_CHAIN_H

#include "ledger/verify.h"

struct chain_shard {
    const char *name; /* what is said about it begins with this: "shards/0001" */
    unsigned number;  /* its place, from 1; 0: nobody says that none is missing */
    int folder;
    const char
        *archive;      /* where its older records lie, if options->archive is NULL; or NULL */
    struct slice vkey; /* as it lies there; empty: it does not. Not believed by itself */
};

/* How a shard is joined to the one before it. */
struct chain_joint {
    bool is_first;      /* it leads on from none */
    char reason[24];    /* of shard.begun */
    bool is_by_old_key; /* handover: the old key's holder has agreed */
    enum verify_result result;
};

struct verify_shard {
    enum verify_result result; /* of this shard by itself */
    uint64_t size;
    uint8_t root[32];
    char origin[128];
    struct chain_joint joint;
};

/*
 * The report is about the last shard, with what is wrong with others and between them added.
 *   shards      oldest first; at least one
 *   vkey        the key that the asker trusts
 *   options     `kept` and the policy count for the shards that they name, time stamps for the
 *               last one
 *   ret_shards  as many as `shards`; the caller's
 *   ret_kept    which of them `options->kept` is a checkpoint of; may be NULL
 * FAULT_INVALID: the vkey or the kept checkpoint is none. Of which shards they are, and a
 * shard's own vkey that is none, is in the report.
 */
MUST_USE bool verify_chain(const struct chain_shard *shards, size_t count, struct slice vkey,
                           const struct verify_options *options,
                           struct verify_report *ret_report, struct verify_shard *ret_shards,
                           size_t *ret_kept, struct fault *fault);

/* As verify_report_json, with `shards` besides. */
MUST_USE bool verify_chain_json(const struct verify_report *report,
                                const struct chain_shard *shards,
                                const struct verify_shard *verdicts, size_t count,
                                struct buf *ret_text, struct fault *fault);
MUST_USE bool verify_chain_text(const struct verify_report *report,
                                const struct chain_shard *shards,
                                const struct verify_shard *verdicts, size_t count,
                                struct buf *ret_text, struct fault *fault);

#endif
