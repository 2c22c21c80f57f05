/* view/plain_format.h - the file of identities: header | file[count], by node number. It never
 * leaves its machine. */
#ifndef CUSTODY_VIEW_PLAIN_FORMAT_H
#define CUSTODY_VIEW_PLAIN_FORMAT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#define PLAIN_MAGIC "CUSTPLAI"

struct plain_header {
    char magic[8];
    uint32_t count;
    uint32_t dev_major, dev_minor; /* one file system for all */
    uint32_t unused;
};

struct plain_time {
    int64_t s;
    uint32_t ns, unused;
};

struct plain_file {
    uint64_t inode; /* 0: no file of its own (a folder, or denied) */
    struct plain_time born, changed;
};

/* Where the file system tells no time of birth, all are zero and alike. */
bool plain_time_is(const struct plain_time *time, const struct statx_timestamp *other);
struct plain_time plain_time_of(const struct statx_timestamp *time);

#endif
