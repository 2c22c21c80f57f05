/*
 * The cell's memory where no control group bounds it: looked at from outside, as the disk is.
 * RLIMIT_AS and RLIMIT_DATA would bound each process, not their sum, and break programs that
 * reserve far more than they use (garbage collectors, AddressSanitizer).
 *
 * Counted is what no other limit bounds and no cache gives back: anonymous memory, shared by
 * its share, and files without a name that only a descriptor holds (memfd_create). /tmp, HOME
 * and /dev/shm have sizes of their own.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/scope.h"
#include "os/proc.h"
#include "roles/core/parts.h"

#define DESCRIPTORS_MAX 500000 /* of the whole cell; who has more, hides something */
#define ANCESTORS_MAX 64
#define SHARED_SHARE 8 /* below this part of the limit nobody counts descriptors */

struct held {
    uint64_t inode, bytes;
};

struct held_list {
    dev_t device;
    uint64_t begun; /* memory_watch */
    bool hides;     /* a process of the agent's keeps its descriptors from us */
    bool asks_sent, sent; /* some are on their way in a socket */
    struct held *at;
    size_t count, room;
    size_t descriptors;
};

/*
 * Without a namespace of processes it is the host's /proc: the cell's are those below its
 * warden, since whoever loses its parent there gets the cell's first process or the sweeper.
 */
