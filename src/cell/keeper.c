#include "cell/keeper.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/scope.h"
#include "cell/cgroup.h"
#include "os/spawn.h"

#define REMOVE_PAUSE_NS 5000000
/* As long as this dying takes by itself; then what is frozen is helped. */
#define RELEASE_EVERY 40
#define KEEPER_TRIES 12000 /* a minute; afterwards `custody runs gc` */

static bool remove_groups(const struct limits *limits)
{
    bool all = true;

    for (size_t i = 0; i < limits->count; i++)
        if (rmdir(limits->folders[i]) < 0 && errno != ENOENT)
            all = false;
    return all;
}

bool keeper_remove(const struct limits *limits, int tries)
{
    const struct timespec pause = {.tv_nsec = REMOVE_PAUSE_NS};

    for (int i = 1; i <= tries; i++) {
        if (remove_groups(limits))
            return true;
        if (i % RELEASE_EVERY == 0)
            limits_release(limits);
        (void)nanosleep(&pause, NULL);
    }
    return false;
}

/* Bit i: the process is in folder i. */
static uint32_t attach_all(const struct limits *limits, pid_t pid)
{
    AUTO_FREE char *text = xformat("%d", (int)pid);
    uint32_t taken = 0;

    for (size_t i = 0; i < limits->count; i++)
        if (limits->tasks[i] < 0 && cgroup_put(limits->folders[i], "cgroup.procs", text))
            taken |= 1U << i;
    return taken;
}

/*
 * Moves the process that core names, then waits for core to close the socket, by cell_end or
 * by dying. Survives what ends core.
 */
static void keep(const struct limits *limits, int socket)
{
    pid_t pid = -1;
    char byte;

    (void)setsid();
    for (int number = 1; number < 32; number++)
        (void)signal(number, SIG_IGN);
    (void)prctl(PR_SET_NAME, "custody-keeper");
    spawn_close_others(&socket, 1);
    if (read(socket, &pid, sizeof(pid)) == (ssize_t)sizeof(pid)) {
        uint32_t taken = attach_all(limits, pid);

        (void)!write(socket, &taken, sizeof(taken));
    }
    while (read(socket, &byte, 1) > 0)
        continue;
    (void)keeper_remove(limits, KEEPER_TRIES);
    _exit(0);
}

void keeper_start(struct limits *limits)
{
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return;
    limits->keeper = fork();
    if (limits->keeper == 0) {
        (void)close(ends[1]);
        for (int fd = 0; fd < 3; fd++)
            if (fd != ends[0])
                (void)close(fd);
        keep(limits, ends[0]);
    }
    (void)close(ends[0]);
    if (limits->keeper < 0)
        (void)close(ends[1]);
    else
        limits->keeper_socket = ends[1];
}
