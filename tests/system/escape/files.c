/* Attempts on the host's files and on the cell's own mounts. */
#include "escape.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_mount_setattr
#define SYS_mount_setattr 442
#endif

#define OPENS(function, path, flags)                                                          \
    static int function(const struct target *target)                                          \
    {                                                                                         \
        (void)target;                                                                         \
        return errno_of_fd(open(path, flags, 0644));                                          \
    }

OPENS(open_shadow, "/etc/shadow", O_RDONLY)
OPENS(open_root_home, "/root", O_PATH)
OPENS(open_sys, "/sys", O_PATH)
OPENS(open_docker, "/var/run/docker.sock", O_PATH)
OPENS(open_state, "/var/lib/custody", O_PATH)
OPENS(open_gitconfig, "/etc/gitconfig", O_RDONLY)
OPENS(open_resolver, "/etc/resolv.conf", O_RDONLY)
OPENS(open_init_root, "/proc/1/root/etc/passwd", O_RDONLY)
OPENS(open_init_cwd, "/proc/1/cwd", O_PATH)
OPENS(open_init_memory, "/proc/1/mem", O_RDWR)
OPENS(open_init_environ, "/proc/1/environ", O_RDONLY)
OPENS(open_init_fd, "/proc/1/fd", O_PATH)
OPENS(open_fuse, "/dev/fuse", O_RDWR)
OPENS(open_mem, "/dev/mem", O_RDONLY)
OPENS(open_kmsg, "/dev/kmsg", O_RDONLY)
OPENS(open_disk, "/dev/vda", O_RDONLY)
OPENS(write_usr, "/usr/bin/escape", O_WRONLY | O_CREAT)
OPENS(write_etc, "/etc/passwd", O_WRONLY)
OPENS(write_preload, "/etc/ld.so.preload", O_WRONLY | O_CREAT)
OPENS(write_root, "/escape", O_WRONLY | O_CREAT)
OPENS(write_core_pattern, "/proc/sys/kernel/core_pattern", O_WRONLY)
OPENS(write_modprobe, "/proc/sys/kernel/modprobe", O_WRONLY)
OPENS(write_sysrq, "/proc/sysrq-trigger", O_WRONLY)
OPENS(write_binfmt, "/proc/sys/fs/binfmt_misc/register", O_WRONLY)
OPENS(write_oom, "/proc/1/oom_score_adj", O_WRONLY)

static int write_uid_map(const struct target *target)
{
    int fd = open("/proc/self/uid_map", O_WRONLY);

    (void)target;
    if (fd < 0)
        return errno;
    return errno_of(write(fd, "0 1000 1\n", 9));
}

/* A hundred times up from the root is still the root. */
static int climb(const struct target *target)
{
    struct stat here, above;

    (void)target;
    if (chdir("/") < 0 || stat(".", &here) < 0)
        return errno;
    for (int i = 0; i < 100; i++)
        if (chdir("..") < 0)
            return errno;
    if (stat(".", &above) < 0)
        return errno;
    if (here.st_dev != above.st_dev || here.st_ino != above.st_ino)
        return GOT_THROUGH;
    return errno_of_fd(open("root/.bashrc", O_RDONLY));
}

static int climb_by_chroot(const struct target *target)
{
    (void)target;
    return errno_of(chroot("/tmp"));
}

static int inherit(const struct target *target)
{
    struct rlimit limit;

    (void)target;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return GOT_THROUGH;
    for (int fd = 3; fd < (int)limit.rlim_cur; fd++)
        if (fcntl(fd, F_GETFD) >= 0)
            return GOT_THROUGH;
    return HELD;
}

static int stream_is_file(const struct target *target)
{
    (void)target;
    for (int fd = 0; fd < 3; fd++) {
        struct stat stat;

        if (fstat(fd, &stat) == 0 && (S_ISDIR(stat.st_mode) || S_ISREG(stat.st_mode)))
            return GOT_THROUGH;
    }
    return HELD;
}

/* A masked file opens, and is empty. */
static int holds_nothing(const char *path)
{
    char byte;
    int fd = open(path, O_RDONLY);
    ssize_t got;

    if (fd < 0)
        return errno;
    got = read(fd, &byte, 1);
    (void)close(fd);
    return got == 0 ? HELD : got < 0 ? errno : GOT_THROUGH;
}

