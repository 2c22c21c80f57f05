#include "cell/seal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/scope.h"
#include "cell/fence.h"
#include "cell/filter.h"
#include "cell/listener.h"
#include "cell/plan.h"
#include "os/file.h"
#include "os/isolate.h"
#include "os/spawn.h"

static bool write_map(int proc, const char *pid, const char *name, const char *text,
                      struct fault *fault)
{
    AUTO_FREE char *path = xformat("%s/%s", pid, name);
    AUTO_CLOSE int fd = openat(proc, path, O_WRONLY | O_CLOEXEC);

    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        return fault_errno(fault, "write %s of the cell", name);
    return true;
}

bool seal_write_maps(int proc, const char *pid, uid_t uid, gid_t gid, struct fault *fault)
{
    AUTO_FREE char *uids = xformat("%d %u 1\n", CELL_UID, uid);
    AUTO_FREE char *gids = xformat("%d %u 1\n", CELL_UID, gid);

    return write_map(proc, pid, "setgroups", "deny", fault) &&
           write_map(proc, pid, "uid_map", uids, fault) &&
           write_map(proc, pid, "gid_map", gids, fault);
}

/* Still root of the host when it is asked; without an answer from us it ends, too. */
static void map_when_asked(const struct cell_plan *plan, int asked)
{
    struct fault fault = {0};
    AUTO_CLOSE int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
    char byte;

    if (read(asked, &byte, 1) != 1 || proc < 0 ||
        !seal_write_maps(proc, "1", plan->uid, plan->gid, &fault))
        _exit(1);
    _exit(0);
}

bool seal_begin(const struct cell_plan *plan, struct seal_mapper *ret_mapper,
                struct fault *fault)
{
    int ends[2];

    *ret_mapper = (struct seal_mapper){.pid = -1, .ask = -1};
    if (!plan_is_privileged(plan))
        return true;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return fault_errno(fault, "make a pipe");
    ret_mapper->ask = ends[1];
    ret_mapper->pid = fork();
    if (ret_mapper->pid == 0) {
        (void)close(ends[1]);
        map_when_asked(plan, ends[0]);
    }
    (void)close(ends[0]);
    return ret_mapper->pid > 0 || fault_errno(fault, "fork who maps the cell's ids");
}

/*
 * Root gives itself away: a user namespace in which CELL_UID is the per-run uid, and no other
 * id is anything. The mounts stay owned by the namespace above, out of this one's reach.
 */
static bool leave_root(struct seal_mapper *mapper, struct fault *fault)
{
    AUTO_CLOSE int ask = take_fd(&mapper->ask);
    int status = 1;
    bool asked;

    if (setgroups(0, NULL) < 0)
        return fault_errno(fault, "drop supplementary groups");
    asked = unshare(CLONE_NEWUSER) == 0 && write(ask, "1", 1) == 1;
    if (!asked)
        (void)fault_errno(fault, "make a user namespace");
    scope_close(&ask);
    (void)waitpid(mapper->pid, &status, 0);
    if (!asked)
        return false;
    if (status != 0)
        return fault_set(fault, FAULT_HOST, "the ids of the cell cannot be mapped");
    if (setresgid(CELL_UID, CELL_UID, CELL_UID) < 0 ||
        setresuid(CELL_UID, CELL_UID, CELL_UID) < 0)
        return fault_errno(fault, "become the agent's user");
    return true;
}

static bool set_limit(int resource, rlim_t most, const char *name, struct fault *fault)
{
    struct rlimit limit;

    if (getrlimit((unsigned)resource, &limit) < 0)
        return fault_errno(fault, "read limit %s", name);
    if (limit.rlim_max != RLIM_INFINITY && most > limit.rlim_max)
        most = limit.rlim_max;
    limit = (struct rlimit){.rlim_cur = most, .rlim_max = most};
    if (setrlimit((unsigned)resource, &limit) < 0)
        return fault_errno(fault, "set limit %s", name);
    return true;
}

bool seal_init(const struct cell_plan *plan, struct seal_mapper *mapper, int *ret_listener,
               struct fault *fault)
{
    *ret_listener = -1;
    if (plan_is_privileged(plan) && !leave_root(mapper, fault))
        return false;
    if (!isolate_capabilities(0, fault) || !isolate_no_new_privs(fault))
        return false;
    /* Changing credentials cleared both. Core's death also closes the control socket. */
    if (prctl(PR_SET_PDEATHSIG, plan->mode.place == CELL_LANDLOCK ? SIGTERM : SIGKILL) < 0 ||
        prctl(PR_SET_DUMPABLE, 0) < 0)
        return fault_errno(fault, "tie the cell to core");
    /* 1: no core, not even for a program of the host that core_pattern names. The filter keeps
     * it. */
    return set_limit(RLIMIT_CORE, 1, "core", fault) &&
           (!plan->guard || listener_install(plan->mode, ret_listener, fault)) &&
           filter_install(plan->mode.place, fault);
}

