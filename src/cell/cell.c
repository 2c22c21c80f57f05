/* Core's side: starts pid 1, speaks with it, ends it. */
#include "cell/cell.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/scope.h"
#include "cell/canary.h"
#include "cell/fusermount.h"
#include "cell/init.h"
#include "cell/limits.h"
#include "cell/packet.h"
#include "cell/plan.h"
#include "cell/seal.h"
#include "cell/warden.h"
#include "os/isolate.h"

#define END_STEP_MS 250

struct cell {
    enum cell_place place;
    pid_t pid; /* pid 1, or the warden */
    int pidfd;
    int control;
    int outside; /* listens in the host for the canary that must not reach it */
    struct limits limits;
    struct canary_given given;
    bool given_up;      /* what was killed does not end; nobody waits twice */
    bool sealed, clean; /* CELL_SEALED came; every canary held */
};

/* An abstract socket of the kernel's choice of name. Without one the row is missed: no run. */
static int listen_outside(struct init *init)
{
    AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    socklen_t len = sizeof(name);

    if (fd < 0 || bind(fd, (struct sockaddr *)&name, sizeof(sa_family_t)) < 0 ||
        listen(fd, 1) < 0 || getsockname(fd, (struct sockaddr *)&name, &len) < 0)
        return -1;
    init->outside = name;
    init->outside_len = len;
    return take_fd(&fd);
}

/*
 * Forks pid 1 into namespaces of its own. As root the user namespace comes later, in pid 1, so
 * that the mounts belong to the host's.
 */
static bool clone_init(struct init *init, int other_end, struct cell *cell,
                       struct fault *fault)
{
    const unsigned long namespaces = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC |
                                     CLONE_NEWUTS | CLONE_NEWCGROUP;
    unsigned long flags = CLONE_PIDFD | SIGCHLD;
    int pidfd = -1;
    long pid;

    if (cell->place == CELL_NAMESPACES)
        flags |= namespaces | (plan_is_privileged(init->plan) ? 0 : CLONE_NEWUSER);
    init->parent = getpid();
    pid = syscall(SYS_clone, flags, NULL, &pidfd, NULL, NULL);
    if (pid < 0) {
        (void)fault_errno(
            fault, "make namespaces for the cell (custody doctor says what is missing)");
        fault->kind = FAULT_HOST;
        return false;
    }
    if (pid == 0) {
        (void)close(other_end);
        _exit(cell->place == CELL_LANDLOCK ? warden_serve(init) : init_serve(init));
    }
    cell->pid = (pid_t)pid;
    cell->pidfd = pidfd;
    return true;
}

static bool map_ids(const struct cell *cell, const struct cell_plan *plan, struct fault *fault)
{
    AUTO_FREE char *pid = xformat("%d", (int)cell->pid);
    AUTO_CLOSE int proc = -1;

    if (plan_is_privileged(plan) || cell->place == CELL_LANDLOCK)
        return true;
    proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (proc < 0)
        return fault_errno(fault, "open /proc");
    return seal_write_maps(proc, pid, geteuid(), getegid(), fault);
}

bool cell_start(const struct cell_plan *plan, struct cell **ret_cell, struct fault *fault)
{
    struct packet packet = {.kind = PACKET_MAPPED};
    struct init init = {.plan = plan, .null = -1, .repository = -1, .fuse = -1};
    struct cell *cell;
    int ends[2];
    bool ok;

    if (!plan_check(plan, fault) || !message_pair(ends, fault))
        return fault_in(fault, "start the cell");
    cell = xalloc(sizeof(*cell));
    *cell = (struct cell){
        .place = plan->mode.place, .pid = -1, .pidfd = -1, .control = ends[0], .outside = -1};
    cell->given =
        (struct canary_given){.card = plan->canary.card_path != NULL,
                              .denied = plan->canary.denied_path != NULL,
                              .forbidden = plan->canary.forbidden_path != NULL,
                              .outside = plan->outside != NULL,
                              .scope_signals = isolate_landlock_abi() >= ISOLATE_ABI_SCOPES};
    init.control = ends[1];
    limits_open(plan, &cell->limits);
    init.limits = &cell->limits;
    cell->outside = listen_outside(&init);
    ok = clone_init(&init, ends[0], cell, fault);
    (void)close(ends[1]);
    if (ok) {
        if (cell->place == CELL_NAMESPACES) /* else its processes are others' children */
            limits_attach(&cell->limits, cell->pid);
        ok = map_ids(cell, plan, fault) && packet_send(cell->control, &packet, NULL, fault);
    }
    if (!ok) {
        struct fault unsaid = {0};

        if (!cell_end(cell, &unsaid))
            return fault_in(fault, "start the cell (%.80s)", unsaid.why);
        return fault_in(fault, "start the cell");
    }
    *ret_cell = cell;
    return true;
}

