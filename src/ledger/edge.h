/*
 * ledger/edge.h - the growing right edge of a tile tree: the tiles and the bundle that are not
 * full.
 *
 * It is loaded from what is published, fed with leaves, and writes tiles and bundles: each by
 * temporary file, fsync and rename, never over other bytes.
 */
#ifndef CUSTODY_LEDGER_EDGE_H
#define CUSTODY_LEDGER_EDGE_H

#include "ledger/tile.h"

struct edge;

/*
 *   folder     where tile/ is; borrowed
 *   temporary  a folder of the same file system for files that are not finished; borrowed
 */
struct edge *edge_new(int folder, int temporary);
void edge_free(struct edge *edge); /* NULL is fine */
/*
 * Loads the edge of the published tree of `size` and gives its range. Every leaf of the
 * unfinished bundle is hashed anew. FAULT_INVALID, FAULT_MISSING: a tile is damaged or
 * missing.
 */
MUST_USE bool edge_load(struct edge *edge, uint64_t size, struct tree_range *ret_range,
                        struct fault *fault);
/* Adds a leaf; writes what becomes full. */
MUST_USE bool edge_add(struct edge *edge, struct slice leaf, const struct tree_hash *leaf_hash,
                       struct fault *fault);
/* Writes the partial tiles of the size that was reached, and syncs the folders. */
MUST_USE bool edge_flush(struct edge *edge, struct fault *fault);
/* Removes partial files whose full one is published. Failures are left for the next time. */
void edge_drop_partials(struct edge *edge);

#endif
