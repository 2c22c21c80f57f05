/*
 * roles/witness/report.h - what the relay tells the ledger's daemon, who has the key and reads
 * nothing that came from a network: numbers, of a fixed size, after every round.
 */
#ifndef CUSTODY_ROLES_WITNESS_REPORT_H
#define CUSTODY_ROLES_WITNESS_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#define WITNESS_REPORT_MAX 32 /* witnesses; of more, these are the first in the policy */

struct witness_report {
    uint64_t size;    /* of the checkpoint that all were asked to cosign */
    int64_t read_us;  /* monotonic: when it was read; what it lacks was written later */
    bool is_cosigned; /* by as many as policy asks for, and it is on disk */
    struct {
        bool has_cosigned;
        int64_t last_us; /* since 1970: when it last cosigned anything; 0: never */
    } witness[WITNESS_REPORT_MAX];
};

#endif