static bool is_of_cell(const struct run *run, int proc, pid_t pid)
{
    for (int i = 0; i < ANCESTORS_MAX; i++) {
        AUTO_FREE char *name = xformat("%d", (int)pid);
        AUTO_CLOSE int folder = openat(proc, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
        struct proc_stat stat;

        if (pid == cell_pid(run->cell))
            return true;
        if (pid <= 1 || folder < 0 || !proc_stat_read(folder, &stat))
            return false;
        pid = stat.parent;
    }
    return true; /* so many make each other only to be overlooked */
}

/* A process each; core sees all of a namespace that it made. */
static bool each_process(const struct run *run, bool (*look)(void *self, int process),
                         void *self)
{
    int own = openat(run->cell_proc, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *proc = own < 0 ? NULL : fdopendir(own);
    bool ok = true;

    if (proc == NULL) {
        scope_close(&own);
        return false;
    }
    for (const struct dirent *entry; ok && (entry = readdir(proc)) != NULL;) {
        AUTO_CLOSE int process = -1;

        if (entry->d_name[0] < '1' || entry->d_name[0] > '9' ||
            (run_is_shared(run) &&
             !is_of_cell(run, own, (pid_t)strtol(entry->d_name, NULL, 10))))
            continue;
        process = openat(own, entry->d_name, O_PATH | O_DIRECTORY | O_CLOEXEC);
        ok = process < 0 || look(self, process); /* gone meanwhile */
    }
    (void)closedir(proc);
    return ok;
}

/* Where custody has no rights over it, a process that is not dumpable cannot be looked into. */
static bool hides(const struct held_list *list, int process)
{
    struct proc_stat stat;

    return errno == EACCES && proc_stat_read(process, &stat) && stat.started > list->begun;
}

static bool add_held(void *self, int process)
{
    struct held_list *list = self;
    int own = openat(process, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = own < 0 ? NULL : fdopendir(own);

    if (folder == NULL) {
        list->hides = list->hides || hides(list, process);
        scope_close(&own);
        return true;
    }
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        struct stat stat;

        if (++list->descriptors > DESCRIPTORS_MAX)
            break;
        if (entry->d_name[0] == '.' || fstatat(own, entry->d_name, &stat, 0) < 0)
            continue;
        if (S_ISSOCK(stat.st_mode) && list->asks_sent && !list->sent)
            list->sent = proc_socket_holds_descriptors(process, entry->d_name);
        if (!S_ISREG(stat.st_mode) || stat.st_nlink != 0 || stat.st_dev != list->device)
            continue;
        list->at = xgrow(list->at, &list->room, list->count + 1, sizeof(list->at[0]));
        list->at[list->count++] =
            (struct held){.inode = stat.st_ino, .bytes = (uint64_t)stat.st_blocks * 512};
    }
    (void)closedir(folder);
    return list->descriptors <= DESCRIPTORS_MAX;
}

static int compare_held(const void *left, const void *right)
{
    const struct held *a = left, *b = right;

    return (a->inode > b->inode) - (a->inode < b->inode);
}

uint64_t core_held_bytes(const struct run *run, dev_t device, uint64_t hidden_bytes,
                         bool *ret_sent)
{
    struct held_list list = {
        .device = device, .begun = run->memory.begun, .asks_sent = ret_sent != NULL};
    uint64_t sum = 0;
    bool ok = each_process(run, add_held, &list);

    if (list.count > 1)
        qsort(list.at, list.count, sizeof(list.at[0]), compare_held);
    for (size_t i = 0; i < list.count; i++) /* one file, many descriptors */
        if (i == 0 || list.at[i].inode != list.at[i - 1].inode)
            sum += list.at[i].bytes;
    free(list.at);
    if (list.hides && hidden_bytes > sum)
        sum = hidden_bytes;
    if (ret_sent != NULL)
        *ret_sent = list.sent;
    return ok ? sum : UINT64_MAX;
}

static bool add_resident(void *self, int process)
{
    *(uint64_t *)self += proc_resident_bytes(process);
    return true;
}

static bool add_own(void *self, int process)
{
    *(uint64_t *)self += proc_own_bytes(process);
    return true;
}

static bool add_started(void *self, int process)
{
    uint64_t *last = self;
    struct proc_stat stat;

    if (proc_stat_read(process, &stat) && stat.started > *last)
        *last = stat.started;
    return true;
}

/*
 * Of nameless files in memory. The kernel's own mount of tmpfs has no path: one of ours tells
 * its number. Who hides, hides no more than all of the host has taken since. So it is where
 * descriptors lie in sockets; but programs send some now and then, while others of the host
 * take memory: it must be so twice, and be too much by itself.
 */
static uint64_t nameless_bytes(struct run *run, uint64_t taken)
{
    AUTO_CLOSE int fd = memfd_create("custody", MFD_CLOEXEC);
    struct stat stat;
    bool sent = false;
    uint64_t held = fd < 0 || fstat(fd, &stat) < 0
                        ? UINT64_MAX
                        : core_held_bytes(run, stat.st_dev, taken, &sent);

    run->memory.sent = sent ? run->memory.sent + 1 : 0;
    if (run->memory.sent > 1 && taken > run->policy->resources.memory_bytes && taken > held)
        held = taken;
    return held;
}

void core_memory_begin(struct run *run, const struct cell_sealed *sealed)
{
    run->memory = (struct memory_watch){
        .watched =
            !sealed->limit[CELL_LIMIT_MEMORY] && run->policy->resources.memory_bytes > 0,
        .shared = proc_shared_bytes(),
    };
    (void)each_process(run, add_started, &run->memory.begun);
}

bool core_memory_is_near(const struct run *run)
{
    return run->memory.used > run->policy->resources.memory_bytes / 2;
}

const char *core_memory_exceeded(struct run *run, struct fault *ret_why)
{
    uint64_t most = run->policy->resources.memory_bytes, used = 0, shared, nameless = 0;

    if (!each_process(run, add_resident, &used)) {
        (void)fault_set(ret_why, FAULT_HOST,
                        "the cell's processes cannot be looked at; the cell was killed");
        return "memory-watch";
    }
    shared = proc_shared_bytes();
    if (shared > run->memory.shared && shared - run->memory.shared > most / SHARED_SHARE)
        nameless = nameless_bytes(run, shared - run->memory.shared);
    /* What is resident is more than what is used, and cheap to ask for. */
    if (used > most || nameless > most - used) {
        used = 0;
        (void)each_process(run, add_own, &used);
    }
    run->memory.used = nameless > UINT64_MAX - used ? UINT64_MAX : used + nameless;
    if (run->memory.used <= most)
        return NULL;
    (void)fault_set(ret_why, FAULT_LIMIT,
                    "the cell used more memory than resources.memory allows; it was killed");
    return "memory-limit";
}