static int read_kcore(const struct target *target)
{
    (void)target;
    return holds_nothing("/proc/kcore");
}

static int read_kallsyms(const struct target *target)
{
    (void)target;
    return holds_nothing("/proc/kallsyms");
}

static int read_keys(const struct target *target)
{
    (void)target;
    return holds_nothing("/proc/keys");
}

static int make_device(const struct target *target)
{
    (void)target;
    return errno_of(mknod("/tmp/escape-disk", S_IFBLK | 0600, (dev_t)(254 << 8)));
}

static int by_handle(const struct target *target)
{
    struct {
        unsigned bytes;
        int type;
        unsigned char handle[8];
    } handle = {.bytes = 8, .type = 1, .handle = {2}};

    (void)target;
    return errno_of_fd(syscall(SYS_open_by_handle_at, AT_FDCWD, &handle, O_RDONLY));
}

static int mount_new(const struct target *target)
{
    (void)target;
    return errno_of(mount("escape", "/tmp", "tmpfs", 0, NULL));
}

static int mount_proc(const struct target *target)
{
    (void)target;
    return errno_of(mount("proc", "/tmp", "proc", 0, NULL));
}

static int remount_usr(const struct target *target)
{
    (void)target;
    return errno_of(mount(NULL, "/usr", NULL, MS_REMOUNT | MS_BIND, NULL));
}

static int bind_root(const struct target *target)
{
    (void)target;
    return errno_of(mount("/", "/tmp", NULL, MS_BIND | MS_REC, NULL));
}

static int unmount_mask(const struct target *target)
{
    (void)target;
    return errno_of(umount2("/proc/kcore", MNT_DETACH));
}

static int unmount_repository(const struct target *target)
{
    return errno_of(umount2(target->repository, MNT_DETACH));
}

static int new_mount_api(const struct target *target)
{
    (void)target;
    return errno_of_fd(syscall(SYS_fsopen, "tmpfs", 0));
}

static int copy_tree(const struct target *target)
{
    (void)target;
    return errno_of_fd(syscall(SYS_open_tree, AT_FDCWD, "/usr", 1 /* OPEN_TREE_CLONE */));
}

static int attach_tree(const struct target *target)
{
    (void)target;
    return errno_of(syscall(SYS_move_mount, AT_FDCWD, "/usr", AT_FDCWD, "/tmp", 0));
}

static int change_flags(const struct target *target)
{
    unsigned long long attributes[4] = {0, 1 /* clear RDONLY */, 0, 0};

    (void)target;
    return errno_of(
        syscall(SYS_mount_setattr, AT_FDCWD, "/usr", 0, attributes, sizeof(attributes)));
}

static int pivot(const struct target *target)
{
    (void)target;
    return errno_of(syscall(SYS_pivot_root, "/tmp", "/tmp"));
}

static int own_setuid(const struct target *target)
{
    struct stat stat;

    (void)target;
    /* A set-user-id program of the toolchain: nosuid and no_new_privs leave it an ordinary
     * one. */
    if (lstat("/usr/bin/su", &stat) < 0)
        return NOT_TRIED;
    return setuid(0) == 0 || geteuid() == 0 ? GOT_THROUGH : errno;
}

