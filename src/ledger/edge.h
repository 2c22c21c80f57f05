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
#include "os/durable.h"

struct edge;

/*
 *   folder     where tile/ is; borrowed
 *   temporary  a folder of the same file system for files that are not finished; borrowed
 *   durable    how to sync files; borrowed
 */
struct edge *edge_new(int folder, int temporary, const struct durable *durable);
void edge_free(struct edge *edge); /* NULL is fine */
/*
 * Loads the edge of the published tree of `size` and gives its range. Every leaf of the
 * unfinished bundle is hashed anew. FAULT_INVALID, FAULT_MISSING: a tile is damaged or
 * missing.
 */
MUST_USE bool edge_load(struct edge *edge, uint64_t size, struct tree_range *ret_range,
                        struct fault *fault);
/*
 * Adds a leaf; writes what becomes full. A file has its name once it is synced: see edge_sync.
 * May wait for the disk where that is far behind.
 */
MUST_USE bool edge_add(struct edge *edge, struct slice leaf, const struct tree_hash *leaf_hash,
                       struct fault *fault);
struct tree_range edge_range(const struct edge *edge); /* of what its tiles hold */
/*
 * Has the files that were written synced, as far as that is worth it now, and names those that
 * are. *ret_done false, only without `wait`: the disk is at work; come again.
 */
MUST_USE bool edge_sync(struct edge *edge, bool wait, bool *ret_done, struct fault *fault);
/* Writes the partial tiles of the size that was reached. */
MUST_USE bool edge_write_partials(struct edge *edge, struct fault *fault);
/* Once everything is written and edge_sync has nothing left: syncs the folders. */
MUST_USE bool edge_sync_folders(struct edge *edge, struct fault *fault);
/* edge_write_partials, edge_sync, edge_sync_folders, waiting for all. */
MUST_USE bool edge_flush(struct edge *edge, struct fault *fault);
/* Removes partial files whose full one is published. Failures are left for the next time. */
void edge_drop_partials(struct edge *edge);

#endif
