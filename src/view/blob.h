/*
 * view/blob.h - the git blob that a file of the agent's has become, and that it was told.
 */
#ifndef CUSTODY_VIEW_BLOB_H
#define CUSTODY_VIEW_BLOB_H

#include "view/serve_state.h"

#define BLOB_AT_RENAME_BYTES_MAX (1U << 20) /* larger ones are told when the run ends */
#define BLOB_AT_SYNC_BYTES_MAX (256U << 10)
#define BLOB_AT_SYNC_TIMES 8 /* a file: who syncs for ever is a database */

/*
 * The blob of what the node holds now: where the agent did not write it, that of the base file
 * (the original's, also of one with stand-ins). False: it is larger, cannot be read or is no
 * file.
 */
MUST_USE bool blob_of(struct view *view, uint32_t number, uint64_t bytes_max,
                      uint8_t ret_oid[SNAPSHOT_OID_MAX]);
/* Of the first `size` bytes of a file; its position stays. */
MUST_USE bool blob_of_file(struct view *view, int fd, uint64_t size,
                           uint8_t ret_oid[SNAPSHOT_OID_MAX]);

#endif
