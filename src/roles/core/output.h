/*
 * roles/core/output.h - what the agent printed, kept for the ledger: both of its streams in
 * the order in which they came, in memory until the run ends.
 */
#ifndef CUSTODY_ROLES_CORE_OUTPUT_H
#define CUSTODY_ROLES_CORE_OUTPUT_H

#include "base/bytes.h"
#include "base/fault.h"

#define CORE_OUTPUT_BYTES_MAX (16UL * 1024 * 1024) /* what is printed beyond is not kept */

struct core_output {
    int fd; /* a file of memory; -1: nothing was printed yet */
    uint64_t bytes;
    bool cut; /* there was more */
};

/* Never holds up the agent: what cannot be kept is `cut`. */
void core_output_add(struct core_output *output, struct slice bytes);
void core_output_free(struct core_output *output);

#endif
