/*
 * A child of the view's writes the cell's .git while the view gets ready: on another processor
 * that is half of a start. It sees what the view sees, keeps no key, and ends with its answer.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/scope.h"
#include "os/isolate.h"
#include "roles/view_role/parts.h"

/* What it ends with; nothing is an answer too: it died. */
struct answer {
    bool done;
    struct fault fault;
};

static void write_and_end(struct view_config *config, const struct snapshot *snapshot,
                          const struct redacted *redacted, pid_t parent, int to)
{
    struct gitdir_result unused;
    struct answer answer = {0};

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(137);
    explicit_bzero(config->key, sizeof(config->key));
    answer.done =
        isolate_syscalls(ISOLATE_VIEW, &answer.fault) &&
        gitdir_write(config->git_fd, snapshot, redacted, &config->git, &unused, &answer.fault);
    _exit(write(to, &answer, sizeof(answer)) == (ssize_t)sizeof(answer) ? 0 : 1);
}

bool view_writer_start(struct view_config *config, const struct snapshot *snapshot,
                       const struct redacted *redacted, int *ret_answer, struct fault *fault)
{
    pid_t parent = getpid(), pid;
    int ends[2];

    (void)signal(SIGCHLD, SIG_IGN); /* nobody has to wait for it */
    if (pipe2(ends, O_CLOEXEC) < 0)
        return fault_errno(fault, "make a pipe");
    pid = fork();
    if (pid == 0)
        write_and_end(config, snapshot, redacted, parent, ends[1]);
    (void)close(ends[1]);
    if (pid < 0) {
        (void)fault_errno(fault, "start who makes the cell's git folder");
        (void)close(ends[0]);
        return false;
    }
    scope_close(&config->git_fd);
    *ret_answer = ends[0];
    return true;
}

bool view_writer_await(int *answer_fd, struct fault *fault)
{
    AUTO_CLOSE int fd = take_fd(answer_fd);
    struct answer answer;
    ssize_t got;

    if (fd < 0)
        return true;
    do
        got = read(fd, &answer, sizeof(answer));
    while (got < 0 && errno == EINTR);
    if (got != (ssize_t)sizeof(answer))
        return fault_set(fault, FAULT_IO, "who makes the cell's git folder has died");
    if (!answer.done)
        *fault = answer.fault;
    return answer.done;
}
