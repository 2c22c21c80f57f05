/* Tries in children, so that nothing tried stays. */
#include "cell/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/fuse.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/fanotify.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/scope.h"
#include "cell/fusermount.h"
#include "os/file.h"
#include "os/isolate.h"
#include "os/ring.h"
#include "os/setting.h"
#include "os/spawn.h"

#define TRIAL_MS_MAX 20000
#define INIT_FLAG_PASSTHROUGH (1ULL << 37)
#define INIT_FLAG_IO_URING (1ULL << 41)

/* What a child found, sent over a pipe. */
struct finding {
    int error;
    uint64_t flags;
};

static struct finding in_child(void (*act)(struct finding *ret_finding))
{
    struct finding finding = {.error = ECHILD};
    int ends[2];
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return finding;
    pid = fork();
    if (pid == 0) {
        finding.error = 0;
        act(&finding);
        _exit(write(ends[1], &finding, sizeof(finding)) == (ssize_t)sizeof(finding) ? 0 : 1);
    }
    (void)close(ends[1]);
    if (pid > 0) {
        struct finding got = {0};

        if (read(ends[0], &got, sizeof(got)) == (ssize_t)sizeof(got))
            finding = got;
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
            continue;
    }
    (void)close(ends[0]);
    return finding;
}

static void put_text(const char *path, const char *text)
{
    AUTO_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);

    if (fd >= 0)
        (void)!write(fd, text, strlen(text));
}

/* Mounts of our own: as root directly, else inside a user namespace. */
static bool enter_namespaces(struct finding *finding)
{
    uid_t uid = geteuid();
    gid_t gid = getegid();

    if (unshare((uid == 0 ? 0 : CLONE_NEWUSER) | CLONE_NEWNS) < 0) {
        finding->error = errno;
        return false;
    }
    if (uid != 0) {
        AUTO_FREE char *uids = xformat("0 %u 1", uid);
        AUTO_FREE char *gids = xformat("0 %u 1", gid);

        put_text("/proc/self/setgroups", "deny");
        put_text("/proc/self/uid_map", uids);
        put_text("/proc/self/gid_map", gids);
    }
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
        finding->error = errno;
        return false;
    }
    return true;
}

static void try_user_namespace(struct finding *finding)
{
    if (unshare(CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWNS) < 0)
        finding->error = errno;
}

static void try_fuse_open(struct finding *finding)
{
    AUTO_CLOSE int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);

    if (fd < 0)
        finding->error = errno;
}

/* The kernel's first request tells what it offers. */
static uint64_t read_offer(int fd)
{
    union {
        struct {
            struct fuse_in_header header;
            struct fuse_init_in init;
        } request;
        uint8_t room[8192 + 4096];
    } first = {0};

    if (read(fd, &first, sizeof(first)) < (ssize_t)sizeof(first.request) ||
        first.request.header.opcode != FUSE_INIT)
        return 0;
    return first.request.init.flags | (uint64_t)first.request.init.flags2 << 32;
}

static void try_fuse_mount(struct finding *finding)
{
    AUTO_FREE char *options = NULL;
    AUTO_CLOSE int fd = -1;

    if (!enter_namespaces(finding))
        return;
    fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
    options = xformat(
        "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions", fd);
    if (fd < 0 ||
        mount("custody", "/tmp", "fuse.custody", MS_NOSUID | MS_NODEV, options) < 0) {
        finding->error = errno;
        return;
    }
    finding->flags = read_offer(fd);
}

/* By the set-user-id program, where the other parts of that place are there. */
static void try_fusermount(struct probe_host *host)
{
    const struct cell_mode mode = {CELL_LANDLOCK, CELL_FUSE};
    char folder[] = "/tmp/custody-doctor-XXXXXX", why[CELL_WHY_BYTES];
    struct fault fault = {0}, unmounted = {0};
    AUTO_CLOSE int fuse = -1;
    bool ok;

    if (!cell_host_offers(&host->offers, mode, why))
        return;
    if (mkdtemp(folder) == NULL) {
        (void)snprintf(host->fusermount_why, PROBE_TEXT_MAX, "no folder can be made in /tmp");
        return;
    }
    ok = fusermount_mount(folder, &fuse, &fault);
    if (ok)
        host->fuse_offered |= read_offer(fuse);
    scope_close(&fuse);
    if (!ok || !fusermount_unmount(folder, &unmounted))
        (void)snprintf(host->fusermount_why, PROBE_TEXT_MAX, "%.199s",
                       ok ? unmounted.why : fault.why);
    (void)rmdir(folder);
}

