/*
 * policy/glob.h - patterns over paths below the repository, "/" between names.
 *
 *   *             any bytes of one name
 *   ?             one byte of a name
 *   [a-z] [!a-z]  one byte of a set
 *   **            as a whole name: any number of names, also none
 *
 * Without a "/" a pattern matches a name at any depth. A pattern that matches a folder matches
 * all below it. Comparison ignores ASCII case when `fold`: denies fold, so that no alias on a
 * case-folding file system gets round them; allows do not.
 */
#ifndef CUSTODY_POLICY_GLOB_H
#define CUSTODY_POLICY_GLOB_H

#include "base/bytes.h"
#include "base/fault.h"

#define GLOB_BYTES_MAX 1024

/* FAULT_INVALID: empty, absolute, "..", an empty name, an unclosed set, control characters,
 * too long. */
MUST_USE bool glob_check(struct slice glob, struct fault *fault);
/* `glob` has passed glob_check. Time is bounded by the product of both lengths. */
bool glob_matches(struct slice glob, struct slice path, bool fold);

#endif
