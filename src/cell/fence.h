/*
 * cell/fence.h - what root.h is for namespaces: the files of a cell in the host's own tree,
 * and the Landlock rules that make them all there is.
 */
#ifndef CUSTODY_CELL_FENCE_H
#define CUSTODY_CELL_FENCE_H

#include "cell/cell.h"

/* Fills HOME: the plan's files, and links to what the plan has below it. Before the filter. */
MUST_USE bool fence_furnish(const struct cell_plan *plan, struct fault *fault);
/*
 * For the calling process and what it starts: the toolchain for reading, the repository, HOME
 * and the temporary folder for writing, nothing else; no TCP port; signals and abstract sockets
 * stay inside. The plan's descriptors are still open.
 * FAULT_HOST: this kernel's Landlock keeps less.
 */
MUST_USE bool fence_agent(const struct cell_plan *plan, struct fault *fault);

#endif