static void try_ring(struct finding *finding)
{
    static const struct ring_settings settings = {.entries = 1,
                                                  .flags = RING_OF_COMMANDS,
                                                  .features = IORING_FEAT_EXT_ARG,
                                                  .operations = {IORING_OP_URING_CMD},
                                                  .operation_count = 1};
    struct fault fault = {0};
    struct ring *ring;

    if (ring_new(&settings, &ring, &fault))
        ring_free(ring);
    else
        finding->error = ENOSYS;
}

static void try_overlay(struct finding *finding)
{
    if (!enter_namespaces(finding))
        return;
    if (mount("probe", "/tmp", "tmpfs", 0, NULL) < 0 || mkdir("/tmp/l", 0755) < 0 ||
        mkdir("/tmp/u", 0755) < 0 || mkdir("/tmp/w", 0755) < 0 || mkdir("/tmp/m", 0755) < 0 ||
        mount("probe", "/tmp/m", "overlay", 0,
              geteuid() == 0 ? "lowerdir=/tmp/l,upperdir=/tmp/u,workdir=/tmp/w"
                             : "lowerdir=/tmp/l,upperdir=/tmp/u,workdir=/tmp/w,userxattr") < 0)
        finding->error = errno;
}

static void try_fanotify(struct finding *finding)
{
    AUTO_CLOSE int fd = fanotify_init(FAN_CLASS_CONTENT | FAN_CLOEXEC, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        finding->error = errno;
}

static void try_filter(struct finding *finding)
{
    struct sock_filter allow[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    struct sock_fprog program = {.len = 1, .filter = allow};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0)
        finding->error = errno;
}

static void try_notification(struct finding *finding)
{
    struct sock_filter allow[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    struct sock_fprog program = {.len = 1, .filter = allow};
    AUTO_CLOSE int listener = -1;

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)
        listener = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                                SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
    if (listener < 0)
        finding->error = errno;
}

static void try_mount_setattr(struct finding *finding)
{
    if (syscall(SYS_mount_setattr, -1, "", 0, NULL, 0) < 0 && errno == ENOSYS)
        finding->error = ENOSYS;
}

static void try_pidfd(struct finding *finding)
{
    AUTO_CLOSE int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);

    if (fd < 0)
        finding->error = errno;
}

static void read_git(struct probe_host *host)
{
    static const char *const argv[] = {"git", "--version", NULL};
    static const char *const environment[] = {"PATH=/usr/local/bin:/usr/bin:/bin",
                                              "GIT_CONFIG_NOSYSTEM=1", "HOME=/nonexistent",
                                              NULL};
    struct spawn_program program = {.argv = argv, .environment = environment, .err = -1};
    AUTO_BUF struct buf output = buf_with_limit(4096);
    struct fault fault = {0};
    struct slice text, word;
    int status = 1;

    if (!spawn_run(&program, (struct slice){0}, &output, &status, &fault) || status != 0)
        return;
    text = slice_trim(buf_slice(&output));
    while (slice_cut(&text, ' ', &word)) /* "git version 2.39.5" */
        if (word.len > 0 && word.at[0] >= '0' && word.at[0] <= '9') {
            (void)snprintf(host->git, sizeof(host->git), "%.*s", SLICE_ARGS(word));
            return;
        }
}

