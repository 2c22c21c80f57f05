/* Attempts by calls and families that are seldom used, and on what a cell must not have at
 * all. */
#include "escape.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <mntent.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <sys/wait.h>
#include <unistd.h>

#define FAMILIES 46
#define PIDS_SWEPT 70000

/* One call of a row of them that must all fail: what the row has come to. */
static int all_fail(int so_far, long result, int error)
{
    if (result >= 0)
        return GOT_THROUGH;
    return so_far < 0 ? error : so_far;
}

static int namespaces_by(int by_clone)
{
    static const unsigned long flags[] = {CLONE_NEWNS,
                                          CLONE_NEWPID,
                                          CLONE_NEWNET,
                                          CLONE_NEWIPC,
                                          CLONE_NEWUTS,
                                          CLONE_NEWCGROUP,
                                          CLONE_NEWUSER | CLONE_NEWNS};

    for (size_t i = 0; i < COUNT(flags); i++) {
        long result = by_clone ? syscall(SYS_clone, flags[i] | SIGCHLD, NULL, NULL, NULL, NULL)
                               : syscall(SYS_unshare, flags[i]);

        if (by_clone && result == 0)
            _exit(0);
        if (result >= 0)
            return GOT_THROUGH;
        if (errno != EPERM && errno != ENOSYS)
            return errno;
    }
    return EPERM;
}

static int unshare_each(const struct target *target)
{
    (void)target;
    return namespaces_by(0);
}

static int clone_each(const struct target *target)
{
    (void)target;
    return namespaces_by(1);
}

static int join_by_pidfd(const struct target *target)
{
    int fd = (int)syscall(SYS_pidfd_open, getppid(), 0);

    (void)target;
    return errno_of(syscall(SYS_setns, fd, CLONE_NEWNS | CLONE_NEWPID));
}

/* A filter of one's own that allows all takes nothing back. */
static int weaken_filter(const struct target *target)
{
    struct sock_filter allow[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    struct sock_fprog program = {.len = 1, .filter = allow};

    (void)target;
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0)
        return errno;
    return errno_of(mount("escape", "/tmp", "tmpfs", 0, NULL));
}

/* A supervisor of one's own, told of each call, may say "go on": the cell's errno comes first.
 */
static int supervise_filter(const struct target *target)
{
    struct sock_filter notify[] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
                                   BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mount, 0, 1),
                                   BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
                                   BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    struct sock_fprog program = {.len = COUNT(notify), .filter = notify};

    (void)target;
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER,
                &program) < 0)
        return errno;
    return errno_of(mount("escape", "/tmp", "tmpfs", 0, NULL));
}

static int secure_bits(const struct target *target)
{
    (void)target;
    return errno_of(prctl(PR_SET_SECUREBITS, 1, 0, 0, 0));
}

static int trace_by_seize(const struct target *target)
{
    (void)target;
    return errno_of(syscall(SYS_ptrace, 0x4206 /* SEIZE */, getppid(), 0, 0));
}

static int advise_others(const struct target *target)
{
    int fd = (int)syscall(SYS_pidfd_open, getppid(), 0);
    char byte;
    struct {
        void *at;
        size_t len;
    } range = {&byte, 1};

    (void)target;
    return errno_of(syscall(SYS_process_madvise, fd, &range, 1, 4, 0));
}

static int name_to_handle(const struct target *target)
{
    unsigned handle[34] = {128};
    int mount_id;

    return errno_of(
        syscall(SYS_name_to_handle_at, AT_FDCWD, target->repository, handle, &mount_id, 0));
}

static int steer_clock(const struct target *target)
{
    struct timex timex = {.modes = ADJ_FREQUENCY, .freq = 1};

    (void)target;
    return errno_of(syscall(SYS_adjtimex, &timex));
}

static int limit_init(const struct target *target)
{
    struct rlimit limit = {0};

    (void)target;
    return errno_of(syscall(SYS_prlimit64, 1, RLIMIT_NOFILE, &limit, NULL));
}

static int signal_init_by_pidfd(const struct target *target)
{
    int fd = (int)syscall(SYS_pidfd_open, 1, 0);

    (void)target;
    if (fd < 0)
        return errno;
    return errno_of(syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0));
}

