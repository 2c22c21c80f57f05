#include "cell/init.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/scope.h"
#include "cell/canary.h"
#include "cell/fence.h"
#include "cell/lister.h"
#include "cell/packet.h"
#include "cell/plan.h"
#include "cell/root.h"
#include "cell/seal.h"
#include "cell/terminal.h"
#include "cell/sweep.h"
#include "os/clock_real.h"
#include "os/isolate.h"
#include "os/spawn.h"

#define CANARY_MS_MAX 20000
#define DESCRIPTORS_MAX 64
#define SEAL_FAILED SIZE_MAX /* in place of a count: a fault follows */

/* With the host's namespaces. */
static bool is_shared(const struct cell_plan *plan)
{
    return plan->mode.place == CELL_LANDLOCK;
}

static bool loopback_up(struct fault *fault)
{
    AUTO_CLOSE int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct ifreq request = {.ifr_name = "lo"};

    if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &request) < 0)
        return fault_errno(fault, "look at the loopback");
    request.ifr_flags = (short)(request.ifr_flags | IFF_UP);
    if (ioctl(fd, SIOCSIFFLAGS, &request) < 0)
        return fault_errno(fault, "bring the loopback up");
    return true;
}

static bool listen_at(uint16_t port, int *ret_fd, struct fault *fault)
{
    AUTO_CLOSE int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons(port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 ||
        listen(fd, SOMAXCONN) < 0)
        return fault_errno(fault, "listen at the door");
    *ret_fd = take_fd(&fd);
    return true;
}

void init_keep_descriptors(const struct init *init)
{
    const struct cell_plan *plan = init->plan;
    int keep[DESCRIPTORS_MAX] = {
        init->control,    plan->in,        plan->out,       plan->err,  plan->git_fd,
        plan->objects_fd, plan->engine_fd, plan->lister_fd, init->fuse, plan->opener_fd};
    size_t count = 10;

    for (size_t i = 0; i < plan->scratch_count && count < COUNT(keep); i++)
        keep[count++] = plan->scratch[i].fd;
    spawn_close_others(keep, count);
}

/* Waits for core to say `kind`; ret_sealed, which may be NULL, is what came with it. */
static bool expect(int control, enum packet_kind kind, struct cell_sealed *ret_sealed,
                   struct fault *fault)
{
    AUTO_FREE struct packet *packet = xalloc(sizeof(*packet));
    bool end = false;

    if (!packet_receive(control, -1, packet, NULL, &end, fault))
        return false;
    if (end)
        return fault_set(fault, FAULT_IO, "core is gone");
    if (packet->kind != kind)
        return fault_set(fault, FAULT_INVALID, "packet %d where %d belongs", (int)packet->kind,
                         (int)kind);
    if (ret_sealed != NULL)
        *ret_sealed = packet->sealed;
    return true;
}

/* What the kernel kills first when memory is short: the cell, before anything of the host. */
static void volunteer_for_oom(void)
{
    AUTO_CLOSE int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

    if (fd >= 0 && write(fd, "500", 3) < 0)
        return; /* a host that does not allow it has other limits */
}

static bool build_root(const struct cell_plan *plan, struct root *root, int *ret_fuse,
                       int *ret_proc, struct fault *fault)
{
    const char *name = plan->hostname == NULL ? "cell" : plan->hostname;

    if (sethostname(name, strlen(name)) < 0)
        return fault_errno(fault, "name the cell");
    return root_sources(plan, root, fault) && root_build(root, ret_fuse, ret_proc, fault) &&
           root_enter(root, fault) && loopback_up(fault);
}

/* The warden has mounted the view; the rest is there, and rules will make it all there is. */
static bool furnish(struct init *init, int *ret_fuse, int *ret_proc, struct fault *fault)
{
    *ret_proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (*ret_proc < 0)
        return fault_errno(fault, "open /proc");
    *ret_fuse = take_fd(&init->fuse);
    return fence_furnish(init->plan, fault);
}

/* The plan's streams are that terminal from here on; ret_master is core's. */
static bool make_terminal(struct init *init, int *ret_master, struct fault *fault)
{
    struct cell_plan *plan = &init->with_terminal;

    *plan = *init->plan;
    if (!cell_terminal_make(plan, ret_master, &plan->in, fault))
        return false;
    plan->out = plan->err = plan->in;
    init->plan = plan;
    return true;
}