int cell_socket(const struct cell *cell)
{
    return cell->control;
}

pid_t cell_pid(const struct cell *cell)
{
    return cell->pid;
}

/* The descriptors of PACKET_MOUNTED, in the order in which they were sent. */
static bool take_mounted(const struct packet *packet, struct message_fds *fds,
                         struct cell_packet *ret_packet, struct fault *fault)
{
    size_t at = 0;

    if (fds->count != (size_t)packet->has_fuse + 1 + packet->has_door + packet->has_terminal)
        return fault_set(fault, FAULT_INVALID, "the cell sent %zu descriptors", fds->count);
    ret_packet->fuse_fd = packet->has_fuse ? fds->fd[at++] : -1;
    ret_packet->proc_fd = fds->fd[at++];
    ret_packet->door_fd = packet->has_door ? fds->fd[at++] : -1;
    ret_packet->terminal_fd = packet->has_terminal ? fds->fd[at++] : -1;
    fds->count = 0;
    return true;
}

static bool take_listener(struct message_fds *fds, struct cell_packet *ret_packet,
                          struct fault *fault)
{
    if (fds->count != 1)
        return fault_set(fault, FAULT_INVALID, "the cell sent %zu listeners", fds->count);
    ret_packet->listener_fd = fds->fd[0];
    fds->count = 0;
    return true;
}

/* Did somebody come to the socket outside? Whatever the canary says. */
static bool was_reached(struct cell *cell)
{
    AUTO_CLOSE int listener = take_fd(&cell->outside);
    AUTO_CLOSE int reached = -1;

    if (listener < 0)
        return false;
    (void)fcntl(listener, F_SETFL, O_NONBLOCK);
    reached = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    return reached >= 0;
}

/*
 * The cell tells what it tried; which rows there are, and which of them it may leave out, is
 * ours to say. A row that is not told of counts as broken.
 */
static void judge_canaries(struct cell *cell, const struct packet *packet,
                           struct cell_packet *ret_packet)
{
    bool reached = was_reached(cell);

    ret_packet->canary_count = canary_count(cell->place);
    for (size_t i = 0; i < canary_count(cell->place); i++) {
        struct cell_canary *canary = &ret_packet->canaries[i];
        bool told =
            i < packet->canary_count && strcmp(packet->canaries[i].id, canary_id(i)) == 0;

        if (told)
            *canary = packet->canaries[i];
        else
            *canary = (struct cell_canary){.outcome = CANARY_NOT_TRIED, .seen = "not-told"};
        (void)snprintf(canary->id, sizeof(canary->id), "%s", canary_id(i));
        if ((unsigned)canary->outcome > CANARY_NOT_TRIED) /* what only we may say */
            canary->outcome = CANARY_BROKEN;
        canary->seen[sizeof(canary->seen) - 1] = '\0';
        if (canary->outcome == CANARY_NOT_TRIED && canary_must_be_tried(i, &cell->given))
            canary->outcome = CANARY_MISSED;
        if (reached && strcmp(canary->id, "abstract-socket") == 0)
            canary->outcome = CANARY_BROKEN;
        ret_packet->canaries_broken +=
            canary->outcome != CANARY_HELD && canary->outcome != CANARY_NOT_TRIED;
    }
}

static bool take_sealed(struct cell *cell, const struct packet *packet,
                        struct cell_packet *ret_packet, struct fault *fault)
{
    limits_settle(&cell->limits, cell->pid);
    ret_packet->sealed = packet->sealed;
    memcpy(ret_packet->sealed.limit, cell->limits.holds, sizeof(cell->limits.holds));
    if (!cell_filter_digest(cell->place, ret_packet->sealed.filter_digest, fault))
        return false;
    judge_canaries(cell, packet, ret_packet);
    cell->sealed = true;
    cell->clean = ret_packet->canaries_broken == 0;
    return true;
}

