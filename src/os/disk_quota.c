/* The kernel's own quota of a user, where the file system keeps one. */
#include <sys/quota.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "os/disk.h"

#define BLOCK_BYTES 1024 /* of dqb_bhardlimit, on every file system */

#ifndef SYS_quotactl_fd
#define SYS_quotactl_fd 443
#endif

bool disk_quota_set(int fd, uid_t uid, uint64_t bytes)
{
    struct dqblk quota = {.dqb_bhardlimit = bytes / BLOCK_BYTES, .dqb_valid = QIF_BLIMITS};

    return syscall(SYS_quotactl_fd, fd, QCMD(Q_SETQUOTA, USRQUOTA), uid, &quota) == 0;
}
