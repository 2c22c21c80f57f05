/*
 * The one place where a model's words become a command: inside the cell, in a shell of its own
 * process group. What it may reach is the cell's to decide, not ours.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "agent/loop_parts.h"
#include "base/scope.h"
#include "os/spawn.h"

#define OUTPUT_KEPT (32UL * 1024)

extern char **environ;

struct shell {
    struct process process;
    int out;
    size_t dropped; /* bytes before what is kept: the end of an output says most */
    int64_t deadline_us;
    const struct agent_loop *loop;
};

static bool keep_output(struct shell *shell, struct buf *out, struct fault *fault)
{
    for (;;) {
        ssize_t got;

        if (!buf_reserve(out, 8192, fault))
            return false;
        got = read(shell->out, out->at + out->len, 8192);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got == 0 || errno == EAGAIN
                       ? true
                       : fault_errno(fault, "read the command's output");
        out->len += (size_t)got;
        if (out->len > 2 * OUTPUT_KEPT) {
            shell->dropped += out->len - OUTPUT_KEPT;
            buf_drop_front(out, out->len - OUTPUT_KEPT);
        }
    }
}

/* Until the shell itself has ended; what it left in the background does not hold us. */
static bool watch(struct shell *shell, struct buf *out, bool *ret_late, struct fault *fault)
{
    struct pollfd ready[] = {{.fd = shell->process.pidfd, .events = POLLIN},
                             {.fd = shell->out, .events = POLLIN}};

    while ((ready[0].revents & POLLIN) == 0) {
        int64_t left_us = shell->deadline_us - clock_monotonic_us(shell->loop->clock);

        *ret_late = left_us <= 0;
        if (*ret_late)
            return true;
        if (poll(ready, COUNT(ready), (int)(left_us / 1000) + 1) < 0 && errno != EINTR)
            return fault_errno(fault, "wait for the command");
        if (!keep_output(shell, out, fault))
            return false;
        if ((ready[1].revents & (POLLHUP | POLLERR)) != 0 && (ready[1].revents & POLLIN) == 0)
            ready[1].fd = -1;
    }
    return keep_output(shell, out, fault);
}

static bool start(struct shell *shell, const char *command, struct fault *fault)
{
    const char *const argv[] = {"/bin/sh", "-c", command, NULL};
    int ends[2];
    struct spawn_program program = {.argv = argv,
                                    .environment = (const char *const *)environ,
                                    .folder = shell->loop->folder,
                                    .in = -1,
                                    .own_group = true};
    bool ok;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return fault_errno(fault, "make a pipe");
    shell->out = ends[0];
    program.out = program.err = ends[1];
    ok = fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0 || fault_errno(fault, "set up a pipe");
    ok = ok && spawn_program(&program, &shell->process, fault);
    (void)close(ends[1]);
    return ok;
}

static bool say_end(const struct shell *shell, bool late, int status, struct buf *out,
                    struct fault *fault)
{
    if (shell->dropped > 0 &&
        !buf_add_format(out, fault, "\n[%zu bytes at the beginning are left out]",
                        shell->dropped))
        return false;
    if (late)
        return buf_add_format(out, fault, "\n[stopped after %d s]",
                              shell->loop->command_timeout_ms / 1000);
    return status == 0 || buf_add_format(out, fault, "\n[exit %d]", status);
}

bool loop_shell(const struct agent_loop *loop, const char *command, struct buf *ret_answer,
                struct fault *fault)
{
    struct shell shell = {.process.pid = -1,
                          .process.pidfd = -1,
                          .out = -1,
                          .loop = loop,
                          .deadline_us = clock_monotonic_us(loop->clock) +
                                         (int64_t)loop->command_timeout_ms * 1000};
    bool late = false;
    int status = 0;
    bool ok = start(&shell, command, fault);
    pid_t group = shell.process.pid;

    ok = ok && watch(&shell, ret_answer, &late, fault);
    if (group > 0)
        (void)kill(-group, SIGKILL);
    if (ok && !late)
        ok = process_wait(&shell.process, -1, &status, fault);
    process_kill(&shell.process);
    if (shell.out >= 0)
        (void)close(shell.out);
    return ok && say_end(&shell, late, status, ret_answer, fault) && !late && status == 0;
}
