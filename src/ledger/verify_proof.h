/*
 * ledger/verify_proof.h - does a proof file hold? Bytes in, a verdict out; no ledger is
 * needed.
 *
 * A proof is bound to what the asker holds: inclusion to the bytes of a record, consistency to
 * a checkpoint that was kept. Without that nothing was verified.
 */
#ifndef CUSTODY_LEDGER_VERIFY_PROOF_H
#define CUSTODY_LEDGER_VERIFY_PROOF_H

#include "ledger/proof.h"
#include "ledger/verify.h"

struct verify_proof_options {
    const struct slice *record; /* the bytes that the asker holds; NULL: none */
    const struct slice *kept;   /* a checkpoint that the asker kept, signed; NULL: none */
    const struct slice *value;  /* what the record is said to commit to; NULL: not asked */
};

struct verify_proof_report {
    /*
     * VERIFY_TAMPERING: it contradicts what the asker holds, its signature is wrong, or it
     * proves a fork. VERIFY_INCOMPLETE: it proves nothing, one way or the other.
     */
    enum verify_result result;
    bool has_kind; /* the file was read; kind, number */
    enum proof_kind kind;
    uint64_t number;     /* inclusion: index; consistency: old size; fork: the smaller size */
    bool has_checkpoint; /* with a good signature; size, root, origin */
    uint64_t size;
    struct tree_hash root;
    char origin[128];
    bool is_opened; /* the value that was given is what the record commits to */
    char why[240];  /* printable; empty where it holds */
};

/*
 * FAULT_INVALID: the vkey or the kept checkpoint is none, or does not go with this kind of
 * proof. Anything wrong with the proof is in the report.
 */
MUST_USE bool verify_proof(struct slice bytes, struct slice vkey,
                           const struct verify_proof_options *options,
                           struct verify_proof_report *ret_report, struct fault *fault);

/* One JSON object, without a line end. */
MUST_USE bool verify_proof_json(const struct verify_proof_report *report, struct buf *ret_text,
                                struct fault *fault);
/* For people; names what was not checked. */
MUST_USE bool verify_proof_text(const struct verify_proof_report *report, struct buf *ret_text,
                                struct fault *fault);

#endif
