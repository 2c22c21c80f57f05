/*
 * roles/guard/refusals.h - what the guard refuses and no record of a file tells: connections, modes, programs,
 * opens past the repository.
 *
 * An agent can be refused without end. So each kind of act on each object is told of at its first refusal, and
 * then whenever the number of its refusals has doubled, with that number. What is beyond REFUSALS_OBJECTS_MAX
 * objects is told of by its kind alone.
 */
#ifndef CUSTODY_ROLES_GUARD_REFUSALS_H
#define CUSTODY_ROLES_GUARD_REFUSALS_H

#include "base/bytes.h"

#define REFUSALS_OBJECTS_MAX 2048
#define REFUSALS_OBJECT_BYTES_MAX 4200

struct refusals;

struct refusals *refusals_new(void);
void refusals_free(struct refusals *refusals); /* NULL is fine */
/*
 * One more. Gives its number where a record is due, else 0.
 *   ret_is_known  whether the object is one of those that are counted by themselves
 */
uint32_t refusals_add(struct refusals *refusals, const char *reason, struct slice object,
                      bool *ret_is_known);

#endif
