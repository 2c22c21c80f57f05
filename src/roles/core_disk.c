/*
 * What the agent may fill past the view: its .git and the scratch folders are folders of the
 * host, which have no quota. Watched from outside: looking at free space is cheap and done
 * always; the folders are counted only when as much went as the agent may take.
 */
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/scope.h"
#include "roles/core_parts.h"

#define DEPTH_MAX 128
#define RESERVE_BYTES (256ULL << 20) /* of the host's, for the ledger and everybody else */

static bool free_of(const struct run *run, uint64_t *ret_free)
{
    struct statvfs room;

    if (fstatvfs(run->folder_fd, &room) < 0)
        return false;
    *ret_free = (uint64_t)room.f_bavail * room.f_frsize;
    return true;
}

/* Bytes on disk at and below `name`; UINT64_MAX where that cannot be said: who hides, has too
 * much. */
static uint64_t used_below(int parent, const char *name, unsigned depth)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    uint64_t used = 0;

    if (folder == NULL || depth > DEPTH_MAX) {
        if (folder != NULL)
            (void)closedir(folder);
        else if (fd >= 0)
            (void)close(fd);
        return UINT64_MAX;
    }
    for (const struct dirent *entry;
         used != UINT64_MAX && (entry = readdir(folder)) != NULL;) {
        uint64_t more = 0;
        struct stat stat;

        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
            fstatat(fd, entry->d_name, &stat, AT_SYMLINK_NOFOLLOW) < 0)
            continue; /* gone meanwhile */
        if (S_ISDIR(stat.st_mode))
            more = used_below(fd, entry->d_name, depth + 1);
        used = more == UINT64_MAX ? more : used + more + (uint64_t)stat.st_blocks * 512;
    }
    (void)closedir(folder);
    return used;
}

static bool folders_exceed(const struct run *run, uint64_t most)
{
    uint64_t used = used_below(run->git_fd, ".", 0);

    for (size_t i = 0; i < run->policy->scratch_count && used <= most; i++) {
        uint64_t more = used_below(run->scratch_fds[i], ".", 0);

        used = more > most ? more : used + more;
    }
    return used > most;
}

const char *core_disk_exceeded(struct run *run)
{
    uint64_t most = run->policy->resources.disk_bytes, left;

    if (!free_of(run, &left))
        return NULL;
    if (run->disk_free == 0)
        run->disk_free = left;
    if (left >= run->disk_free)
        return NULL;
    if (left < RESERVE_BYTES)
        return "disk-full";
    if (run->disk_free - left < most || !folders_exceed(run, most))
        return NULL;
    return "disk-limit";
}
