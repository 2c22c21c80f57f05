/*
 * roles/core/build_cache.h - what builds keep from one run to the next: ~/.cache of the cell.
 * Private to core.
 *
 * An agent may write into it whatever it may read, so it is shown to nobody who may read other
 * things: one for each (repository, policy, role), held by one run at a time. Never looked
 * into and never collected. Where it lies: roles/records/build_caches.h.
 */
#ifndef CUSTODY_ROLES_CORE_BUILD_CACHE_H
#define CUSTODY_ROLES_CORE_BUILD_CACHE_H

#include "roles/core/parts.h"

#define BUILD_CACHE_TARGET CELL_HOME "/.cache"

/*
 * Sets run->build_cache where policy gives one and no other run has it. What has grown too
 * large, or cannot be counted, is emptied first.
 */
MUST_USE bool core_build_cache_open(struct run *run, struct fault *fault);
/* Has it grown beyond what policy gives? Counted only when as much of the disk has gone. */
bool core_build_cache_exceeds(const struct run *run, uint64_t gone_bytes);
/* The cell is dead. What is too large goes. */
void core_build_cache_close(struct run *run);

#endif