static bool mount_all(struct init *init, struct root *root, struct fault *fault)
{
    const struct cell_plan *plan = init->plan;
    struct packet packet = {.kind = PACKET_MOUNTED};
    struct message_fds fds = {0};
    AUTO_CLOSE int fuse = -1, proc = -1, door = -1, terminal = -1;

    volunteer_for_oom();
    if (is_shared(plan) ? !furnish(init, &fuse, &proc, fault)
                        : !build_root(plan, root, &fuse, &proc, fault))
        return false;
    if (plan->door_port != 0 && !listen_at(plan->door_port, &door, fault))
        return false;
    if (plan->terminal && plan->in < 0 && !make_terminal(init, &terminal, fault))
        return false;
    init->null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (init->null < 0)
        return fault_errno(fault, "open /dev/null");
    packet.has_fuse = fuse >= 0;
    packet.has_door = door >= 0;
    packet.has_terminal = terminal >= 0;
    if (fuse >= 0)
        fds.fd[fds.count++] = fuse;
    fds.fd[fds.count++] = proc;
    if (door >= 0)
        fds.fd[fds.count++] = door;
    if (terminal >= 0)
        fds.fd[fds.count++] = terminal;
    return packet_send(init->control, &packet, &fds, fault);
}

static bool read_exactly(int fd, void *at, size_t len)
{
    size_t done = 0;

    while (done < len) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        ssize_t got;

        if (poll(&ready, 1, CANARY_MS_MAX) <= 0)
            return false;
        got = read(fd, (char *)at + done, len - done);
        if (got <= 0)
            return false;
        done += (size_t)got;
    }
    return true;
}

static void canary_child(const struct init *init, const struct cell_sealed *sealed, int result)
{
    struct cell_canary results[CELL_CANARIES_MAX];
    struct canary_ground ground = {.plan = init->plan,
                                   .outside = init->outside,
                                   .outside_len = init->outside_len,
                                   .scope_signals = sealed->scope_signals,
                                   .result = result,
                                   .environment = seal_environment(init->plan)};
    struct fault fault = {0};
    size_t count = SEAL_FAILED;

    if (!seal_agent(init->plan, sealed, init->null, result, &fault)) {
        (void)!write(result, &count, sizeof(count));
        (void)!write(result, &fault, sizeof(fault));
        _exit(1);
    }
    count = canary_try_all(&ground, results);
    if (write(result, &count, sizeof(count)) != (ssize_t)sizeof(count) ||
        write(result, results, count * sizeof(results[0])) !=
            (ssize_t)(count * sizeof(results[0])))
        _exit(1);
    _exit(0);
}

static bool read_canaries(int fd, struct packet *packet, struct fault *fault)
{
    size_t count = 0;
    struct fault failed;

    if (!read_exactly(fd, &count, sizeof(count)))
        return fault_set(fault, FAULT_HOST, "the canaries could not be tried");
    if (count == SEAL_FAILED && read_exactly(fd, &failed, sizeof(failed))) {
        *fault = failed;
        return fault_in(fault, "seal");
    }
    if (count > CELL_CANARIES_MAX ||
        !read_exactly(fd, packet->canaries, count * sizeof(packet->canaries[0])))
        return fault_set(fault, FAULT_HOST, "the canaries did not end");
    packet->canary_count = (uint32_t)count;
    return true;
}

/* In a child sealed like the agent. */
static bool try_canaries(const struct init *init, struct packet *packet, struct fault *fault)
{
    int ends[2];
    pid_t pid;
    bool ok;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return fault_errno(fault, "make a pipe");
    pid = fork();
    if (pid == 0)
        canary_child(init, &packet->sealed, ends[1]);
    (void)close(ends[1]);
    ok = pid > 0 ? read_canaries(ends[0], packet, fault)
                 : fault_errno(fault, "fork the canaries");
    (void)close(ends[0]);
    if (pid > 0) {
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
    }
    return ok;
}

