/*
 * os/spawn.h - starting processes: our own roles by fork, programs by argument array.
 *
 * No shell is ever given a string. Nothing here is used in a process with threads.
 */
#ifndef CUSTODY_OS_SPAWN_H
#define CUSTODY_OS_SPAWN_H

#include <sys/types.h>

#include "base/bytes.h"
#include "base/fault.h"

struct process {
    pid_t pid;
    int pidfd; /* -1 when there is none */
};

/*
 * Forks a role: `serve(self)` runs in the child, whose exit code it returns.
 *
 *   keep, keep_count  the descriptors that the child keeps besides 0, 1, 2; all others are
 *                     closed
 *   name              shown by ps (15 bytes at most)
 *
 * The child dies with its parent (PR_SET_PDEATHSIG) and starts with default signal handling.
 */
MUST_USE bool spawn_role(const char *name, int (*serve)(void *self), void *self,
                         const int *keep, size_t keep_count, struct process *ret_process,
                         struct fault *fault);

struct spawn_program {
    const char *const
        *argv; /* NULL-terminated; argv[0] is looked up in PATH of `environment` */
    const char *const *environment; /* NULL-terminated; the whole of it */
    const char *folder;             /* working directory, or NULL */
    int in, out, err;               /* -1: /dev/null */
    const int *keep;                /* further descriptors that stay open, at their numbers */
    size_t keep_count;
    bool patient;   /* others that want the processor come first */
    bool own_group; /* leads a process group of its own: kill(-pid) reaches all of it */
};

MUST_USE bool spawn_program(const struct spawn_program *program, struct process *ret_process,
                            struct fault *fault);
/*
 * Runs a program to its end: `input` goes in, its output is returned up to ret_output's limit.
 * `program->in` and `->out` are ignored. Standard error is collected into `fault` on failure.
 * ret_status is the exit code, or 128 + signal.
 */
MUST_USE bool spawn_run(const struct spawn_program *program, struct slice input,
                        struct buf *ret_output, int *ret_status, struct fault *fault);
/* Waits; exit code, or 128 + signal. Closes the pidfd. timeout_ms -1: for ever; else
 * FAULT_LIMIT. */
MUST_USE bool process_wait(struct process *process, int timeout_ms, int *ret_status,
                           struct fault *fault);
/* SIGKILL and wait; a process that is gone is fine. */
void process_kill(struct process *process);
/*
 * As many descriptors as this process may have. The kernel compares with the same limit how
 * many are on their way in sockets of the user, whoever sent them: what a cell has sent must
 * not keep us from sending.
 */
void spawn_raise_descriptors(void);
/* Closes every descriptor above 2 that is not in `keep`. */
void spawn_close_others(const int *keep, size_t keep_count);

#endif
