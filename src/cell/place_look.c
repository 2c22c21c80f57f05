/* What this host gives, found by trying it. */
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/scope.h"
#include "cell/place.h"
#include "os/isolate.h"
#include "os/setting.h"

static const char *const fusermounts[] = {"/usr/bin/fusermount3", "/bin/fusermount3"};

/*
 * A namespace that may not mount is of no use: AppArmor gives such ones to ordinary users. The
 * child is a clone with the namespaces, so that nothing of ours changes.
 */
static int try_namespaces(bool root)
{
    unsigned long flags = CLONE_NEWNS | SIGCHLD;
    int status = 0;
    long pid;

    if (!root)
        flags |= CLONE_NEWUSER;
    pid = syscall(SYS_clone, flags, NULL, NULL, NULL, NULL);
    if (pid < 0)
        return errno;
    if (pid == 0)
        _exit(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ? errno & 0xff : 0);
    while (waitpid((pid_t)pid, &status, 0) < 0)
        if (errno != EINTR)
            return errno;
    return WIFEXITED(status) ? WEXITSTATUS(status) : ECHILD;
}

/* Opening makes no connection yet. */
static int try_fuse(void)
{
    AUTO_CLOSE int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);

    return fd < 0 ? errno : 0;
}

static int find_fusermount(bool root)
{
    const char *path = cell_fusermount();
    struct stat stat_of;

    if (path == NULL)
        return ENOENT;
    if (stat(path, &stat_of) < 0)
        return errno;
    if (root)
        return 0;
    if (stat_of.st_uid != 0 || (stat_of.st_mode & S_ISUID) == 0)
        return EPERM;
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
        return EACCES;
    return getpwuid(getuid()) == NULL ? ESRCH : 0;
}

const char *cell_fusermount(void)
{
    for (size_t i = 0; i < COUNT(fusermounts); i++)
        if (access(fusermounts[i], X_OK) == 0)
            return fusermounts[i];
    return NULL;
}

void cell_host_look(struct cell_host *ret_host)
{
    unsigned action = SECCOMP_RET_USER_NOTIF;
    int64_t scope = setting_read("/proc/sys/kernel/yama/ptrace_scope");
    bool root = geteuid() == 0;

    *ret_host = (struct cell_host){
        .root = root,
        .namespaces = try_namespaces(root),
        .fuse = try_fuse(),
        .fusermount = find_fusermount(root),
        .landlock_abi = isolate_landlock_abi(),
        .notification =
            syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) < 0 ? errno : 0,
        .ptrace_scope = scope < 0 ? 0 : (int)scope,
    };
}
