/*
 * cell/terminal.h - the agent's terminal, made in the cell's own devpts, so that it has a name
 * there and the host's is nowhere in the cell.
 */
#ifndef CUSTODY_CELL_TERMINAL_H
#define CUSTODY_CELL_TERMINAL_H

#include "cell/cell.h"

/*
 * In pid 1, when the root is entered. The slave belongs to the agent.
 *   ret_master  does not block: who types more than the agent reads must not hold up core
 */
MUST_USE bool cell_terminal_make(const struct cell_plan *plan, int *ret_master, int *ret_slave,
                                 struct fault *fault);

#endif
