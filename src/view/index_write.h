/* view/index_write.h - git's index of a run: the snapshot's template with the run's own ids. */
#ifndef CUSTODY_VIEW_INDEX_WRITE_H
#define CUSTODY_VIEW_INDEX_WRITE_H

#include "view/snapshot.h"

/*
 * Makes `index` below the folder, with its checksum.
 *   oids  SNAPSHOT_OID_MAX each, by node number; only those of snapshot_is_fresh are looked at
 * FAULT_INVALID: the snapshot's places in its template are none.
 */
MUST_USE bool index_write(int folder_fd, const struct snapshot *snapshot, const uint8_t *oids,
                          struct fault *fault);

#endif
