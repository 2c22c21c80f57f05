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
#include "os/clock_real.h"
#include "roles/core/build_cache.h"

#define DEPTH_MAX 128
#define COUNT_MIN_US 20000
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

/* More than `most` may be anything more; UINT64_MAX: as of used_below. */
static uint64_t folders_used(const struct run *run, uint64_t most)
{
    uint64_t used = used_below(run->git_fd, ".", 0);

    if (run->plain_fd >= 0 && used <= most) { /* less what was there before the agent */
        uint64_t all = used_below(run->plain_fd, ".", 0), ours = run->ready.plain_bytes;

        if (all == UINT64_MAX)
            return all;
        used = all > ours ? used + (all - ours < most ? all - ours : most) : used;
    }
    for (size_t i = 0; i < run->policy->scratch_count && used <= most; i++)
        used = add_below(run->scratch_fds[i], used, most);
    /* Without mounts of their own these are on the host's disk, too. */
    used = add_below(run->shared.home_fd, used, most);
    used = add_below(run->shared.tmp_fd, used, most);
    return used;
}

/*
 * Others of the host may give space back while the agent takes it, so that less seems to be
 * gone: the folders are counted now and then in any case, for a fiftieth of the time. When
 * enough is gone, files that have no name any more count, too, as long as a descriptor tells of
 * them.
 */
static bool agent_exceeds(struct run *run, uint64_t gone, uint64_t most)
{
    int64_t began_us = clock_monotonic_us(&clock_real), took_us;
    struct stat stat;
    uint64_t used;

    if (gone < most && began_us < run->disk_count_us)
        return false;
    used = folders_used(run, most);
    took_us = clock_monotonic_us(&clock_real) - began_us;
    run->disk_count_us = began_us + (took_us < COUNT_MIN_US ? COUNT_MIN_US : took_us) * 50;
    if (gone < most) /* a folder that cannot be read hides nothing that is missed */
        return used > most && used != UINT64_MAX;
    if (used > most)
        return true;
    return fstat(run->folder_fd, &stat) == 0 &&
           core_held_bytes(run, stat.st_dev, 0, NULL) > most;
}

void core_disk_begin(struct run *run)
{
    const struct policy_resources *most = &run->policy->resources;
    uint64_t bytes;

    /* The view bounds itself by one resources.disk; .git and the folders get another. */
    if (geteuid() == 0 && !__builtin_mul_overflow(most->disk_bytes, 2, &bytes) &&
        !__builtin_add_overflow(bytes, most->build_cache_bytes, &bytes))
        run->quota = disk_quota_set(run->folder_fd, run->uid, bytes);
}

void core_disk_end(struct run *run)
{
    if (run->quota)
        (void)disk_quota_set(run->folder_fd, run->uid, 0); /* the next run's is its own */
    run->quota = false;
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
        *watch = (struct disk_watch){.begun = true,
                                     .level = level,
                                     .files_low = disk_files_are_low(&space),
                                     .free = space.free};
        return NULL;
    }
    watch->now = space.free;
    if (disk_files_are_low(&space) && !watch->files_low) {
        (void)fault_set(ret_why, FAULT_LIMIT,
                        "%s has room for no more than %llu files; the cell was killed before "
                        "there is none",
                        what, (unsigned long long)space.files_free);
        return "disk-full";
    }
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
    if (reason != NULL)
        return reason;
    if (agent_exceeds(run, gone, most)) {
        (void)fault_set(
            ret_why, FAULT_LIMIT,
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
