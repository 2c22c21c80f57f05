/*
 * cell/sweep.h - ends all that ever started in a cell without a pid namespace.
 *
 * A process may leave its session, its group and its parent; what it cannot leave is a Landlock
 * domain that keeps signals inside. So one signal to "every process" from a process of that
 * domain reaches the cell's and nobody else's, and none of them can fork past it: the kernel
 * sends it under the lock that a fork needs.
 */
#ifndef CUSTODY_CELL_SWEEP_H
#define CUSTODY_CELL_SWEEP_H

#include <sys/types.h>

#include "base/fault.h"

/*
 * The calling process and all that it starts from now on share a domain of their own. `other`
 * is a process of the same user outside: that no signal reaches it is tried.
 * FAULT_HOST: signals are not kept inside (Landlock before ABI 6).
 */
MUST_USE bool sweep_begin(pid_t other, struct fault *fault);
/* Kills every process of the domain but the caller, and reaps until none is left. Only after
 * sweep_begin in this process or one above it. */
void sweep_all(void);

#endif