const struct attempt attempts_on_files[] = {
    {"host-shadow", "opens /etc/shadow", open_shadow, {ENOENT}, SILENT},
    {"host-root-home", "opens /root", open_root_home, {ENOENT}, SILENT},
    {"host-sys", "opens /sys", open_sys, {ENOENT}, SILENT},
    {"host-docker", "opens the Docker socket", open_docker, {ENOENT}, SILENT},
    {"host-ledger", "opens custody's state", open_state, {ENOENT}, SILENT},
    {"host-gitconfig",
     "opens the system's git configuration",
     open_gitconfig,
     {ENOENT},
     SILENT},
    {"host-resolver", "opens resolv.conf", open_resolver, {ENOENT}, SILENT},
    {"climb", "leaves the root by ..", climb, {ENOENT}, SILENT},
    {"climb-chroot", "leaves the root by chroot", climb_by_chroot, {EPERM}, SILENT},
    {"init-root", "/proc/1/root", open_init_root, {ENOENT, EACCES}, SILENT},
    {"init-cwd", "/proc/1/cwd", open_init_cwd, {ENOENT, EACCES}, SILENT},
    {"init-memory", "/proc/1/mem", open_init_memory, {ENOENT, EACCES}, SILENT},
    {"init-environ", "/proc/1/environ", open_init_environ, {ENOENT, EACCES}, SILENT},
    {"init-descriptors", "/proc/1/fd", open_init_fd, {ENOENT, EACCES}, SILENT},
    {"inherited-descriptor", "uses a descriptor above 2", inherit, {HELD}, SILENT},
    {"stream-reopen",
     "standard streams that are files or folders",
     stream_is_file,
     {HELD},
     SILENT},
    {"device-fuse", "/dev/fuse", open_fuse, {ENOENT}, SILENT},
    {"device-memory", "/dev/mem", open_mem, {ENOENT}, SILENT},
    {"device-kmsg", "/dev/kmsg", open_kmsg, {ENOENT}, SILENT},
    {"device-disk", "/dev/vda", open_disk, {ENOENT}, SILENT},
    {"device-make", "makes a disk node", make_device, {EPERM}, SILENT},
    {"write-usr", "writes into /usr", write_usr, {EROFS, EACCES}, SILENT},
    {"write-passwd", "writes /etc/passwd", write_etc, {EROFS, EACCES}, SILENT},
    {"write-preload", "creates /etc/ld.so.preload", write_preload, {EROFS, EACCES}, SILENT},
    {"write-root", "creates a file in /", write_root, {EROFS, EACCES}, SILENT},
    {"write-core-pattern",
     "/proc/sys/kernel/core_pattern",
     write_core_pattern,
     {EROFS, EACCES},
     SILENT},
    {"write-modprobe",
     "/proc/sys/kernel/modprobe",
     write_modprobe,
     {EROFS, EACCES, ENOENT},
     SILENT},
    {"write-sysrq", "/proc/sysrq-trigger", write_sysrq, {EROFS, EACCES, ENOENT}, SILENT},
    {"write-binfmt",
     "registers a binary format",
     write_binfmt,
     {EROFS, EACCES, ENOENT},
     SILENT},
    {"write-oom", "lowers the score of pid 1", write_oom, {EACCES, EPERM, ENOENT}, SILENT},
    {"write-uid-map", "maps itself other ids", write_uid_map, {EPERM, EACCES}, SILENT},
    {"read-kcore", "the kernel's memory", read_kcore, {HELD, EACCES, EPERM, ENOENT}, SILENT},
    {"read-kallsyms",
     "the kernel's addresses",
     read_kallsyms,
     {HELD, EACCES, EPERM, ENOENT},
     SILENT},
    {"read-keys", "keyrings", read_keys, {HELD, EACCES, EPERM, ENOENT}, SILENT},
    {"file-handle", "open_by_handle_at", by_handle, {EPERM}, SILENT},
    {"mount", "mount", mount_new, {EPERM}, SILENT},
    {"mount-proc", "a /proc without masks", mount_proc, {EPERM}, SILENT},
    {"remount", "makes /usr writable", remount_usr, {EPERM}, SILENT},
    {"bind", "binds / without what covers it", bind_root, {EPERM}, SILENT},
    {"unmount-mask", "takes a mask off /proc", unmount_mask, {EPERM}, SILENT},
    {"unmount-view", "takes the view off", unmount_repository, {EPERM}, SILENT},
    {"fsopen", "the new mount calls: fsopen", new_mount_api, {EPERM}, SILENT},
    {"open-tree", "open_tree", copy_tree, {EPERM}, SILENT},
    {"move-mount", "move_mount", attach_tree, {EPERM}, SILENT},
    {"mount-setattr", "mount_setattr", change_flags, {EPERM}, SILENT},
    {"pivot-root", "pivot_root", pivot, {EPERM}, SILENT},
    {"become-root", "setuid(0)", own_setuid, {EPERM, EINVAL}, SILENT},
};
const size_t attempts_on_files_count = COUNT(attempts_on_files);