/* The kernel sends the signal for us, when there is something to read. */
static int signal_init_by_descriptor(const struct target *target)
{
    int ends[2];

    (void)target;
    if (pipe(ends) < 0)
        return errno;
    if (fcntl(ends[0], F_SETOWN, 1) < 0)
        return errno;
    if (fcntl(ends[0], F_SETSIG, SIGKILL) < 0 ||
        fcntl(ends[0], F_SETFL, O_ASYNC | O_NONBLOCK) < 0 || write(ends[1], "x", 1) != 1)
        return errno;
    (void)usleep(20000);
    return HELD; /* pid 1 goes on, or nobody prints this */
}

static int somebody_answers(void)
{
    for (pid_t pid = 1; pid < PIDS_SWEPT; pid++)
        if (pid != getpid() && pid != getppid() && kill(pid, 0) == 0)
            return 1;
    return 0;
}

/* Anybody but ourselves who can be signalled: view, door, host. What earlier attempts left
 * dies soon. */
static int signal_others(const struct target *target)
{
    (void)target;
    for (int i = 0; i < 100; i++) {
        if (!somebody_answers())
            return HELD;
        (void)usleep(20000);
    }
    return GOT_THROUGH;
}

static int each_family(int pairs)
{
    int result = -1;

    for (int family = 2; family < FAMILIES; family++) {
        int fds[2];

        if (family == AF_NETLINK || (!pairs && (family == AF_INET || family == AF_INET6)))
            continue;
        for (int type = SOCK_STREAM; type <= SOCK_SEQPACKET; type++) {
            long got = pairs ? socketpair(family, type, 0, fds) : socket(family, type, 0);

            result = all_fail(result, got, errno);
            if (result == GOT_THROUGH || (result != ENOSYS && result != EPERM))
                return result;
        }
    }
    return result;
}

static int rare_sockets(const struct target *target)
{
    (void)target;
    return each_family(0);
}

/* A pair needs no socket call: the kernel loads a family's module just the same. */
static int rare_pairs(const struct target *target)
{
    (void)target;
    return each_family(1);
}

/* Protocols of the internet that nobody here speaks, each in a module of its own. */
static int rare_protocols(const struct target *target)
{
    static const struct {
        int type, protocol;
    } rare[] = {{SOCK_STREAM, 132 /* SCTP */},
                {SOCK_SEQPACKET, 132},
                {SOCK_DCCP, 33},
                {SOCK_STREAM, 262 /* MPTCP */},
                {SOCK_STREAM, 256 /* SMC */},
                {SOCK_DGRAM, 136 /* UDPLITE */},
                {SOCK_DGRAM, 115 /* L2TP */},
                {SOCK_DGRAM, IPPROTO_ICMP}};
    int result = -1;

    (void)target;
    for (size_t i = 0; i < COUNT(rare); i++) {
        long got = socket(AF_INET, rare[i].type, rare[i].protocol);

        result = all_fail(result, got, errno);
        if (result == GOT_THROUGH || (result != ENOSYS && result != EPERM))
            return result;
    }
    return result;
}

/* A descriptor may be given away over sockets: there must be none to give it to. */
static int sockets_of_others(const struct target *target)
{
    FILE *list = fopen("/proc/net/unix", "re");
    char line[512];
    int lines = 0;

    (void)target;
    if (list == NULL)
        return errno;
    while (fgets(line, sizeof(line), list) != NULL)
        lines++;
    (void)fclose(list);
    return lines == 1 ? HELD : GOT_THROUGH; /* the heading */
}

/* Connections of the host would tell what runs there, and when. */
static int connections_of_others(const struct target *target)
{
    FILE *list = fopen("/proc/net/tcp", "re");
    char line[512];
    int others = 0;

    (void)target;
    if (list == NULL)
        return errno;
    while (fgets(line, sizeof(line), list) != NULL)
        others += strstr(line, "local_address") == NULL && strstr(line, "0100007F:") == NULL;
    (void)fclose(list);
    return others == 0 ? HELD : GOT_THROUGH;
}

