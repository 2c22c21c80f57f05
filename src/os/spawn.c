#include "os/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/scope.h"
#include "os/file.h"

#define ERROR_TEXT_BYTES_MAX 200
#define PATIENT_NICE 19

static int compare_fds(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

void spawn_close_others(const int *keep, size_t keep_count)
{
    int sorted[64];
    unsigned from = 3;
    size_t count = 0;

    for (size_t i = 0; i < keep_count && count < COUNT(sorted); i++)
        if (keep[i] > 2)
            sorted[count++] = keep[i];
    qsort(sorted, count, sizeof(sorted[0]), compare_fds);
    for (size_t i = 0; i < count; i++) {
        if ((unsigned)sorted[i] > from)
            (void)syscall(SYS_close_range, from, (unsigned)sorted[i] - 1, 0);
        from = (unsigned)sorted[i] + 1;
    }
    (void)syscall(SYS_close_range, from, ~0U, 0);
}

static void reset_signals(void)
{
    sigset_t none;

    for (int number = 1; number < 32; number++)
        (void)signal(number, SIG_DFL);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static void die_with(pid_t parent)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(137);
}

static void process_opened(pid_t pid, struct process *ret_process)
{
    ret_process->pid = pid;
    ret_process->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
}

bool spawn_role(const char *name, int (*serve)(void *self), void *self, const int *keep,
                size_t keep_count, struct process *ret_process, struct fault *fault)
{
    pid_t parent = getpid();
    pid_t pid = fork();

    if (pid < 0)
        return fault_errno(fault, "start %s", name);
    if (pid == 0) {
        die_with(parent);
        (void)setpgid(0, 0); /* a terminal's interrupt is for core, which tells its roles */
        reset_signals();
        (void)prctl(PR_SET_NAME, name);
        spawn_close_others(keep, keep_count);
        _exit(serve(self));
    }
    process_opened(pid, ret_process);
    return true;
}

static int null_or(int fd, int flags)
{
    return fd >= 0 ? fd : open("/dev/null", flags | O_CLOEXEC);
}

static void become(const struct spawn_program *program, pid_t parent)
{
    int fds[3] = {null_or(program->in, O_RDONLY), null_or(program->out, O_WRONLY),
                  null_or(program->err, O_WRONLY)};

    die_with(parent);
    if (program->own_group)
        (void)setpgid(0, 0);
    if (program->patient)
        (void)setpriority(PRIO_PROCESS, 0, PATIENT_NICE);
    reset_signals();
    (void)signal(SIGPIPE, SIG_DFL);
    for (int i = 0; i < 3; i++) { /* out of the way of 0, 1, 2 first */
        fds[i] = fcntl(fds[i], F_DUPFD, 3);
        if (fds[i] < 0)
            _exit(126);
    }
    for (int i = 0; i < 3; i++)
        if (dup2(fds[i], i) < 0)
            _exit(126);
    spawn_close_others(program->keep, program->keep_count);
    for (size_t i = 0; i < program->keep_count; i++)
        (void)fcntl(program->keep[i], F_SETFD, 0);
    if (program->folder != NULL && chdir(program->folder) < 0)
        _exit(126);
    (void)execvpe(program->argv[0], (char *const *)(uintptr_t)program->argv,
                  (char *const *)(uintptr_t)program->environment);
    _exit(127);
}

bool spawn_program(const struct spawn_program *program, struct process *ret_process,
                   struct fault *fault)
{
    pid_t parent = getpid();
    pid_t pid = fork();

    if (pid < 0)
        return fault_errno(fault, "start %s", program->argv[0]);
    if (pid == 0)
        become(program, parent);
    process_opened(pid, ret_process);
    return true;
}

/* Feeds `input` and drains both outputs until all three are closed. */
static bool pump(int in, struct slice input, int out, struct buf *output, int err,
                 struct buf *errors, struct fault *fault)
{
    struct pollfd fds[3] = {{.fd = in, .events = POLLOUT},
                            {.fd = out, .events = POLLIN},
                            {.fd = err, .events = POLLIN}};

    while (fds[0].fd >= 0 || fds[1].fd >= 0 || fds[2].fd >= 0) {
        uint8_t chunk[8192];

        if (poll(fds, 3, -1) < 0 && errno != EINTR)
            return fault_errno(fault, "wait");
        if (fds[0].fd >= 0 && fds[0].revents != 0) {
            ssize_t put = input.len == 0 ? 0 : write(in, input.at, input.len);

            if (put > 0)
                input = slice_part(input, (size_t)put, input.len);
            if (input.len == 0 || (put < 0 && errno != EINTR && errno != EAGAIN)) {
                (void)close(in);
                fds[0].fd = -1;
            }
        }
        for (int i = 1; i < 3; i++) {
            ssize_t got;

            if (fds[i].fd < 0 || fds[i].revents == 0)
                continue;
            got = read(fds[i].fd, chunk, sizeof(chunk));
            if (got < 0 && (errno == EINTR || errno == EAGAIN))
                continue;
            if (got <= 0)
                fds[i].fd = -1;
            else if (i == 1 && !buf_add(output, slice_of_bytes(chunk, (size_t)got), fault))
                return false;
            else if (i == 2 && !buf_add(errors,
                                        slice_part(slice_of_bytes(chunk, (size_t)got), 0,
                                                   errors->limit - errors->len),
                                        fault))
                return false;
        }
    }
    return true;
}

bool spawn_run(const struct spawn_program *program, struct slice input, struct buf *ret_output,
               int *ret_status, struct fault *fault)
{
    struct spawn_program piped = *program;
    struct process process = {.pid = -1, .pidfd = -1};
    AUTO_BUF struct buf errors = buf_with_limit(ERROR_TEXT_BYTES_MAX);
    int in[2], out[2], err[2];
    bool ok;

    if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0 || pipe2(err, O_CLOEXEC) < 0)
        return fault_errno(fault, "make pipes for %s", program->argv[0]);
    (void)fcntl(in[1], F_SETFL, O_NONBLOCK);
    piped.in = in[0];
    piped.out = out[1];
    piped.err = err[1];
    ok = spawn_program(&piped, &process, fault);
    (void)close(in[0]);
    (void)close(out[1]);
    (void)close(err[1]);
    if (ok)
        ok = pump(in[1], input, out[0], ret_output, err[0], &errors, fault);
    else
        (void)close(in[1]);
    (void)close(out[0]);
    (void)close(err[0]);
    if (!ok) {
        if (process.pid > 0)
            process_kill(&process);
        return fault_in(fault, "%s", program->argv[0]);
    }
    if (!process_wait(&process, -1, ret_status, fault))
        return false;
    if (*ret_status != 0) /* the caller decides whether that is an error; the text is there */
        (void)fault_set(fault, FAULT_IO, "%s ended with %d: %.*s", program->argv[0],
                        *ret_status, SLICE_ARGS(slice_trim(buf_slice(&errors))));
    return true;
}

bool process_wait(struct process *process, int timeout_ms, int *ret_status,
                  struct fault *fault)
{
    int status = 0;
    pid_t got;

    if (timeout_ms >= 0 && process->pidfd >= 0) {
        struct pollfd ready = {.fd = process->pidfd, .events = POLLIN};
        int count;

        do
            count = poll(&ready, 1, timeout_ms);
        while (count < 0 && errno == EINTR);
        if (count == 0)
            return fault_set(fault, FAULT_LIMIT, "process still runs after %d ms", timeout_ms);
    }
    do
        got = waitpid(process->pid, &status, 0);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return fault_errno(fault, "wait for a process");
    if (process->pidfd >= 0)
        (void)close(process->pidfd);
    process->pidfd = -1;
    process->pid = -1;
    *ret_status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    return true;
}

void process_kill(struct process *process)
{
    struct fault fault = {0};
    int status;

    if (process->pid <= 0)
        return;
    (void)kill(process->pid, SIGKILL);
    if (!process_wait(process, -1, &status, &fault))
        process->pid = -1;
}

void spawn_raise_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}
