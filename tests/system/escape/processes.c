/* Attempts on other processes, and on the limits. */
#include "escape.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/capability.h>

#define FORKS_MAX 100000
#define FILL_BYTES_MAX (64ULL << 30)

static int kill_init(const struct target *target)
{
    (void)target;
    /* Allowed or not, pid 1 must go on: otherwise nobody prints this line. */
    if (kill(1, SIGKILL) < 0)
        return errno;
    (void)usleep(100000);
    return HELD;
}

/* A process in /proc that is neither ours nor hidden. */
static int see_others(const struct target *target)
{
    DIR *proc = opendir("/proc");
    const struct dirent *entry;
    int found = 0;

    (void)target;
    if (proc == NULL)
        return errno;
    while ((entry = readdir(proc)) != NULL) {
        struct stat stat;

        if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9' &&
            fstatat(dirfd(proc), entry->d_name, &stat, 0) == 0 && stat.st_uid != getuid())
            found = 1;
    }
    (void)closedir(proc);
    return found ? GOT_THROUGH : HELD;
}

static int see_shared_memory(const struct target *target)
{
    struct shm_info info;

    (void)target;
    if (shmctl(0, SHM_INFO, (struct shmid_ds *)&info) < 0)
        return errno;
    return info.used_ids == 0 ? HELD : GOT_THROUGH;
}

static int raise_capability(const struct target *target)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {{.effective = ~0U, .permitted = ~0U}};

    (void)target;
    return errno_of(syscall(SYS_capset, &header, data));
}

static int raise_ambient(const struct target *target)
{
    (void)target;
    return errno_of(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SYS_ADMIN, 0, 0));
}

static int drop_no_new_privs(const struct target *target)
{
    (void)target;
    return errno_of(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0));
}

static int join_group(const struct target *target)
{
    gid_t group = 0;

    (void)target;
    return errno_of(syscall(SYS_setgroups, 1, &group));
}

static int raise_limit(const struct target *target)
{
    struct rlimit limit = {.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};

    (void)target;
    return errno_of(setrlimit(RLIMIT_NOFILE, &limit));
}

static int dump_core(const struct target *target)
{
    struct rlimit limit = {.rlim_cur = 1 << 20, .rlim_max = 1 << 20};

    (void)target;
    if (setrlimit(RLIMIT_CORE, &limit) < 0)
        return errno;
    return getrlimit(RLIMIT_CORE, &limit) == 0 && limit.rlim_cur <= 1 ? HELD : GOT_THROUGH;
}

/* Where core_pattern names a program, the host's root runs it unless the limit is 1; 0 would
 * do that. */
static int dump_core_to_host(const struct target *target)
{
    struct rlimit before, limit = {0};

    (void)target;
    if (getrlimit(RLIMIT_CORE, &before) < 0 || before.rlim_max == 0)
        return NOT_TRIED; /* as low before us */
    if (setrlimit(RLIMIT_CORE, &limit) < 0)
        return errno;
    return getrlimit(RLIMIT_CORE, &limit) == 0 && limit.rlim_cur == 1 ? HELD : GOT_THROUGH;
}

static int prefer_ourselves(const struct target *target)
{
    int fd = open("/proc/self/oom_score_adj", O_WRONLY);

    (void)target;
    if (fd < 0)
        return errno;
    return errno_of(write(fd, "-1000", 5));
}

static int real_time(const struct target *target)
{
    struct {
        int priority;
    } parameters = {.priority = 50};

    (void)target;
    return errno_of(syscall(SYS_sched_setscheduler, 0, 1 /* SCHED_FIFO */, &parameters));
}

/* Forks until somebody says no. The children go when the pipe does. */
static int fork_without_end(const struct target *target)
{
    int result = GOT_THROUGH;
    int ends[2];
    char byte;

    (void)target;
    if (pipe(ends) < 0)
        return errno;
    for (int i = 0; i < FORKS_MAX; i++) {
        pid_t pid = fork();

        if (pid < 0) {
            result = errno;
            break;
        }
        if (pid == 0) {
            (void)close(ends[1]);
            _exit(read(ends[0], &byte, 1) == 0 ? 0 : 1);
        }
    }
    return result;
}

static int fill(const char *path)
{
    static char bytes[1 << 20];
    unsigned long long done = 0;
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    int result = GOT_THROUGH;

    if (fd < 0)
        return errno;
    while (done < FILL_BYTES_MAX) {
        ssize_t put = write(fd, bytes, sizeof(bytes));

        if (put < 0) {
            result = errno;
            break;
        }
        done += (unsigned long long)put;
    }
    (void)close(fd);
    (void)unlink(path);
    return result;
}

static int fill_tmp(const struct target *target)
{
    (void)target;
    return fill("/tmp/escape-fill");
}

static int fill_home(const struct target *target)
{
    char path[300];

    (void)target;
    (void)snprintf(path, sizeof(path), "%s/escape-fill",
                   getenv("HOME") == NULL ? "/tmp" : getenv("HOME"));
    return fill(path);
}

static int fill_shared_memory(const struct target *target)
{
    (void)target;
    return fill("/dev/shm/escape-fill");
}

const struct attempt attempts_on_processes[] = {
    {"kill-init", "SIGKILL to pid 1", kill_init, {EPERM, HELD}, SILENT},
    {"see-others", "lists processes of others", see_others, {HELD}, SILENT},
    {"shared-memory",
     "lists System V segments of the host",
     see_shared_memory,
     {HELD, ENOSYS},
     SILENT},
    {"capability", "raises capabilities", raise_capability, {EPERM}, SILENT},
    {"capability-ambient", "raises an ambient capability", raise_ambient, {EPERM}, SILENT},
    {"no-new-privs", "takes no_new_privs back", drop_no_new_privs, {EINVAL}, SILENT},
    {"join-group", "joins group 0", join_group, {EPERM, EINVAL}, SILENT},
    {"limit-raise", "raises its descriptor limit", raise_limit, {EPERM}, SILENT},
    {"limit-core", "allows core dumps", dump_core, {HELD, EPERM}, SILENT},
    {"limit-core-host",
     "has a program of the host take its core dump",
     dump_core_to_host,
     {HELD, EPERM},
     SILENT},
    {"limit-oom",
     "makes itself the last to be killed",
     prefer_ourselves,
     {EACCES, EPERM},
     SILENT},
    {"real-time", "takes the processor for itself", real_time, {EPERM}, SILENT},
    {"fork-bomb", "forks without end", fork_without_end, {EAGAIN}, SILENT},
    {"fill-tmp", "fills /tmp", fill_tmp, {ENOSPC, EFBIG}, SILENT},
    {"fill-home", "fills HOME", fill_home, {ENOSPC, EFBIG}, SILENT},
    {"fill-shm", "fills /dev/shm", fill_shared_memory, {ENOSPC, EFBIG}, SILENT},
};
const size_t attempts_on_processes_count = COUNT(attempts_on_processes);