/* Set-user-id programs and device nodes mean nothing on any mount there is. */
static int careless_mounts(const struct target *target)
{
    FILE *mounts = setmntent("/proc/self/mounts", "re");
    const struct mntent *mount;
    int found = 0;

    (void)target;
    if (mounts == NULL)
        return errno;
    while ((mount = getmntent(mounts)) != NULL) {
        int device = strncmp(mount->mnt_dir, "/dev/", 5) == 0;

        found |= hasmntopt(mount, "nosuid") == NULL ||
                 (hasmntopt(mount, "nodev") == NULL && !device);
    }
    (void)endmntent(mounts);
    return found ? GOT_THROUGH : HELD;
}

/* A program without a name in any file system is sealed like the others. */
static int nameless_program(const struct target *target)
{
    static char bytes[FILE_BYTES_MAX];
    int from = open("/proc/self/exe", O_RDONLY),
        to = (int)syscall(SYS_memfd_create, "escape", 0);
    ssize_t got;
    int status = 1;
    pid_t pid;

    (void)target;
    if (from < 0 || to < 0)
        return errno;
    while ((got = read(from, bytes, sizeof(bytes))) > 0)
        if (write(to, bytes, (size_t)got) != got)
            return errno;
    pid = fork();
    if (pid == 0) {
        (void)fexecve(to, (char *[]){(char[]){"escape"}, (char[]){"--sealed"}, NULL}, environ);
        _exit(127);
    }
    if (waitpid(pid, &status, 0) < 0)
        return errno;
    return status == 0 ? HELD : GOT_THROUGH;
}

static int write_through_map(const struct target *target)
{
    int fd = open("/usr/bin/env", O_RDONLY);
    void *at;

    (void)target;
    if (fd < 0)
        return errno;
    at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return at == MAP_FAILED ? errno : GOT_THROUGH;
}

static int truncate_toolchain(const struct target *target)
{
    (void)target;
    return errno_of(truncate("/usr/bin/env", 0));
}

#define OPENS(function, path, flags)                                                          \
    static int function(const struct target *target)                                          \
    {                                                                                         \
        (void)target;                                                                         \
        return errno_of_fd(open(path, flags));                                                \
    }

OPENS(open_kvm, "/dev/kvm", O_RDWR)
OPENS(open_tun, "/dev/net/tun", O_RDWR)
OPENS(open_loop, "/dev/loop-control", O_RDWR)
OPENS(open_vhost, "/dev/vhost-vsock", O_RDWR)
OPENS(open_console, "/dev/console", O_RDWR)
OPENS(open_terminal, "/dev/pts/0", O_RDWR | O_NOCTTY)
OPENS(open_connections, "/sys/fs/fuse/connections", O_PATH)
OPENS(open_groups, "/sys/fs/cgroup", O_PATH)
OPENS(write_hostname, "/proc/sys/kernel/hostname", O_WRONLY)
OPENS(write_last_pid, "/proc/sys/kernel/ns_last_pid", O_WRONLY)
OPENS(write_caches, "/proc/sys/vm/drop_caches", O_WRONLY)
OPENS(write_init_oom, "/proc/1/timerslack_ns", O_WRONLY)

static int mount_groups(const struct target *target)
{
    (void)target;
    return errno_of(mount("cgroup2", "/tmp", "cgroup2", 0, NULL));
}

static int exhaust_descriptors(const struct target *target)
{
    int error;

    (void)target;
    while (open("/dev/null", O_RDONLY) >= 0)
        continue;
    error = errno;
    return error;
}

static int fill_names(const struct target *target)
{
    int result = GOT_THROUGH;
    char path[64];
    int made = 0;

    (void)target;
    if (mkdir("/dev/shm/escape-names", 0700) < 0)
        return errno;
    for (; made < 10000000 && result == GOT_THROUGH; made++) {
        (void)snprintf(path, sizeof(path), "/dev/shm/escape-names/%d", made);
        result = errno_of_fd(open(path, O_WRONLY | O_CREAT, 0600));
    }
    while (made-- > 0) {
        (void)snprintf(path, sizeof(path), "/dev/shm/escape-names/%d", made);
        (void)unlink(path);
    }
    return result;
}

