#include "cell/canary.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/scope.h"

#define CARD_BYTES_MAX 65536
#define DESCRIPTORS_AT_ONCE 512

/* What a try came to: an errno, or one of these. */
enum tried {
    GOT_THROUGH = 0,
    NOT_TRIED = -1,
    HELD = -2, /* held, in a way that is no errno */
};

static int errno_of(long result)
{
    return result < 0 ? errno : GOT_THROUGH;
}

static int open_in_repository(const struct canary_ground *ground, const char *path, int flags)
{
    AUTO_FREE char *full = xformat("%s/%s", ground->plan->repository, path);
    AUTO_CLOSE int fd = open(full, flags | O_CLOEXEC | O_NOFOLLOW, 0644);

    return errno_of(fd);
}

static int read_card(const struct canary_ground *ground)
{
    const struct cell_canary_plan *canary = &ground->plan->canary;
    AUTO_BUF struct buf text = buf_with_limit(CARD_BYTES_MAX);
    AUTO_FREE char *path = NULL;
    struct fault fault = {0};
    AUTO_CLOSE int fd = -1;

    if (canary->card_path == NULL)
        return NOT_TRIED;
    path = xformat("%s/%s", ground->plan->repository, canary->card_path);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || !buf_reserve(&text, CARD_BYTES_MAX, &fault))
        return GOT_THROUGH; /* a canary that is not there proves nothing */
    for (;;) {
        ssize_t got = read(fd, text.at + text.len, CARD_BYTES_MAX - text.len);

        if (got < 0)
            return GOT_THROUGH;
        if (got == 0)
            break;
        text.len += (size_t)got;
    }
    if (text.len == 0 ||
        slice_find(buf_slice(&text), slice_of(canary->card_number), 0) != SIZE_MAX)
        return GOT_THROUGH;
    return HELD;
}

static int open_denied(const struct canary_ground *ground)
{
    const char *path = ground->plan->canary.denied_path;

    return path == NULL ? NOT_TRIED : open_in_repository(ground, path, O_RDONLY);
}

