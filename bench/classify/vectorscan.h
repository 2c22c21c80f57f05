/* vectorscan.h - the same literals in Vectorscan, to compare with. */
#ifndef CUSTODY_BENCH_VECTORSCAN_H
#define CUSTODY_BENCH_VECTORSCAN_H

#include "classify/loaded.h"

/* Compiles the keywords of all rules. False: it is not installed, or will not. */
bool vectorscan_use(const struct rules *rules);
/* How many it finds. */
size_t vectorscan_find(struct slice text);

#endif