/* The threads of a user on this host, as the kernel counts them against the limit. */
static size_t count_threads(uid_t uid)
{
    DIR *proc = opendir("/proc");
    const struct dirent *entry;
    size_t count = 0;

    while (proc != NULL && (entry = readdir(proc)) != NULL) {
        AUTO_FREE char *tasks = xformat("%s/task", entry->d_name);
        struct stat stat;

        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' &&
            fstatat(dirfd(proc), tasks, &stat, 0) == 0 && stat.st_uid == uid)
            count += stat.st_nlink - 2;
    }
    if (proc != NULL)
        (void)closedir(proc);
    return count;
}

/*
 * No more than half of what we may have ourselves (spawn_raise_descriptors): so many of the
 * agent's may be on their way in sockets, which the kernel counts for the user.
 */
static rlim_t descriptors_of(const struct cell_plan *plan)
{
    rlim_t wanted = plan->files_open == 0 ? 4096 : plan->files_open;
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_max != RLIM_INFINITY &&
        wanted > limit.rlim_max / 2)
        wanted = limit.rlim_max / 2;
    return wanted;
}

/* Never RLIMIT_AS: programs with garbage collectors reserve far more than they use. */
static bool set_limits(const struct cell_plan *plan, const struct cell_sealed *sealed,
                       struct fault *fault)
{
    unsigned pids = plan->pids == 0 ? 512 : plan->pids;

    if (!set_limit(RLIMIT_NOFILE, descriptors_of(plan), "nofile", fault))
        return false;
    if (plan->file_bytes != 0 && !set_limit(RLIMIT_FSIZE, plan->file_bytes, "fsize", fault))
        return false;
    if (sealed->limit[CELL_LIMIT_PIDS])
        return true;
    if (plan->mode.place == CELL_LANDLOCK) /* counted with all else that the user runs */
        pids += (unsigned)count_threads(geteuid());
    return set_limit(RLIMIT_NPROC, pids + 1, "nproc", fault);
}

static bool set_streams(const struct cell_plan *plan, int null, struct fault *fault)
{
    int fds[3] = {plan->in, plan->out, plan->err};

    for (int i = 0; i < 3; i++) { /* out of the way of 0, 1, 2 first */
        fds[i] = fcntl(fds[i] < 0 ? null : fds[i], F_DUPFD_CLOEXEC, 3);
        if (fds[i] < 0)
            return fault_errno(fault, "open standard stream %d", i);
    }
    for (int i = 0; i < 3; i++)
        if (dup2(fds[i], i) < 0)
            return fault_errno(fault, "set standard stream %d", i);
    return true;
}

static void reset_signals(void)
{
    sigset_t none;

    for (int number = 1; number < NSIG; number++)
        (void)signal(number, SIG_DFL);
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* While the plan's descriptors are open. Our parent's death is ours, as pid 1's would be. */
static bool share_host(const struct cell_plan *plan, struct fault *fault)
{
    return (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 ||
            fault_errno(fault, "tie the agent to its cell")) &&
           fence_agent(plan, fault);
}

bool seal_agent(const struct cell_plan *plan, const struct cell_sealed *sealed, int null,
                int keep_fd, struct fault *fault)
{
    struct isolate_enforced enforced = {0};

    if (setsid() < 0)
        return fault_errno(fault, "begin a session");
    reset_signals();
    if (plan->mode.place == CELL_LANDLOCK && !share_host(plan, fault))
        return false;
    if (!set_streams(plan, null, fault))
        return false;
    spawn_close_others(&keep_fd, keep_fd < 0 ? 0 : 1);
    if (plan->terminal && ioctl(0, TIOCSCTTY, 0) < 0)
        return fault_errno(fault, "take the terminal");
    (void)umask(022);
    if (chdir(plan->folder == NULL ? plan->repository : plan->folder) < 0)
        return fault_errno(fault, "enter %s",
                           plan->folder == NULL ? plan->repository : plan->folder);
    if (!set_limits(plan, sealed, fault))
        return false;
    if (plan->mode.place != CELL_LANDLOCK &&
        !isolate_scopes(ISOLATE_ABI_KERNEL, &enforced, fault))
        return false;
    /* As after any exec; until then nothing in the cell could look at us. */
    if (prctl(PR_SET_DUMPABLE, 1) < 0)
        return fault_errno(fault, "become an ordinary process");
    return true;
}

char **seal_environment(const struct cell_plan *plan)
{
    size_t count = 0, at = 0;
    char **environment;

    while (plan->environment[count] != NULL)
        count++;
    environment = xalloc_array(count + 2, sizeof(environment[0]));
    environment[at++] = xformat("HOME=%s", plan->home == NULL ? CELL_HOME : plan->home);
    for (size_t i = 0; i < count; i++)
        if (strncmp(plan->environment[i], "HOME=", 5) != 0)
            environment[at++] = xstrdup(plan->environment[i]);
    return environment;
}
