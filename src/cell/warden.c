#include "cell/warden.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/scope.h"
#include "cell/fusermount.h"
#include "cell/opener.h"
#include "cell/packet.h"
#include "cell/sweep.h"
#include "os/spawn.h"

/* SIGTERM and the ends of children as things to read; no terminal's signals. */
static bool take_signals(int *ret_fd, struct fault *fault)
{
    sigset_t set;

    for (int number = 1; number < 32; number++)
        (void)signal(number, SIG_DFL);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)sigfillset(&set);
    if (sigprocmask(SIG_SETMASK, &set, NULL) < 0)
        return fault_errno(fault, "hold signals back");
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGCHLD);
    *ret_fd = signalfd(-1, &set, SFD_CLOEXEC);
    return *ret_fd >= 0 || fault_errno(fault, "watch for signals");
}

/* The parent that we had when we were made, or somebody who has taken us over since. */
static bool die_politely_with(pid_t parent, struct fault *fault)
{
    if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0)
        return fault_errno(fault, "tie the cell to core");
    return getppid() == parent || fault_set(fault, FAULT_IO, "core is gone");
}

static int fail(const struct init *init, const struct fault *fault)
{
    struct packet packet = {.kind = PACKET_FAILED, .fault = *fault};
    struct fault unsaid = {0};

    return packet_send(init->control, &packet, NULL, &unsaid) ? 1 : 2;
}

/* Waits for the end of `child`. ret_told: SIGTERM came first, and the child may still be. */
static void wait_for_end(int signals, pid_t child, bool *ret_told)
{
    struct signalfd_siginfo info = {0};

    *ret_told = false;
    for (;;) {
        pid_t pid;

        while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
            if (pid == child)
                return;
        if (read(signals, &info, sizeof(info)) < 0 && errno != EINTR)
            return;
        *ret_told = info.ssi_signo == SIGTERM;
        if (*ret_told)
            return;
    }
}

static int first_process(struct init *init)
{
    sigset_t none;

    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)close(init->plan->opener_fd); /* the warden's: its end is the guard's end of file */
    return init_serve(init);
}

static int sweeper_serve(struct init *init, pid_t warden)
{
    struct fault fault = {0};
    int signals = -1;
    bool told;
    pid_t pid;

    (void)prctl(PR_SET_NAME, "cell-sweep");
    if (!die_politely_with(warden, &fault) || !take_signals(&signals, &fault) ||
        !sweep_begin(warden, &fault))
        return fail(init, &fault);
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
    (void)prctl(PR_SET_DUMPABLE, 0);
    init->parent = getpid();
    pid = fork();
    if (pid == 0)
        _exit(first_process(init));
    if (pid < 0) {
        (void)fault_errno(&fault, "fork the cell's first process");
        return fail(init, &fault);
    }
    spawn_close_others(&signals, 1);
    wait_for_end(signals, pid, &told);
    sweep_all();
    return 0;
}

/*
 * Opens what the guard asks for, until the sweeper has ended. Told to end the cell, it tells the
 * sweeper, which ends itself after it.
 */
static void serve_guard(int signals, int opener, pid_t sweeper)
{
    struct pollfd fds[2] = {{.fd = signals, .events = POLLIN},
                            {.fd = opener, .events = POLLIN}};

    for (;;) {
        struct signalfd_siginfo info = {0};

        if (waitpid(sweeper, NULL, WNOHANG) != 0)
            return;
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            return;
        if (fds[1].revents != 0 && !opener_answer(opener, sweeper))
            fds[1].fd = -1;
        if (fds[0].revents != 0 && read(signals, &info, sizeof(info)) == sizeof(info) &&
            info.ssi_signo == SIGTERM)
            (void)kill(sweeper, SIGTERM);
    }
}

int warden_serve(struct init *init)
{
    pid_t core = init->parent, own = getpid();
    struct fault fault = {0};
    int signals = -1;
    pid_t sweeper;

    (void)prctl(PR_SET_NAME, "cell-warden");
    (void)setpgid(0, 0); /* a terminal's interrupt is for core */
    limits_enter(init->limits);
    init_keep_descriptors(init);
    if (!die_politely_with(core, &fault) || !take_signals(&signals, &fault) ||
        !fusermount_mount(init->plan->repository, &init->fuse, &fault))
        return fail(init, &fault);
    (void)prctl(PR_SET_DUMPABLE, 0);
    sweeper = fork();
    if (sweeper == 0)
        _exit(sweeper_serve(init, own));
    if (sweeper < 0) {
        (void)fault_errno(&fault, "fork the cell's sweeper");
        (void)fail(init, &fault);
    }
    spawn_close_others((const int[]){signals, init->plan->opener_fd}, 2);
    if (sweeper > 0)
        serve_guard(signals, init->plan->opener_fd, sweeper);
    return fusermount_unmount(init->plan->repository, &fault) ? 0 : 1;
}
