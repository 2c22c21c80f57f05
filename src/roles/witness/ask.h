/* roles/witness/ask.h - one witness over HTTP: a checkpoint out, a cosignature in. */
#ifndef CUSTODY_ROLES_WITNESS_ASK_H
#define CUSTODY_ROLES_WITNESS_ASK_H

#include "ledger/cosignature.h"
#include "ledger/tree.h"

struct witness_peer {
    char *url; /* add-checkpoint goes behind it */
    struct cosignature_key *key;
    uint64_t known; /* the size that it has cosigned, as far as we know */
};

enum witness_outcome {
    WITNESS_COSIGNED,
    WITNESS_SILENT,  /* not reached, or an answer that is none */
    WITNESS_AHEAD,   /* it has cosigned more than this ledger holds */
    WITNESS_REFUSED, /* this checkpoint does not follow what it has cosigned, or it is a
                        stranger */
};

/* "cosigned", "silent", "ahead", "refused" */
const char *witness_outcome_name(enum witness_outcome outcome);

/*
 *   note     the signed checkpoint of `size` records
 *   source   the tree, for consistency proofs
 *   lines    its verified lines are appended where it has cosigned
 */
enum witness_outcome witness_ask(struct witness_peer *peer, struct slice note, uint64_t size,
                                 const struct tree_source *source, struct buf *lines);

#endif