/* A file that is there opens: the view judges the first write, as it never sees an open. */
static int write_forbidden(const struct canary_ground *ground)
{
    const char *path = ground->plan->canary.forbidden_path;
    AUTO_FREE char *full = NULL;
    AUTO_CLOSE int fd = -1;

    if (path == NULL)
        return NOT_TRIED;
    full = xformat("%s/%s", ground->plan->repository, path);
    fd = open(full, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    return fd < 0 ? errno_of(fd) : errno_of(write(fd, "\n", 1));
}

static int write_toolchain(const struct canary_ground *ground)
{
    (void)ground;
    return errno_of(open("/usr/.custody-canary", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
}

static int write_root(const struct canary_ground *ground)
{
    (void)ground;
    return errno_of(open("/etc/passwd", O_WRONLY | O_CLOEXEC));
}

static int open_shadow(const struct canary_ground *ground)
{
    (void)ground;
    return errno_of(open("/etc/shadow", O_RDONLY | O_CLOEXEC));
}

static int open_sys(const struct canary_ground *ground)
{
    (void)ground;
    return errno_of(open("/sys", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

static int connect_out(const struct canary_ground *ground)
{
    AUTO_CLOSE int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(443)};

    (void)ground;
    (void)inet_pton(AF_INET, "192.0.2.1", &to.sin_addr); /* TEST-NET-1: nobody's */
    return errno_of(connect(fd, (struct sockaddr *)&to, sizeof(to)));
}

static int ask_names(const struct canary_ground *ground)
{
    AUTO_CLOSE int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(53)};

    (void)ground;
    if (fd < 0)
        return errno;
    (void)inet_pton(AF_INET, "192.0.2.53", &to.sin_addr);
    return errno_of(sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)));
}

static int connect_out_6(const struct canary_ground *ground)
{
    AUTO_CLOSE int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_port = htons(443)};

    (void)ground;
    if (fd < 0)
        return errno;
    (void)inet_pton(AF_INET6, "2001:db8::1", &to.sin6_addr);
    return errno_of(connect(fd, (struct sockaddr *)&to, sizeof(to)));
}

static int connect_abstract(const struct canary_ground *ground)
{
    AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (ground->outside_len == 0)
        return NOT_TRIED;
    if (fd < 0)
        return errno;
    return errno_of(
        connect(fd, (const struct sockaddr *)&ground->outside, ground->outside_len));
}

static int open_packet_socket(const struct canary_ground *ground)
{
    (void)ground;
    return errno_of(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
}

static int open_init_root(const struct canary_ground *ground)
{
    (void)ground;
    return errno_of(open("/proc/1/root/etc/passwd", O_RDONLY | O_CLOEXEC));
}

static int open_init_memory(const struct canary_ground *ground)
{
    (void)ground;
    return errno_of(open("/proc/1/mem", O_RDWR | O_CLOEXEC));
}

static int write_core_pattern(const struct canary_ground *ground)
{
    (void)ground;
    return errno_of(open("/proc/sys/kernel/core_pattern", O_WRONLY | O_CLOEXEC));
}

static int write_sysrq(const struct canary_ground *ground)
{
    (void)ground;
    return errno_of(open("/proc/sysrq-trigger", O_WRONLY | O_CLOEXEC));
}

static int call_mount(const struct canary_ground *ground)
{
    (void)ground;
    return errno_of(mount("canary", "/tmp", "tmpfs", 0, NULL));
}

static int call_unshare(const struct canary_ground *ground)
{
    (void)ground;
    return errno_of(unshare(CLONE_NEWUSER));
}

/* ---- what the place keeps, other than by namespaces ---- */

/* A folder of custody's own, which the agent's user could open, were it not for the cell. */
static int open_outside(const struct canary_ground *ground)
{
    const char *path = ground->plan->outside;

    return path == NULL ? NOT_TRIED : errno_of(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

/* To what it has: were it to get through, nothing would be changed. */
static int change_outside(const struct canary_ground *ground)
{
    const char *path = ground->plan->outside;
    struct stat stat_of = {.st_mode = 0711};

    if (path == NULL)
        return NOT_TRIED;
    (void)stat(path, &stat_of);
    return errno_of(chmod(path, stat_of.st_mode & 07777));
}

static bool is_shared(const struct canary_ground *ground)
{
    return ground->plan->mode.place == CELL_LANDLOCK;
}

static int list_processes(const struct canary_ground *ground)
{
    (void)ground;
    return errno_of(open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

static int take_system_memory(const struct canary_ground *ground)
{
    (void)ground;
    return errno_of(shmget(IPC_PRIVATE, 4096, 0600));
}

static int listen_on_host(const struct canary_ground *ground)
{
    AUTO_CLOSE int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)ground;
    return fd < 0 ? errno : errno_of(listen(fd, 1));
}

static int watch_outside(const struct canary_ground *ground)
{
    AUTO_CLOSE int fd = inotify_init1(IN_CLOEXEC);

    (void)ground;
    return fd < 0 ? errno : errno_of(inotify_add_watch(fd, "/", IN_CREATE));
}

/* In a child of its own, so that a success changes nothing here. */
static int call_clone(const struct canary_ground *ground)
{
    long pid = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL);

    (void)ground;
    if (pid == 0)
        _exit(0);
    if (pid > 0)
        (void)waitpid((pid_t)pid, NULL, 0);
    return errno_of(pid);
}

static int call_io_uring(const struct canary_ground *ground)
{
    char parameters[120] = {0};

    (void)ground;
    return errno_of(syscall(SYS_io_uring_setup, 1, parameters));
}

static int call_ptrace(const struct canary_ground *ground)
{
    (void)ground;
    return errno_of(syscall(SYS_ptrace, 16 /* ATTACH */, 1, 0, 0));
}

static int call_handle(const struct canary_ground *ground)
{
    struct {
        unsigned bytes;
        int type;
        unsigned char handle[8];
    } handle = {.bytes = 8, .type = 1};

    (void)ground;
    return errno_of(syscall(SYS_open_by_handle_at, AT_FDCWD, &handle, O_RDONLY));
}

static int call_bpf(const struct canary_ground *ground)
{
    (void)ground;
    return errno_of(syscall(SYS_bpf, 0, NULL, 0));
}

static int call_keyring(const struct canary_ground *ground)
{
    (void)ground;
    return errno_of(syscall(SYS_keyctl, 0, -3, 0, 0, 0));
}

static int push_into_terminal(const struct canary_ground *ground)
{
    (void)ground;
    return errno_of(ioctl(0, TIOCSTI, "x"));
}

static int make_device(const struct canary_ground *ground)
{
    (void)ground;
    return errno_of(mknod("/tmp/.canary", S_IFBLK | 0600, 0));
}

static int become_root(const struct canary_ground *ground)
{
    (void)ground;
    return errno_of(setuid(0));
}

static int signal_init(const struct canary_ground *ground)
{
    return ground->scope_signals ? errno_of(kill(getppid(), 0)) : NOT_TRIED;
}

static int hold_capabilities(const struct canary_ground *ground)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {0};

    if (syscall(SYS_capget, &header, data) < 0)
        return GOT_THROUGH;
    for (size_t i = 0; i < COUNT(data); i++)
        if (data[i].effective != 0 || data[i].permitted != 0 || data[i].inheritable != 0)
            return GOT_THROUGH;
    /* An ordinary user of the host cannot shrink the bounding set; no_new_privs does as well. */
    for (unsigned number = 0; !is_shared(ground) && number < 64; number++)
        if (prctl(PR_CAPBSET_READ, number, 0, 0, 0) == 1)
            return GOT_THROUGH;
    return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? HELD : GOT_THROUGH;
}

/* One poll asks after many numbers: those that are not open come back as POLLNVAL. */
static int hold_descriptors(const struct canary_ground *ground)
{
    struct pollfd asked[DESCRIPTORS_AT_ONCE];
    struct rlimit limit;
    size_t count = COUNT(asked);

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return GOT_THROUGH;
    if (limit.rlim_cur < count) /* poll takes no more than that */
        count = limit.rlim_cur;
    for (size_t first = 3; first < limit.rlim_cur; first += count) {
        for (size_t i = 0; i < count; i++)
            asked[i] = (struct pollfd){.fd = (int)(first + i)};
        if (poll(asked, count, 0) < 0)
            return GOT_THROUGH;
        for (size_t i = 0; i < count; i++)
            if (asked[i].fd != ground->result && (asked[i].revents & POLLNVAL) == 0)
                return GOT_THROUGH;
    }
    return HELD;
}

/* Every word the agent will be given is the plan's. */
static int hold_environment(const struct canary_ground *ground)
{
    const char *place = ground->plan->home == NULL ? CELL_HOME : ground->plan->home;
    AUTO_FREE char *home = xformat("HOME=%s", place);

    for (char *const *word = ground->environment; *word != NULL; word++) {
        bool known = strcmp(*word, home) == 0;

        for (const char *const *of = ground->plan->environment; *of != NULL; of++)
            known = known || strcmp(*word, *of) == 0;
        if (!known)
            return GOT_THROUGH;
    }
    return HELD;
}

/* The second door of x86_64: the filter must kill who uses it. */
static int call_foreign(const struct canary_ground *ground)
{
#ifdef __x86_64__
    int status = 0;
    pid_t pid = fork();

    (void)ground;
    if (pid < 0)
        return errno;
    if (pid == 0) {
        long result;

        __asm__ volatile("int $0x80"
                         : "=a"(result)
                         : "a"(20L)
                         : "memory", "r8", "r9", "r10", "r11");
        _exit(result > 0 ? 0 : 1);
    }
    if (waitpid(pid, &status, 0) != pid)
        return GOT_THROUGH;
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS ? HELD : GOT_THROUGH;
#else
    (void)ground;
    return NOT_TRIED;
#endif
}

#define ERRNOS_MAX 4

/* When a row may be left out. */
enum need {
    ALWAYS, /* never */
    CARD,
    DENIED,
    FORBIDDEN,
    SCOPES,
    FOREIGN,
    OUTSIDE,
    SHARED, /* no namespaces */
};

/* id; what is tried; which errnos are the right ones (none: HELD only); what it needs. */
static const struct canary_row {
    const char *id;
    int (*attempt)(const struct canary_ground *ground);
    int expected[ERRNOS_MAX];
    enum need need;
} rows[] = {
    {"card-number", read_card, {0}, CARD},
    {"denied-file", open_denied, {ENOENT}, DENIED},
    {"forbidden-write", write_forbidden, {EACCES, EPERM}, FORBIDDEN},
    {"toolchain-write", write_toolchain, {EROFS, EACCES}, ALWAYS},
    {"root-write", write_root, {EROFS, EACCES}, ALWAYS},
    {"host-shadow", open_shadow, {ENOENT}, ALWAYS},
    {"host-sys", open_sys, {ENOENT}, ALWAYS},
    {"internet-tcp", connect_out, {ENETUNREACH}, ALWAYS},
    {"internet-udp", ask_names, {ENETUNREACH}, ALWAYS},
    {"internet-tcp6",
     connect_out_6,
     {ENETUNREACH, EAFNOSUPPORT, EADDRNOTAVAIL, EACCES},
     ALWAYS},
    {"abstract-socket", connect_abstract, {ECONNREFUSED, EPERM}, ALWAYS},
    {"packet-socket", open_packet_socket, {ENOSYS, EPERM}, ALWAYS},
    {"init-root", open_init_root, {ENOENT, EACCES, EPERM}, ALWAYS},
    {"init-memory", open_init_memory, {ENOENT, EACCES, EPERM}, ALWAYS},
    {"core-pattern", write_core_pattern, {EROFS, EACCES, ENOENT}, ALWAYS},
    {"sysrq", write_sysrq, {EROFS, EACCES, ENOENT}, ALWAYS},
    {"mount", call_mount, {EPERM}, ALWAYS},
    {"user-namespace-unshare", call_unshare, {EPERM}, ALWAYS},
    {"user-namespace-clone", call_clone, {EPERM}, ALWAYS},
    {"io-uring", call_io_uring, {EPERM}, ALWAYS},
    {"ptrace", call_ptrace, {EPERM}, ALWAYS},
    {"file-handle", call_handle, {EPERM}, ALWAYS},
    {"bpf", call_bpf, {EPERM}, ALWAYS},
    {"keyring", call_keyring, {EPERM}, ALWAYS},
    {"terminal-push", push_into_terminal, {EPERM}, ALWAYS},
    {"device-node", make_device, {EPERM}, ALWAYS},
    {"become-root", become_root, {EPERM, EINVAL}, ALWAYS},
    {"signal-init", signal_init, {EPERM}, SCOPES},
    {"capabilities", hold_capabilities, {0}, ALWAYS},
    {"descriptors", hold_descriptors, {0}, ALWAYS},
    {"environment", hold_environment, {0}, ALWAYS},
    {"foreign-abi", call_foreign, {0}, FOREIGN},
    {"outside-read", open_outside, {ENOENT}, OUTSIDE},
    {"outside-mode", change_outside, {ENOENT}, OUTSIDE},
    {"processes", list_processes, {EACCES}, SHARED},
    {"system-memory", take_system_memory, {ENOSYS}, SHARED},
    {"listen", listen_on_host, {EACCES}, SHARED},
    {"watch", watch_outside, {EPERM}, SHARED},
};

/* Where names are not hidden but rules refuse them, the same attacks meet other errnos. */
static const struct shared_row {
    const char *id;
    int expected[ERRNOS_MAX];
} shared_rows[] = {
    {"host-shadow", {EACCES}},
    {"host-sys", {EACCES}},
    {"internet-udp", {EPERM, ENOSYS}},
    {"internet-tcp6", {EPERM, ENOSYS}},
    {"abstract-socket", {EPERM, ENOSYS}},
    {"device-node", {EACCES}},
    {"outside-read", {EACCES}},
    {"outside-mode", {EACCES}},
};

_Static_assert(COUNT(rows) <= CELL_CANARIES_MAX, "the packet has room for every row");

/* Those of the other place come last. */
size_t canary_count(enum cell_place place)
{
    size_t count = COUNT(rows);

    while (place == CELL_NAMESPACES && rows[count - 1].need == SHARED)
        count--;
    return count;
}

const char *canary_id(size_t row)
{
    return rows[row].id;
}

bool canary_must_be_tried(size_t row, const struct canary_given *given)
{
#ifdef __x86_64__
    bool foreign = true;
#else
    bool foreign = false;
#endif
    const bool there[] = {
        [ALWAYS] = true,
        [CARD] = given->card,
        [DENIED] = given->denied,
        [FORBIDDEN] = given->forbidden,
        [SCOPES] = given->scope_signals,
        [FOREIGN] = foreign,
        [OUTSIDE] = given->outside,
        [SHARED] = true, /* counted where there are none */
    };

    return there[rows[row].need];
}

static const int *expected_of(const struct canary_row *row, const struct canary_ground *ground)
{
    for (size_t i = 0; is_shared(ground) && i < COUNT(shared_rows); i++)
        if (strcmp(shared_rows[i].id, row->id) == 0)
            return shared_rows[i].expected;
    return row->expected;
}

static enum canary_outcome judge(const int expected[ERRNOS_MAX], int tried)
{
    if (tried == NOT_TRIED)
        return CANARY_NOT_TRIED;
    if (tried == HELD)
        return CANARY_HELD;
    for (size_t i = 0; tried > 0 && i < ERRNOS_MAX; i++)
        if (expected[i] == tried)
            return CANARY_HELD;
    return CANARY_BROKEN;
}

size_t canary_try_all(const struct canary_ground *ground, struct cell_canary *ret_results)
{
    size_t count = canary_count(ground->plan->mode.place);

    for (size_t i = 0; i < count; i++) {
        struct cell_canary *result = &ret_results[i];
        int tried = rows[i].attempt(ground);
        const char *name = tried > 0 ? strerrorname_np(tried) : NULL;

        *result = (struct cell_canary){.outcome = judge(expected_of(&rows[i], ground), tried)};
        (void)snprintf(result->id, sizeof(result->id), "%s", rows[i].id);
        (void)snprintf(result->seen, sizeof(result->seen), "%s",
                       name != NULL         ? name
                       : tried == NOT_TRIED ? "not-tried"
                       : tried == HELD      ? "held"
                                            : "got-through");
    }
    return count;
}