static void look_at_state(const char *state, struct probe_host *host)
{
    AUTO_FREE char *path = xstrdup(state);
    struct disk_space space;
    struct fault ignored = {0};
    AUTO_CLOSE int fd = -1;

    while (access(path, F_OK) < 0 && strrchr(path, '/') != path && strrchr(path, '/') != NULL)
        *strrchr(path, '/') = '\0';
    (void)snprintf(host->state, sizeof(host->state), "%s", path);
    host->state_writable = access(path, W_OK) == 0;
    host->state_filesystem = "unknown";
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || !disk_space_of(fd, &space, &ignored) ||
        !disk_kind_of(fd, &host->state_kind, &host->state_filesystem, &ignored))
        return;
    host->state_free_bytes = space.free;
    host->state_level = disk_level_of(&space, DISK_OK);
}

/* As the ledger does before every act. A file without a name: nothing stays. */
static int sync_state(const char *path)
{
    AUTO_CLOSE int fd = open(path, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);

    return fd < 0 || write(fd, "doctor", 6) != 6 || fdatasync(fd) < 0 ? errno : 0;
}

/* Each role under its own filter, in a child: the filter is not to be taken off again. */
static void try_role(enum isolate_profile profile, struct probe_trial *trial)
{
    int status = 1;
    pid_t pid = fork();

    trial->tried++;
    if (pid == 0) {
        struct fault fault = {0};

        if (!isolate_syscalls(profile, &fault))
            _exit(1);
        _exit(socket(AF_INET, SOCK_STREAM, 0) < 0 && errno == EPERM ? 0 : 2);
    }
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    trial->held += pid > 0 && status == 0;
}

static void try_roles(struct probe_trial *trial)
{
    static const enum isolate_profile offline[] = {ISOLATE_SCAN,   ISOLATE_VIEW,
                                                   ISOLATE_DOOR,   ISOLATE_COLLECT,
                                                   ISOLATE_LEDGER, ISOLATE_OBSERVER,
                                                   ISOLATE_UNPACK};

    for (size_t i = 0; i < COUNT(offline); i++)
        try_role(offline[i], trial);
}

static void look_at_groups(struct probe_host *host)
{
    for (unsigned i = 0; i < CELL_LIMIT_COUNT; i++) {
        int version = 0;
        AUTO_FREE char *place = cell_limit_place((enum cell_limit)i, &version);

        host->limit[i] = place != NULL;
        host->limit_version[i] = place == NULL ? 0 : version;
        if (place != NULL)
            host->cgroup_version = version;
    }
}

static void count_canaries(const struct cell_packet *packet, struct probe_host *host)
{
    for (size_t i = 0; i < packet->canary_count; i++)
        if (packet->canaries[i].outcome == CANARY_HELD)
            host->canaries_held++;
        else if (packet->canaries[i].outcome == CANARY_NOT_TRIED)
            host->canaries_not_tried++;
    host->canaries_broken = packet->canaries_broken;
}

/* Talks a cell up to its seal; it is never let go on. */
static bool seal_trial(struct cell *cell, struct probe_host *host, struct fault *fault)
{
    struct cell_packet packet;

    while (cell_receive(cell, TRIAL_MS_MAX, &packet, fault)) {
        if (packet.type == CELL_MOUNTED) {
            (void)close(packet.proc_fd);
            if (!cell_view_ready(cell, fault))
                return false;
        } else if (packet.type == CELL_SEALED) {
            count_canaries(&packet, host);
            for (size_t i = 0; i < CELL_LIMIT_IO; i++) /* the trial asks for no limit of io */
                host->limit[i] = packet.sealed.limit[i];
            return true;
        } else {
            *fault = packet.fault;
            return packet.type == CELL_FAILED
                       ? false
                       : fault_set(fault, FAULT_HOST, "the cell was killed while it was made");
        }
    }
    return false;
}