const struct attempt attempts_newer[] = {
    {"namespace-unshare-each",
     "unshare, each namespace in turn",
     unshare_each,
     {EPERM},
     SILENT},
    {"namespace-clone-each", "clone, each in turn", clone_each, {EPERM}, SILENT},
    {"namespace-join-pidfd", "setns by a process descriptor", join_by_pidfd, {EPERM}, SILENT},
    {"filter-weaken", "a filter of its own that allows all", weaken_filter, {EPERM}, SILENT},
    {"filter-supervise",
     "a filter of its own that asks itself",
     supervise_filter,
     {EBUSY, EPERM},
     SILENT},
    {"secure-bits", "keeps capabilities over exec", secure_bits, {EPERM}, SILENT},
    {"trace-seize", "ptrace by seize", trace_by_seize, {EPERM}, SILENT},
    {"memory-advise", "process_madvise", advise_others, {EPERM}, SILENT},
    {"file-handle-name", "name_to_handle_at", name_to_handle, {EPERM}, SILENT},
    {"time-steer", "steers the clock", steer_clock, {EPERM}, SILENT},
    {"limit-init", "sets a limit of pid 1", limit_init, {ENOSYS, EPERM}, SILENT},
    {"kill-init-pidfd",
     "signals pid 1 by a process descriptor",
     signal_init_by_pidfd,
     {EPERM, EINVAL},
     SILENT},
    {"kill-init-descriptor",
     "has the kernel signal pid 1",
     signal_init_by_descriptor,
     {HELD, EPERM},
     SILENT},
    {"kill-others",
     "signals whoever else there is, view and door",
     signal_others,
     {HELD},
     SILENT},
    {"rare-sockets", "all other families of sockets", rare_sockets, {ENOSYS, EPERM}, SILENT},
    {"rare-pairs", "the same by socketpair", rare_pairs, {ENOSYS, EPERM}, SILENT},
    {"rare-protocols",
     "SCTP, DCCP, MPTCP and others",
     rare_protocols,
     {ENOSYS, EPERM},
     SILENT},
    {"unix-sockets",
     "looks for a socket to pass descriptors to",
     sockets_of_others,
     {HELD},
     SILENT},
    {"host-connections",
     "watches the host's connections",
     connections_of_others,
     {HELD},
     SILENT},
    {"careless-mounts",
     "looks for a mount with set-user-id programs or devices",
     careless_mounts,
     {HELD},
     SILENT},
    {"nameless-program", "runs a program from memory", nameless_program, {HELD}, SILENT},
    {"write-through-map",
     "writes the toolchain through a mapping",
     write_through_map,
     {EACCES, EPERM},
     SILENT},
    {"write-truncate", "truncates the toolchain", truncate_toolchain, {EROFS, EACCES}, SILENT},
    {"device-kvm", "/dev/kvm", open_kvm, {ENOENT}, SILENT},
    {"device-tun", "/dev/net/tun", open_tun, {ENOENT}, SILENT},
    {"device-loop", "/dev/loop-control", open_loop, {ENOENT}, SILENT},
    {"device-vhost", "/dev/vhost-vsock", open_vhost, {ENOENT}, SILENT},
    {"device-console", "/dev/console", open_console, {ENOENT}, SILENT},
    {"device-terminal", "a terminal of the host", open_terminal, {ENOENT}, SILENT},
    {"view-abort", "aborts the view by /sys/fs/fuse", open_connections, {ENOENT}, SILENT},
    {"cgroup", "its control group, for release_agent", open_groups, {ENOENT}, SILENT},
    {"cgroup-mount", "mounts the control groups", mount_groups, {EPERM}, SILENT},
    {"write-hostname", "/proc/sys/kernel/hostname", write_hostname, {EROFS, EACCES}, SILENT},
    {"write-last-pid",
     "chooses the next pid",
     write_last_pid,
     {EROFS, EACCES, ENOENT},
     SILENT},
    {"write-caches", "drops the host's caches", write_caches, {EROFS, EACCES, ENOENT}, SILENT},
    {"write-init", "a setting of pid 1", write_init_oom, {ENOENT, EACCES, EPERM}, SILENT},
    {"exhaust-descriptors", "opens files without end", exhaust_descriptors, {EMFILE}, SILENT},
    {"fill-names", "makes empty files without end", fill_names, {ENOSPC}, SILENT},
};
const size_t attempts_newer_count = COUNT(attempts_newer);
