/* Which whole disk a folder is on: control groups bound disks, not partitions. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/scope.h"
#include "os/disk.h"
#include "os/file.h"

/* The device named in the mount's line, for file systems with a number of their own (btrfs).
 */
static bool source_of(int fd, dev_t *ret_device)
{
    AUTO_BUF struct buf mounts = {0};
    struct slice line, word = {0};
    struct stat stat_of_source;
    AUTO_FREE char *source = NULL;
    size_t dash;

    if (!disk_mount_line(fd, &mounts, &line))
        return false;
    dash = slice_find(line, SLICE(" - "), 0);
    if (dash == SIZE_MAX)
        return false;
    line = slice_part(line, dash + 3, line.len);
    if (!slice_cut(&line, ' ', &word) || !slice_cut(&line, ' ', &word))
        return false;
    source = slice_dup(word);
    if (source[0] != '/' || stat(source, &stat_of_source) < 0 ||
        !S_ISBLK(stat_of_source.st_mode))
        return false;
    *ret_device = stat_of_source.st_rdev;
    return true;
}

bool disk_device_of(int fd, unsigned *ret_major, unsigned *ret_minor)
{
    AUTO_BUF struct buf text = buf_with_limit(64);
    AUTO_FREE char *folder = NULL, *partition = NULL, *whole = NULL;
    struct fault ignored = {0};
    struct stat stat;
    dev_t device;
    char *end;

    if (fstat(fd, &stat) < 0)
        return false;
    device = stat.st_dev;
    if (major(device) == 0 && !source_of(fd, &device))
        return false;
    folder = xformat("/sys/dev/block/%u:%u", major(device), minor(device));
    partition = xformat("%s/partition", folder);
    whole = xformat("%s/../dev", folder);
    if (access(folder, F_OK) < 0)
        return false;
    if (access(partition, F_OK) < 0) {
        *ret_major = major(device);
        *ret_minor = minor(device);
        return true;
    }
    if (!file_read(AT_FDCWD, whole, &text, &ignored)) /* "8:0\n" */
        return false;
    *ret_major = (unsigned)strtoul(buf_text(&text), &end, 10);
    if (*end != ':')
        return false;
    *ret_minor = (unsigned)strtoul(end + 1, NULL, 10);
    return true;
}