bool cell_receive(struct cell *cell, int timeout_ms, struct cell_packet *ret_packet,
                  struct fault *fault)
{
    static const enum cell_packet_type types[PACKET_KIND_COUNT] = {
        [PACKET_MAPPED] = CELL_FAILED, /* core's own words never come back */
        [PACKET_MOUNTED] = CELL_MOUNTED,   [PACKET_VIEW_READY] = CELL_FAILED,
        [PACKET_LISTENER] = CELL_LISTENER, [PACKET_SEALED] = CELL_SEALED,
        [PACKET_GO] = CELL_FAILED,         [PACKET_STARTED] = CELL_STARTED,
        [PACKET_EXITED] = CELL_EXITED,     [PACKET_FAILED] = CELL_FAILED,
    };
    struct packet packet = {0};
    struct message_fds fds = {0};
    bool end = false, ok = true;

    if (!packet_receive(cell->control, timeout_ms, &packet, &fds, &end, fault))
        return fault_in(fault, "cell");
    *ret_packet = (struct cell_packet){
        .fuse_fd = -1, .proc_fd = -1, .door_fd = -1, .terminal_fd = -1, .listener_fd = -1};
    if (end) {
        ret_packet->type = CELL_GONE;
        return true;
    }
    ret_packet->type = types[packet.kind];
    ret_packet->exit = packet.exit;
    ret_packet->fault = packet.fault;
    if (ret_packet->type == CELL_FAILED && packet.fault.kind == FAULT_NONE)
        (void)fault_set(&ret_packet->fault, FAULT_IO, "the cell sent what only core may send");
    if (ret_packet->type == CELL_MOUNTED)
        ok = take_mounted(&packet, &fds, ret_packet, fault);
    else if (ret_packet->type == CELL_LISTENER)
        ok = take_listener(&fds, ret_packet, fault);
    else if (ret_packet->type == CELL_SEALED)
        ok = take_sealed(cell, &packet, ret_packet, fault);
    message_fds_close(&fds);
    return ok;
}

static bool say(struct cell *cell, enum packet_kind kind, struct fault *fault)
{
    struct packet packet = {.kind = kind};

    memcpy(packet.sealed.limit, cell->limits.holds, sizeof(cell->limits.holds));

    return packet_send(cell->control, &packet, NULL, fault);
}

bool cell_view_ready(struct cell *cell, struct fault *fault)
{
    return say(cell, PACKET_VIEW_READY, fault);
}

bool cell_go(struct cell *cell, struct fault *fault)
{
    if (!cell->sealed)
        return fault_set(fault, FAULT_HOST, "the cell is not sealed");
    if (!cell->clean)
        return fault_set(fault, FAULT_HOST, "a canary got through, or was not tried");
    return say(cell, PACKET_GO, fault);
}

bool cell_unmount(const char *repository, struct fault *fault)
{
    return fusermount_unmount(repository, fault);
}

void cell_kill(struct cell *cell)
{
    if (cell->pid > 0)
        (void)kill(cell->pid, cell->place == CELL_LANDLOCK ? SIGTERM : SIGKILL);
}

uint64_t cell_memory_kills(const struct cell *cell)
{
    return limits_memory_kills(&cell->limits);
}

/* pid 1 is gone only when all in its namespace are: the kernel waits for them. */
bool cell_await_end(struct cell *cell)
{
    int most = cell->given_up ? 0 : CELL_END_MS;

    for (int waited = 0; cell->pid > 0 && waited <= most; waited += END_STEP_MS) {
        struct pollfd ended = {.fd = cell->pidfd, .events = POLLIN};
        int seen = poll(&ended, 1, END_STEP_MS);

        if (waitpid(cell->pid, NULL, WNOHANG) == cell->pid)
            cell->pid = -1;
        else if (seen == 0)
            limits_release(&cell->limits);
    }
    cell->given_up = cell->pid > 0;
    return !cell->given_up;
}

bool cell_end(struct cell *cell, struct fault *fault)
{
    bool ended;

    if (cell == NULL)
        return true;
    cell_kill(cell);
    ended = cell_await_end(cell);
    if (cell->pidfd >= 0)
        (void)close(cell->pidfd);
    if (cell->outside >= 0)
        (void)close(cell->outside);
    (void)close(cell->control);
    limits_close(&cell->limits);
    free(cell);
    return ended ||
           fault_set(
               fault, FAULT_HOST,
               "a process of the cell was killed and does not end: a debugger of the host "
               "has it, or a control group keeps it frozen; let go of it");
}