/* Which scopes the agent's Landlock domain will have; tried again for real in seal_agent. */
static void describe(const struct cell_plan *plan, struct cell_sealed *sealed)
{
    sealed->landlock_abi = isolate_landlock_abi();
    sealed->scope_signals = sealed->scope_sockets = sealed->landlock_abi >= ISOLATE_ABI_SCOPES;
    sealed->privileged = plan_is_privileged(plan);
}

/* Whoever has it answers for the cell: nobody inside may. */
static bool hand_out(int control, int listener, struct fault *fault)
{
    struct packet packet = {.kind = PACKET_LISTENER};
    struct message_fds fds = {.fd = {listener}, .count = 1};

    return packet_send(control, &packet, &fds, fault);
}

static bool open_repository(struct init *init, struct fault *fault)
{
    if (init->plan->lister_fd < 0)
        return true;
    init->repository = open(init->plan->repository, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return init->repository >= 0 || fault_errno(fault, "open the view");
}

static bool prepare(struct init *init, struct packet *ret_sealed, struct fault *fault)
{
    AUTO_CLOSE int listener = -1;
    struct seal_mapper mapper;
    struct root root;
    int64_t begun_us;
    bool ok;

    ret_sealed->kind = PACKET_SEALED;
    if (!expect(init->control, PACKET_MAPPED, NULL, fault))
        return false;
    if (!mount_all(init, &root, fault) || (!is_shared(init->plan) && !root_leave(fault)) ||
        !seal_begin(init->plan, &mapper, fault))
        return false;
    ok = expect(init->control, PACKET_VIEW_READY, NULL, fault) &&
         (is_shared(init->plan) || root_finish(&root, fault)) &&
         open_repository(init, fault) && seal_init(init->plan, &mapper, &listener, fault) &&
         (listener < 0 || hand_out(init->control, listener, fault));
    scope_close(&listener);
    if (!ok)
        return false;
    describe(init->plan, &ret_sealed->sealed);
    begun_us = clock_monotonic_us(&clock_real);
    ok = try_canaries(init, ret_sealed, fault);
    ret_sealed->sealed.canaries_us = clock_monotonic_us(&clock_real) - begun_us;
    return ok;
}

static void agent_child(const struct init *init, const struct cell_sealed *sealed, int result)
{
    const struct cell_plan *plan = init->plan;
    char **environment = seal_environment(plan);
    struct fault fault = {0};

    if (!seal_agent(plan, sealed, init->null, result, &fault)) {
        (void)!write(result, &fault, sizeof(fault));
        _exit(126);
    }
    environ = environment; /* execvp looks in the agent's PATH, not in ours */
    (void)execvp(plan->argv[0], (char *const *)(uintptr_t)plan->argv);
    (void)fault_errno(&fault, "start %.200s", plan->argv[0]);
    (void)!write(result, &fault, sizeof(fault));
    _exit(127);
}

static bool start_agent(const struct init *init, const struct cell_sealed *sealed,
                        pid_t *ret_pid, struct fault *fault)
{
    struct fault failed = {0};
    int ends[2];
    pid_t pid;
    ssize_t got;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return fault_errno(fault, "make a pipe");
    pid = fork();
    if (pid == 0)
        agent_child(init, sealed, ends[1]);
    (void)close(ends[1]);
    do /* closed by exec, or the fault */
        got = pid < 0 ? 0 : read(ends[0], &failed, sizeof(failed));
    while (got < 0 && errno == EINTR);
    (void)close(ends[0]);
    if (pid < 0)
        return fault_errno(fault, "fork the agent");
    if (got != 0) {
        *fault = failed;
        fault->why[sizeof(fault->why) - 1] = '\0';
        if (fault->kind == FAULT_NONE)
            return fault_set(fault, FAULT_IO, "the agent did not start");
        return false;
    }
    *ret_pid = pid;
    return true;
}

static int64_t microseconds(struct timeval time)
{
    return (int64_t)time.tv_sec * 1000000 + time.tv_usec;
}

static struct cell_exit describe_exit(int status)
{
    struct rusage usage = {0};

    (void)getrusage(RUSAGE_CHILDREN, &usage);
    return (struct cell_exit){
        .status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status),
        .signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0,
        .user_us = microseconds(usage.ru_utime),
        .system_us = microseconds(usage.ru_stime),
        .memory_bytes_max = (int64_t)usage.ru_maxrss * 1024,
    };
}

