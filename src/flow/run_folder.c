#include "flow/run_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/scope.h"
#include "os/clock_real.h"
#include "os/file.h"

#define LOCK "lock"
#define HIDDEN ".r-"      /* and the rest of the run's name, which begins with r- */
#define YOUNG_US 60000000 /* nobody takes longer between mkdir and the lock */

static int open_lock(int runs, const char *name)
{
    AUTO_FREE char *path = xformat("%s/" LOCK, name);

    return openat(runs, path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
}

bool run_folder_make(int runs, const char *run, int *ret_folder, int *ret_lock,
                     struct fault *fault)
{
    AUTO_FREE char *hidden = xformat(".%s", run);
    AUTO_CLOSE int folder = -1, lock = -1;

    /* As root the run's other users go through it; a user's run has none. */
    if (!file_open_folder(runs, hidden, geteuid() == 0 ? 0711 : 0700, &folder, fault))
        return false;
    lock = openat(folder, LOCK, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock < 0 || flock(lock, LOCK_EX | LOCK_NB) < 0)
        return fault_errno(fault, "lock the run's folder");
    if (renameat(runs, hidden, runs, run) < 0)
        return fault_errno(fault, "make the run's folder");
    *ret_folder = take_fd(&folder);
    *ret_lock = take_fd(&lock);
    return true;
}

bool run_folder_remove(int runs, const char *run, struct fault *fault)
{
    AUTO_FREE char *hidden = xformat(".%s", run);

    if (renameat(runs, run, runs, hidden) < 0)
        return errno == ENOENT || fault_errno(fault, "remove the folder of run %s", run);
    return file_remove_tree(runs, hidden, fault);
}

bool run_folder_is_alive(int runs, const char *run)
{
    AUTO_CLOSE int lock = open_lock(runs, run);

    return lock >= 0 && flock(lock, LOCK_EX | LOCK_NB) < 0;
}

int run_folder_take_dead(int runs, const char *run)
{
    AUTO_CLOSE int lock = open_lock(runs, run);

    return lock >= 0 && flock(lock, LOCK_EX | LOCK_NB) == 0 ? take_fd(&lock) : -1;
}

bool run_folder_tidy(int runs, const char *name, struct fault *fault)
{
    AUTO_CLOSE int lock = -1;
    struct stat stat;

    if (strncmp(name, HIDDEN, strlen(HIDDEN)) != 0)
        return true;
    lock = open_lock(runs, name);
    if (lock >= 0 && flock(lock, LOCK_EX | LOCK_NB) < 0)
        return true; /* its maker, or remover, is at it */
    if (lock < 0 &&
        (fstatat(runs, name, &stat, AT_SYMLINK_NOFOLLOW) < 0 ||
         clock_now_us(&clock_real) - (int64_t)stat.st_mtim.tv_sec * 1000000 < YOUNG_US))
        return true;
    return file_remove_tree(runs, name, fault);
}
