/*
 * ledger/witness_files.h - what a witness promised, in files.
 *
 *   lock                                   held while a witness is at work
 *   <hex SHA-256(origin)>/checkpoint       the last note cosigned; replaced durably
 *   <hex SHA-256(origin)>/refused/<hex>    notes that the log signed and that do not follow
 */
#ifndef CUSTODY_LEDGER_WITNESS_FILES_H
#define CUSTODY_LEDGER_WITNESS_FILES_H

#include "ledger/witness_keeper.h"

#define WITNESS_REFUSED_MAX 1000 /* of one origin; then the first ones stay */

struct witness_files {
    int folder; /* borrowed */
    int lock;
};

/* FAULT_CONFLICT: another witness is at work there. */
MUST_USE bool witness_files_open(int folder, struct witness_files *ret_files,
                                 struct fault *fault);
void witness_files_close(struct witness_files *files);
struct witness_store witness_files_store(struct witness_files *files);

#endif
