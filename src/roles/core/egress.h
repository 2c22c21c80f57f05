/*
 * roles/core/egress.h - what a cell may reach besides its models: who carries it, and what the
 * cell is told. Nothing of it where policy lists nothing. Private to roles/core.
 */
#ifndef CUSTODY_ROLES_CORE_EGRESS_H
#define CUSTODY_ROLES_CORE_EGRESS_H

#include "roles/core/environment.h"
#include "roles/core/parts.h"

#define EGRESS_CA_FILE                                                                        \
    ".custody/ca.pem" /* below HOME: the host's certificates, and the run's */

/* Starts both processes. */
MUST_USE bool core_start_egress(struct run *run, struct fault *fault);
/* Waits for the run's CA, and puts it together with what the host trusts. */
MUST_USE bool core_egress_ready(struct run *run, struct fault *fault);
/* Hands over the values that no model may see: `known` from its beginning, or -1. */
MUST_USE bool core_egress_know(struct run *run, int known, struct fault *fault);
/* Variables that make clients go to the door, and trust what answers there. */
void core_egress_environment(const struct run *run, struct core_environment *environment);

#endif
