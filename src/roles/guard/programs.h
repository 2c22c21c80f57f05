/*
 * roles/guard/programs.h - digests of programs' files, each file hashed once as long as it
 * stays the same: by device, number, size and times. Large ones are remembered from run to
 * run.
 */
#ifndef CUSTODY_ROLES_GUARD_PROGRAMS_H
#define CUSTODY_ROLES_GUARD_PROGRAMS_H

#include <sys/stat.h>

#include "base/bytes.h"
#include "base/fault.h"

#define PROGRAM_DIGEST_BYTES 32

struct programs;

/*
 * cache_fd: the state folder's list, open for reading and appending; taken; -1: none. A list
 * that is damaged counts as far as it is whole.
 */
struct programs *programs_new(int cache_fd);
void programs_free(struct programs *programs); /* NULL is fine */

/*
 * SHA-256 of a regular file. `fd` may be O_PATH.
 * FAULT_LIMIT: longer than 4 GiB. FAULT_IO: it cannot be read.
 */
MUST_USE bool programs_digest(struct programs *programs, int fd, const struct stat *stat,
                              uint8_t ret_digest[PROGRAM_DIGEST_BYTES], struct fault *fault);
/* The first bytes of it, for "#!". */
MUST_USE bool programs_head(int fd, struct buf *ret_head, struct fault *fault);

#endif
