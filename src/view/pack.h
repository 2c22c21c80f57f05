/*
 * view/pack.h - writes a git pack and its index (version 2), objects whole, never as deltas.
 * Format: git's Documentation/gitformat-pack.txt.
 */
#ifndef CUSTODY_VIEW_PACK_H
#define CUSTODY_VIEW_PACK_H

#include "view/object.h"

struct pack;

/*
 * Starts a pack in `folder_fd` (an objects/pack folder; borrowed until pack_finish or
 * pack_free). level  of zlib: 0 stores
 */
MUST_USE bool pack_new(int folder_fd, size_t oid_bytes, int level, struct pack **ret_pack,
                       struct fault *fault);
void pack_free(struct pack *pack); /* what was not finished is removed; NULL is fine */

bool pack_has(const struct pack *pack, const uint8_t *oid);
/* Adds an object; one that is there already is not added twice. ret_oid may be NULL. */
MUST_USE bool pack_add(struct pack *pack, enum object_type type, struct slice content,
                       uint8_t *ret_oid, struct fault *fault);
/*
 * The same from a file, in parts. The id is known beforehand and checked.
 * FAULT_INVALID: the bytes do not hash to `oid`; the pack is spoilt.
 */
MUST_USE bool pack_add_range(struct pack *pack, int fd, uint64_t at, uint64_t len,
                             const uint8_t *oid, struct fault *fault);
/* Writes pack-ID.pack and pack-ID.idx; nothing at all where no object was added. */
MUST_USE bool pack_finish(struct pack *pack, bool sync, struct fault *fault);

#endif
