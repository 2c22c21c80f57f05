#include "cell/sweep.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <sys/wait.h>
#include <time.h>

#include "os/isolate.h"

#define PAUSE_NS 1000000

/* Set before the first fork: every process of the cell's own machinery has it. */
static bool is_fenced;

bool sweep_begin(pid_t other, struct fault *fault)
{
    struct isolate_enforced enforced = {0};

    if (!isolate_scopes_before_files(ISOLATE_ABI_KERNEL, &enforced, fault))
        return false;
    errno = 0;
    if (enforced.scopes == 0 || kill(other, 0) == 0 || errno != EPERM)
        return fault_set(fault, FAULT_HOST,
                         "signals are not kept inside the cell (Landlock ABI %d; 6 is needed)",
                         enforced.abi);
    is_fenced = true;
    return true;
}

void sweep_all(void)
{
    assert(is_fenced); /* or it would be every process of the user */
    for (;;) {
        const struct timespec pause = {.tv_nsec = PAUSE_NS};
        pid_t pid;

        (void)kill(-1, SIGKILL);
        while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
            continue;
        if (pid < 0 && errno == ECHILD)
            return;
        (void)nanosleep(&pause, NULL);
    }
}
