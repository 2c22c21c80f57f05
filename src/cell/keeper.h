/*
 * cell/keeper.h - the process that puts pid 1 into v2 groups, and removes the groups when core
 * is gone, however that came about.
 */
#ifndef CUSTODY_CELL_KEEPER_H
#define CUSTODY_CELL_KEEPER_H

#include "cell/limits.h"

/* Sets limits->keeper and limits->keeper_socket; without a keeper v2 limits are not had. */
void keeper_start(struct limits *limits);
/* Removes the groups, patiently: they are busy until the last process in them is reaped. False:
 * some is still there. */
bool keeper_remove(const struct limits *limits, int tries);

#endif
