/*
 * os/disk.h - how much room a file system has, and whether it keeps what it was told to keep.
 *
 * Levels: below DISK_WARN somebody should look, below DISK_REFUSE nothing new is begun. A
 * share of a huge disk is a silly limit and a fixed size of a small one, too: the smaller of
 * both counts (20 % or 1 GiB, 5 % or 256 MiB). DISK_FULL is what a write says that failed.
 */
#ifndef CUSTODY_OS_DISK_H
#define CUSTODY_OS_DISK_H

#include <stdint.h>
#include <sys/types.h>

#include "base/bytes.h"
#include "base/fault.h"

struct disk_space {
    uint64_t total, free;       /* bytes; free: to an ordinary user */
    uint64_t files, files_free; /* inodes; 0, 0: as many as there is room for */
};

enum disk_level { DISK_OK, DISK_WARN, DISK_REFUSE, DISK_FULL };

/* Free space is handed in, so that a test owns it. */
struct disk {
    bool (*space)(void *self, struct disk_space *ret_space, struct fault *fault);
    void *self;
};

/* Of the file system that `fd` is on. */
MUST_USE bool disk_space_of(int fd, struct disk_space *ret_space, struct fault *fault);

/* "ok", "warn", "refuse", "full" */
const char *disk_level_name(enum disk_level level);
/* Free bytes below which `level` begins; DISK_WARN or DISK_REFUSE. */
uint64_t disk_limit(enum disk_level level, uint64_t total);
/*
 * The level now. To leave a worse one takes an eighth more than to enter it, so that a disk
 * at a limit does not go back and forth. DISK_FULL is neither entered nor left here.
 */
enum disk_level disk_level_of(const struct disk_space *space, enum disk_level before);

/* Fewer than one file in twenty can still be made: what is empty fills a disk, too. */
bool disk_files_are_low(const struct disk_space *space);

enum disk_kind {
    DISK_LOCAL,
    DISK_LAYERED,  /* overlayfs: its fsync is that of the layer below */
    DISK_VOLATILE, /* in memory, or an overlay that was told not to sync: gone with a crash */
    DISK_REMOTE,   /* network, FUSE: what a sync, a lock or a rename means is others' matter */
};

/*
 * What `fd` is on.
 *   ret_name  "ext4", "tmpfs", "nfs", ...; a static text
 */
MUST_USE bool disk_kind_of(int fd, enum disk_kind *ret_kind, const char **ret_name,
                           struct fault *fault);

/*
 * Number of the whole disk that `fd` is on, as control groups want it. False: on no disk
 * (tmpfs, overlay, network), or /sys does not tell.
 */
MUST_USE bool disk_device_of(int fd, unsigned *ret_major, unsigned *ret_minor);

/*
 * Has the kernel answer EDQUOT to whatever makes the files of `uid` on that file system take
 * more than `bytes`; 0: no limit any more. False where it keeps no quota of users (mount
 * option usrquota), or this is not root.
 */
bool disk_quota_set(int fd, uid_t uid, uint64_t bytes);

/* "3 MiB", "812 KiB", into `ret_text`. */
#define DISK_TEXT_BYTES 32
void disk_size_text(uint64_t bytes, char ret_text[DISK_TEXT_BYTES]);

/* The line of /proc/self/mountinfo of the mount that `fd` is on; it lies in `ret_mounts`, which the caller frees in any
 * case. */
bool disk_mount_line(int fd, struct buf *ret_mounts, struct slice *ret_line);

#endif
