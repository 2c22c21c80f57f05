/*
 * lineage/served.h - which files an agent was shown, as lines' numbers: written by who serves
 * them, read by who looks at what the agent sends.
 *
 * A file of memory that grows to SERVED_BYTES_MAX and that both map, the reader to read only.
 * One writer, one reader, no locks: what is before `end` is whole. The reader believes no length
 * in it.
 */
#ifndef CUSTODY_LINEAGE_SERVED_H
#define CUSTODY_LINEAGE_SERVED_H

#include "base/fault.h"
#include "lineage/lines.h"

#define SERVED_BYTES_MAX (256UL << 20)
#define SERVED_FILE_BYTES_MAX                                                                 \
    (16UL << 20)             /* what is behind that in a file is not known again */
#define SERVED_BLOB_BYTES 64 /* hexadecimal digits */
#define SERVED_PATH_BYTES_MAX 4096

/* A file of memory, close-on-exec, that nobody can cut. */
MUST_USE bool served_make(int *ret_fd, struct fault *fault);

struct served;

/* Maps it, to write or to read. The descriptor stays the caller's. */
MUST_USE bool served_open(int fd, bool writes, struct served **ret_served,
                          struct fault *fault);
void served_close(struct served *served); /* NULL is fine */

/*
 * A file was shown.
 *   path     below the repository's root; any bytes
 *   blob     its git id, hexadecimal
 *   content  as it was shown
 * Where there is no room any more, that is noted (served_is_full) and nothing else.
 */
void served_add(struct served *served, const struct lines_key *key, struct slice path,
                struct slice blob, struct slice content);

struct served_file {
    struct slice path, blob;
    const uint64_t *hashes; /* of its pieces */
    const uint32_t *lines;  /* which line each is in, from 1 */
    size_t count;
};

/* The next file that the reader has not been given; what it points to lives as long as `served`.
 */
bool served_next(struct served *served, struct served_file *ret_file);
/* Something is shown that is not written here. */
void served_give_up(struct served *served);
/* Some files, or ends of files, are not in it. */
bool served_is_full(const struct served *served);

#endif