/*
 * Reaps whatever ends; true once the agent has. An agent at a terminal that stops itself, as
 * on Ctrl-Z, has no shell above it that could ever continue it: we do.
 */
static bool reap(const struct cell_plan *plan, pid_t agent, int *ret_status)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG | (plan->terminal ? WUNTRACED : 0))) > 0) {
        if (pid != agent)
            continue;
        if (WIFSTOPPED(status)) {
            (void)kill(-agent, SIGCONT); /* it leads the session, and so its group */
            continue;
        }
        *ret_status = status;
        return true;
    }
    return false;
}

/* Until the agent has ended or core is gone. Meanwhile it lists what the view wants listed. */
static bool watch(const struct init *init, int children, pid_t agent, int *ret_status,
                  struct fault *fault)
{
    struct pollfd fds[3] = {{.fd = children, .events = POLLIN},
                            {.fd = init->control, .events = POLLIN},
                            {.fd = init->plan->lister_fd, .events = POLLIN}};

    for (;;) {
        struct signalfd_siginfo info;

        if (reap(init->plan, agent, ret_status))
            return true;
        if (poll(fds, COUNT(fds), -1) < 0 && errno != EINTR)
            return fault_errno(fault, "wait for the agent");
        if (fds[1].revents != 0)
            return fault_set(fault, FAULT_IO, "core is gone");
        if (fds[2].revents != 0 && !lister_take(fds[2].fd, init->repository))
            fds[2].fd = -1;
        if (fds[0].revents == 0)
            continue;
        if (read(children, &info, sizeof(info)) < 0) {
            if (errno != EAGAIN)
                return fault_errno(fault, "wait for the agent");
        } else if (info.ssi_signo == SIGTERM) {
            return fault_set(fault, FAULT_IO, "the sweeper is gone");
        }
    }
}

static bool run(struct init *init, struct fault *fault)
{
    AUTO_FREE struct packet *packet = xalloc(sizeof(*packet));
    struct cell_sealed allowed = {0};
    AUTO_CLOSE int children = -1;
    sigset_t child;
    pid_t agent = -1;
    int status = 0;

    if (!prepare(init, packet, fault)) {
        if (fault->kind == FAULT_DENIED) /* by the host, a container engine: nobody judged */
            fault->kind = FAULT_HOST;
        return false;
    }
    if (!packet_send(init->control, packet, NULL, fault) ||
        !expect(init->control, PACKET_GO, &allowed, fault))
        return false;
    (void)sigemptyset(&child);
    (void)sigaddset(&child, SIGCHLD);
    if (is_shared(init->plan)) /* the sweeper's death: seal.c */
        (void)sigaddset(&child, SIGTERM);
    (void)sigprocmask(SIG_BLOCK, &child, NULL);
    children = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
    if (children < 0)
        return fault_errno(fault, "watch children");
    if (!start_agent(init, &allowed, &agent, fault))
        return false;
    *packet = (struct packet){.kind = PACKET_STARTED};
    if (!packet_send(init->control, packet, NULL, fault) ||
        !watch(init, children, agent, &status, fault))
        return false;
    *packet = (struct packet){.kind = PACKET_EXITED, .exit = describe_exit(status)};
    return packet_send(init->control, packet, NULL, fault);
}

int init_serve(struct init *init)
{
    struct packet packet = {.kind = PACKET_FAILED};
    struct fault ignored = {0};

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)prctl(PR_SET_NAME, "cell");
    for (int number = 1; number < 32; number++)
        (void)signal(number, SIG_DFL);
    (void)signal(SIGPIPE, SIG_IGN);
    if (is_shared(init->plan))
        (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
    else
        limits_enter(init->limits);
    init_keep_descriptors(init);
    if (run(init, &packet.fault))
        return 0;
    if (is_shared(init->plan) && getppid() != init->parent) /* nobody else is left to do it */
        sweep_all();
    if (!packet_send(init->control, &packet, NULL, &ignored))
        return 2;
    return 1;
}
