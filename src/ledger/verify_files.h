/*
 * ledger/verify_files.h - what `custody verify` and custody-verify do with the files that they
 * are given; the two differ in how they find them only.
 */
#ifndef CUSTODY_LEDGER_VERIFY_FILES_H
#define CUSTODY_LEDGER_VERIFY_FILES_H

#include "ledger/verify_chain.h"

/* Names of files; NULL where there is none. */
struct verify_files {
    const char *proof;   /* check this, and no ledger */
    const char *record;  /* the bytes that an inclusion proof is about */
    const char *value;   /* what that record is said to commit to */
    const char *against; /* a checkpoint that was kept */
    const char *archive; /* a folder with archived bundles */
    const char *policy;  /* a tlog-policy: whose cosignatures are needed */
    const char *timestamps,
        *tsa_ca;        /* a folder of time stamps, and whom to believe them (PEM) */
    bool key_is_beside; /* nobody named a key: it lay beside the ledger */
    const char
        *fork_proof; /* write the evidence there, where `against` contradicts the ledger */
};

struct verify_outcome {
    enum verify_result result;
    char note[480]; /* what became of `fork_proof`; empty: nothing to say */
};

/* One line on which of these go together; true for those that do. */
MUST_USE bool verify_files_check(const struct verify_files *files, bool has_ledger,
                                 struct fault *fault);
/* A vkey as it is written, or the name of a file that holds one. Appends. */
MUST_USE bool verify_files_key(const char *word, struct buf *ret_key, struct fault *fault);
/*
 *   folder    the ledger; not looked at where files->proof says
 *   ret_text  appended: the report as JSON (no line end) or for people
 * FAULT: nothing was verified; a file cannot be read, or a key or kept checkpoint is none.
 */
MUST_USE bool verify_files(int folder, struct slice vkey, const struct verify_files *files,
                           bool json, struct buf *ret_text, struct verify_outcome *ret_outcome,
                           struct fault *fault);
/* The same of several shards, oldest first; files->proof is not looked at. */
MUST_USE bool verify_files_chain(const struct chain_shard *shards, size_t count,
                                 struct slice vkey, const struct verify_files *files,
                                 bool json, struct buf *ret_text,
                                 struct verify_outcome *ret_outcome, struct fault *fault);
/*
 * Describes the shard in `folder`, whose key is `vkey` beside its checkpoint, or `trusted`
 * where there is none: a ledger that has one shard only needs none. One that cannot be read
 * leaves it without a key, which verify_chain finds.
 *   name, folder, ret_vkey  borrowed as long as the shard is used
 */
MUST_USE bool verify_files_shard(const char *name, unsigned number, int folder,
                                 struct slice trusted, struct chain_shard *ret_shard,
                                 struct buf *ret_vkey, struct fault *fault);

#endif
