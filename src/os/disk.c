#include "os/disk.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>

#include "base/scope.h"
#include "os/file.h"

#define MIB (UINT64_C(1) << 20)
#define MOUNTS_BYTES_MAX (4 * MIB)

bool disk_space_of(int fd, struct disk_space *ret_space, struct fault *fault)
{
    struct statvfs room;

    if (fstatvfs(fd, &room) < 0)
        return fault_errno(fault, "ask for the free space");
    *ret_space = (struct disk_space){.total = (uint64_t)room.f_blocks * room.f_frsize,
                                     .free = (uint64_t)room.f_bavail * room.f_frsize,
                                     .files = room.f_files,
                                     .files_free = room.f_favail};
    return true;
}

static const struct level_row {
    const char *name;
    uint64_t percent, most; /* of the disk, and bytes: the smaller one */
} levels[] = {
    [DISK_OK] = {"ok", 0, 0},
    [DISK_WARN] = {"warn", 20, 1024 * MIB},
    [DISK_REFUSE] = {"refuse", 5, 256 * MIB},
    [DISK_FULL] = {"full", 0, 0},
};

const char *disk_level_name(enum disk_level level)
{
    return levels[level].name;
}

uint64_t disk_limit(enum disk_level level, uint64_t total)
{
    uint64_t share = total / 100 * levels[level].percent;

    return share < levels[level].most ? share : levels[level].most;
}

enum disk_level disk_level_of(const struct disk_space *space, enum disk_level before)
{
    if (before == DISK_FULL)
        return DISK_FULL;
    for (enum disk_level level = DISK_REFUSE; level > DISK_OK; level--) {
        uint64_t limit = disk_limit(level, space->total);

        if (space->free < (before >= level ? limit + limit / 8 : limit))
            return level;
    }
    return DISK_OK;
}

bool disk_files_are_low(const struct disk_space *space)
{
    return space->files_free < space->files / 20;
}

/* linux/magic.h has not all of them. */
static const struct kind_row {
    uint32_t magic;
    enum disk_kind kind;
    const char *name;
} kinds[] = {
    {0x0000ef53, DISK_LOCAL, "ext4"},      {0x58465342, DISK_LOCAL, "xfs"},
    {0x9123683e, DISK_LOCAL, "btrfs"},     {0x2fc12fc1, DISK_LOCAL, "zfs"},
    {0xf2f52010, DISK_LOCAL, "f2fs"},      {0xca451a4e, DISK_LOCAL, "bcachefs"},
    {0x794c7630, DISK_LAYERED, "overlay"}, {0x01021994, DISK_VOLATILE, "tmpfs"},
    {0x858458f6, DISK_VOLATILE, "ramfs"},  {0x00006969, DISK_REMOTE, "nfs"},
    {0x0000517b, DISK_REMOTE, "smb"},      {0xff534d42, DISK_REMOTE, "cifs"},
    {0xfe534d42, DISK_REMOTE, "smb2"},     {0x01021997, DISK_REMOTE, "9p"},
    {0x65735546, DISK_REMOTE, "fuse"},     {0x00c36400, DISK_REMOTE, "ceph"},
    {0x5346414f, DISK_REMOTE, "afs"},      {0x6b414653, DISK_REMOTE, "afs"},
    {0x73757245, DISK_REMOTE, "coda"},     {0x0000564c, DISK_REMOTE, "ncp"},
    {0x0bd00bd0, DISK_REMOTE, "lustre"},   {0x47504653, DISK_REMOTE, "gpfs"},
    {0x786f4256, DISK_REMOTE, "vboxsf"},   {0x19830326, DISK_REMOTE, "fhgfs"},
};

bool disk_mount_line(int fd, struct buf *ret_mounts, struct slice *ret_line)
{
    struct statx about;
    struct slice rest;
    struct fault ignored = {0};
    AUTO_FREE char *id = NULL;

    *ret_mounts = buf_with_limit(MOUNTS_BYTES_MAX);
    if (statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &about) < 0 ||
        (about.stx_mask & STATX_MNT_ID) == 0 ||
        !file_read(AT_FDCWD, "/proc/self/mountinfo", ret_mounts, &ignored))
        return false;
    id = xformat("%llu ", (unsigned long long)about.stx_mnt_id);
    rest = buf_slice(ret_mounts);
    while (slice_cut(&rest, '\n', ret_line))
        if (slice_starts_with(*ret_line, slice_of(id)))
            return true;
    return false;
}

/* An overlay that was mounted `volatile` never syncs; only its mount's options say so. */
static bool is_volatile_overlay(int fd)
{
    AUTO_BUF struct buf mounts = {0};
    struct slice line;

    return disk_mount_line(fd, &mounts, &line) &&
           slice_find(line, SLICE(",volatile"), 0) != SIZE_MAX;
}

bool disk_kind_of(int fd, enum disk_kind *ret_kind, const char **ret_name, struct fault *fault)
{
    struct statfs about;

    if (fstatfs(fd, &about) < 0)
        return fault_errno(fault, "ask for the file system");
    *ret_kind = DISK_LOCAL;
    *ret_name = "other";
    for (size_t i = 0; i < COUNT(kinds); i++)
        if (kinds[i].magic == (uint32_t)about.f_type) {
            *ret_kind = kinds[i].kind;
            *ret_name = kinds[i].name;
        }
    if (*ret_kind == DISK_LAYERED && is_volatile_overlay(fd)) {
        *ret_kind = DISK_VOLATILE;
        *ret_name = "overlay-volatile";
    }
    return true;
}

void disk_size_text(uint64_t bytes, char ret_text[DISK_TEXT_BYTES])
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB"};
    size_t unit = 0;

    for (; bytes >= 10 * 1024 && unit + 1 < COUNT(units); unit++)
        bytes /= 1024;
    (void)snprintf(ret_text, DISK_TEXT_BYTES, "%llu %s", (unsigned long long)bytes,
                   units[unit]);
}
