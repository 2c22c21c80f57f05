/*
 * What the agent may fill past the view: its .git, the scratch folders, and without FUSE its
 * files are folders of the host, which have no quota. Watched from outside: looking at free
 * space is cheap and done always; the folders are counted only when as much went as the agent
 * may take.
 */
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/scope.h"
#include "roles/core/build_cache.h"

#define DEPTH_MAX 128
#define LAST_BYTES (1ULL << 20) /* less than this, and nothing can be written for sure */

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

uint64_t core_disk_used(int folder)
{
    return used_below(folder, ".", 0);
}

static uint64_t add_below(int folder, uint64_t used, uint64_t most)
{
    uint64_t more = folder < 0 || used > most ? 0 : used_below(folder, ".", 0);

    return more > most ? more : used + more;
}

static bool folders_exceed(const struct run *run, uint64_t most)
{
    uint64_t used = used_below(run->git_fd, ".", 0);

    if (run->plain_fd >= 0 && used <= most) { /* less what was there before the agent */
        uint64_t all = used_below(run->plain_fd, ".", 0), ours = run->ready.plain_bytes;

        used = all > ours ? used + (all - ours < most ? all - ours : most) : used;
    }
    for (size_t i = 0; i < run->policy->scratch_count && used <= most; i++)
        used = add_below(run->scratch_fds[i], used, most);
    /* Without mounts of their own these are on the host's disk, too. */
    used = add_below(run->shared.home_fd, used, most);
    used = add_below(run->shared.tmp_fd, used, most);
    return used > most;
}

/*
 * The level below which the ledger begins nothing new ends a run that is under way, too. One
 * that was begun below it was begun under break-glass, and goes on to the very end.
 */
static const char *disk_low(struct disk_watch *watch, int fd, const char *what,
                            struct fault *ret_why)
{
    struct fault ignored = {0};
    char left[DISK_TEXT_BYTES];
    struct disk_space space;
    enum disk_level level;

    if (fd < 0 || !disk_space_of(fd, &space, &ignored))
        return NULL;
    level = disk_level_of(&space, DISK_OK);
    if (!watch->begun) {
        *watch = (struct disk_watch){.begun = true, .level = level, .free = space.free};
        return NULL;
    }
    watch->now = space.free;
    if (level < DISK_REFUSE || (watch->level >= DISK_REFUSE && space.free >= LAST_BYTES))
        return NULL;
    disk_size_text(space.free, left);
    (void)fault_set(ret_why, FAULT_LIMIT,
                    "%s has %s left; the cell was killed before the disk is full", what, left);
    return "disk-full";
}

static const char *ledger_disk_low(struct run *run, struct fault *ret_why)
{
    AUTO_CLOSE int ledger =
        openat(run->session->home.fd, "ledger", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    return disk_low(&run->disk_of_ledger, ledger, "the ledger's disk", ret_why);
}

const char *core_disk_exceeded(struct run *run, struct fault *ret_why)
{
    uint64_t most = run->policy->resources.disk_bytes;
    struct disk_watch *watch = &run->disk_of_run;
    uint64_t gone;
    const char *reason =
        disk_low(watch, run->folder_fd, "the disk of the state folder", ret_why);

    if (reason == NULL)
        reason = ledger_disk_low(run, ret_why);
    gone = watch->now < watch->free ? watch->free - watch->now : 0;
    if (reason != NULL || gone == 0)
        return reason;
    if (gone >= most && folders_exceed(run, most)) {
        (void)fault_set(ret_why, FAULT_LIMIT,
                        "the agent has filled more of the disk than resources.disk allows; the "
                        "cell was killed");
        return "disk-limit";
    }
    if (core_build_cache_exceeds(run, gone)) {
        (void)fault_set(ret_why, FAULT_LIMIT,
                        "~/.cache has become larger than resources.build_cache allows; the "
                        "cell was killed, the cache emptied");
        return "disk-limit";
    }
    return NULL;
}
