/*
 * roles/witness/status.h - ledger/state/witnesses: how each witness stands, for whoever looks.
 *
 *   NAME SIZE OUTCOME LAST     the size that it has cosigned, how the last round went, and
 *                              when it last cosigned, in microseconds since 1970; 0: never
 */
#ifndef CUSTODY_ROLES_WITNESS_STATUS_H
#define CUSTODY_ROLES_WITNESS_STATUS_H

#include "roles/witness/ask.h"

struct witness_status {
    const struct witness_peer *peer;
    uint64_t size;
    enum witness_outcome outcome;
    int64_t last_us;
};

MUST_USE bool witness_status_write(int folder, const struct witness_status *status,
                                   size_t count, struct fault *fault);
/* Why nobody is asked. */
MUST_USE bool witness_status_write_fault(int folder, const struct fault *why,
                                         struct fault *fault);
/* When the witness of that name last cosigned; 0: never, as far as the file says. */
int64_t witness_status_last(int folder, struct slice name);

#endif
