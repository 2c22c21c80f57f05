/* cell/plan.h - what a plan must be before anything is started. */
#ifndef CUSTODY_CELL_PLAN_H
#define CUSTODY_CELL_PLAN_H

#include "cell/cell.h"

/* FAULT_INVALID names the member that is wrong. Relative paths never climb; stdio is what the
 * agent may hold; the repository does not cover what the cell itself needs. */
MUST_USE bool plan_check(const struct cell_plan *plan, struct fault *fault);
/* True when core is root, so that mounts are root's and the agent has a uid of its own. */
bool plan_is_privileged(const struct cell_plan *plan);

#endif
