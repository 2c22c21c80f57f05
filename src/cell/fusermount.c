#include "cell/fusermount.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/scope.h"
#include "cell/place.h"
#include "os/file.h"
#include "os/spawn.h"

#define SAID_BYTES_MAX 120
#define MOUNT_MS_MAX 20000
/* Not allow_other: nobody else's processes have any business there, root's neither. */
#define OPTIONS "default_permissions,nosuid,nodev,fsname=custody,subtype=custody"

static bool missing(struct fault *fault)
{
    return fault_set(fault, FAULT_HOST,
                     "fusermount3 is not there (sudo apt-get install fuse3)");
}

/* One byte, and the descriptor: libfuse's receive_fd. -1: it closed without. */
static int receive_fd(int socket)
{
    union {
        struct cmsghdr header;
        uint8_t room[CMSG_SPACE(sizeof(int))];
    } control;
    char byte;
    struct iovec vector = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {.msg_iov = &vector,
                             .msg_iovlen = 1,
                             .msg_control = control.room,
                             .msg_controllen = sizeof(control.room)};
    const struct cmsghdr *header;
    ssize_t got;
    int fd = -1;

    do
        got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    header = got <= 0 ? NULL : CMSG_FIRSTHDR(&message);
    if (header != NULL && header->cmsg_type == SCM_RIGHTS &&
        header->cmsg_len == CMSG_LEN(sizeof(int)))
        memcpy(&fd, CMSG_DATA(header), sizeof(fd));
    return fd;
}

/* Its first line, for people. */
static void read_said(int fd, char said[SAID_BYTES_MAX])
{
    ssize_t got = read(fd, said, SAID_BYTES_MAX - 1);

    said[got < 0 ? 0 : got] = '\0';
    said[strcspn(said, "\n")] = '\0';
}

static bool run_mount(const char *program, const char *folder, int ends[2], int said,
                      struct process *ret_process, struct fault *fault)
{
    AUTO_FREE char *number = xformat("_FUSE_COMMFD=%d", ends[1]);
    const char *const argv[] = {program, "-o", OPTIONS, "--", folder, NULL};
    const char *const environment[] = {"PATH=/usr/bin:/bin", number, NULL};
    const struct spawn_program start = {.argv = argv,
                                        .environment = environment,
                                        .in = -1,
                                        .out = -1,
                                        .err = said,
                                        .keep = &ends[1],
                                        .keep_count = 1};
    return spawn_program(&start, ret_process, fault);
}

bool fusermount_mount(const char *folder, int *ret_fuse, struct fault *fault)
{
    const char *program = cell_fusermount();
    struct process process = {.pid = -1, .pidfd = -1};
    char said[SAID_BYTES_MAX] = "";
    int ends[2], said_ends[2], status = 1;
    AUTO_CLOSE int fuse = -1;
    bool ok;

    if (program == NULL)
        return missing(fault);
    if (pipe2(said_ends, O_CLOEXEC) < 0)
        return fault_errno(fault, "make a pipe for fusermount3");
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) {
        (void)close(said_ends[0]);
        (void)close(said_ends[1]);
        return fault_errno(fault, "make a socket for fusermount3");
    }
    ok = run_mount(program, folder, ends, said_ends[1], &process, fault);
    (void)close(said_ends[1]);
    (void)close(ends[1]);
    if (ok) {
        fuse = receive_fd(ends[0]);
        read_said(said_ends[0], said);
        ok = process_wait(&process, MOUNT_MS_MAX, &status, fault);
    }
    (void)close(said_ends[0]);
    (void)close(ends[0]);
    if (!ok)
        return fault_in(fault, "mount the view");
    if (fuse < 0 || status != 0)
        return fault_set(fault, FAULT_HOST, "mount the view: %s",
                         said[0] == '\0' ? "fusermount3 gave no connection" : said);
    *ret_fuse = take_fd(&fuse);
    return true;
}

/* Also of a mount whose server is gone. */
static bool is_mounted(const char *folder)
{
    struct statfs statfs_of;

    if (statfs(folder, &statfs_of) < 0)
        return errno == ENOTCONN || errno == EACCES || errno == EIO;
    return statfs_of.f_type == FUSE_SUPER_MAGIC;
}

bool fusermount_unmount(const char *folder, struct fault *fault)
{
    const char *program = cell_fusermount();
    const char *const argv[] = {program, "-u", "-z", "-q", "--", folder, NULL};
    const char *const environment[] = {"PATH=/usr/bin:/bin", NULL};
    const struct spawn_program start = {
        .argv = argv, .environment = environment, .in = -1, .out = -1, .err = -1};
    struct process process;
    int status = 1;

    if (!is_mounted(folder))
        return true;
    if (program == NULL)
        return missing(fault);
    if (!spawn_program(&start, &process, fault) ||
        !process_wait(&process, MOUNT_MS_MAX, &status, fault))
        return fault_in(fault, "unmount %s", folder);
    return status == 0 || !is_mounted(folder) ||
           fault_set(fault, FAULT_IO,
                     "unmount %.120s: fusermount3 refuses (fusermount3 -u -z does it by hand)",
                     folder);
}
