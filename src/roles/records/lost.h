/*
 * roles/records/lost.h - runs whose core was killed: nothing of them lives on, their record
 * has no end and their folder is still there.
 */
#ifndef CUSTODY_ROLES_LOST_H
#define CUSTODY_ROLES_LOST_H

#include "roles/session.h"

/*
 * Ends every run that was killed: run.ended with outcome failed and reason killed becomes
 * durable, then the store says the same, then its folder goes. A run without its last record
 * keeps its folder: the next call tries again, and so does one whose processes are killed and
 * do not end.
 *
 *   ret_removed  folders that are gone
 */
MUST_USE bool lost_sweep(struct session *session, size_t *ret_removed, struct fault *fault);

#endif