static void try_cell(const struct clock *clock, struct probe_host *host)
{
    static const char *const argv[] = {"true", NULL};
    static const char *const environment[] = {"PATH=/usr/bin:/bin", NULL};
    char folder[] = "/tmp/custody-doctor-XXXXXX";
    const uid_t nobody = 65534;
    struct cell_plan plan = {.run = "doctor",
                             .repository = "/srv/custody-doctor",
                             .plain = folder,
                             .outside = folder,
                             .argv = argv,
                             .environment = environment,
                             .uid = host->root ? nobody : (uid_t)-1,
                             .gid = host->root ? nobody : (gid_t)-1,
                             .git_fd = -1,
                             .lister_fd = -1,
                             .opener_fd = -1,
                             .objects_fd = -1,
                             .engine_fd = -1,
                             .in = -1,
                             .out = -1,
                             .err = -1,
                             .memory_bytes = 256 << 20,
                             .cpu_percent = 100};
    int64_t began = clock_monotonic_us(clock);
    struct cell *cell = NULL;
    struct fault fault = {0};

    if (mkdtemp(folder) == NULL) {
        (void)snprintf(host->cell_why, sizeof(host->cell_why),
                       "no folder can be made in /tmp");
        return;
    }
    if (host->root && chown(folder, nobody, nobody) < 0) {
        (void)snprintf(
            host->cell_why, sizeof(host->cell_why),
            "this root has no other users: it is one of a user namespace of one id");
        (void)rmdir(folder);
        return;
    }
    cell_mounts_default(&plan.mounts);
    host->cell = cell_start(&plan, &cell, &fault) && seal_trial(cell, host, &fault);
    host->cell_us = clock_monotonic_us(clock) - began;
    if (!host->cell)
        (void)snprintf(host->cell_why, sizeof(host->cell_why), "%.199s", fault.why);
    if (!cell_end(cell, &fault) && host->cell_why[0] == '\0')
        (void)snprintf(host->cell_why, sizeof(host->cell_why), "%.199s", fault.why);
    cell_mounts_free(&plan.mounts);
    (void)rmdir(folder);
}

void probe_host(const char *state, const struct clock *clock, struct probe_host *ret_host)
{
    struct probe_host *host = ret_host;
    struct utsname name;
    struct finding fuse;
    struct stat device;

    *host = (struct probe_host){.root = geteuid() == 0};
    if (uname(&name) == 0) {
        (void)snprintf(host->kernel, sizeof(host->kernel), "%s", name.release);
        (void)snprintf(host->machine, sizeof(host->machine), "%s", name.machine);
    }
    host->user_namespaces = in_child(try_user_namespace).error;
    host->fuse_open = in_child(try_fuse_open).error;
    host->fuse_mode = stat("/dev/fuse", &device) < 0 ? -1 : (int)(device.st_mode & 07777);
    fuse = in_child(try_fuse_mount);
    host->fuse_mount = fuse.error;
    host->fuse_offered = fuse.flags;
    cell_host_look(&host->offers);
    try_fusermount(host);
    host->fuse_passthrough = (host->fuse_offered & INIT_FLAG_PASSTHROUGH) != 0;
    host->fuse_io_uring = (host->fuse_offered & INIT_FLAG_IO_URING) != 0 &&
                          in_child(try_ring).error == 0;
    host->landlock_abi = isolate_landlock_abi();
    host->seccomp_filter = in_child(try_filter).error == 0;
    host->seccomp_notification = in_child(try_notification).error == 0;
    host->fanotify_permission = in_child(try_fanotify).error;
    host->overlayfs = in_child(try_overlay).error;
    host->pidfd = in_child(try_pidfd).error == 0;
    host->mount_setattr = in_child(try_mount_setattr).error == 0;
    host->tiocsti = (int)setting_read("/proc/sys/dev/tty/legacy_tiocsti");
    host->yama = (int)setting_read("/proc/sys/kernel/yama/ptrace_scope");
    host->apparmor_userns =
        (int)setting_read("/proc/sys/kernel/apparmor_restrict_unprivileged_userns");
    host->userns_clone = (int)setting_read("/proc/sys/kernel/unprivileged_userns_clone");
    host->userns_max = setting_read("/proc/sys/user/max_user_namespaces");
    look_at_groups(host);
    read_git(host);
    look_at_state(state, host);
    host->state_sync = sync_state(host->state);
    try_roles(&host->roles);
    try_cell(clock, host);
}
