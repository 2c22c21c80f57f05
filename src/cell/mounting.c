#include "cell/mounting.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/scope.h"

/* linux/mount.h and sys/mount.h cannot both be included with this libc; the calls go by
 * number. */

static bool set_flags(int tree, uint64_t flags, bool all_below, struct fault *fault)
{
    struct mount_attr attributes = {.attr_set = flags};
    unsigned at = AT_EMPTY_PATH | (all_below ? AT_RECURSIVE : 0);

    if (syscall(SYS_mount_setattr, tree, "", at, &attributes, sizeof(attributes)) < 0)
        return fault_errno(fault, "set the flags of a mount");
    return true;
}

static uint64_t flags_of(unsigned flags)
{
    return MOUNT_ATTR_NOSUID | ((flags & MOUNTING_WRITABLE) != 0 ? 0 : MOUNT_ATTR_RDONLY) |
           ((flags & MOUNTING_DEVICES) != 0 ? MOUNT_ATTR_NOEXEC : MOUNT_ATTR_NODEV);
}

bool mounting_copy(const char *path, unsigned flags, int *ret_tree, struct fault *fault)
{
    AUTO_CLOSE int tree = (int)syscall(SYS_open_tree, AT_FDCWD, path,
                                       OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);

    if (tree < 0)
        return fault_errno(fault, "copy the mount at %s", path);
    if (!set_flags(tree, flags_of(flags), true, fault))
        return fault_in(fault, "%s", path);
    *ret_tree = take_fd(&tree);
    return true;
}

bool mounting_copy_fd(int fd, unsigned flags, int *ret_tree, struct fault *fault)
{
    AUTO_FREE char *link = xformat("/proc/self/fd/%d", fd);
    AUTO_CLOSE int tree = -1;
    char path[4096];
    struct stat wanted, found;
    ssize_t len = readlink(link, path, sizeof(path) - 1);

    /* The descriptor is of core's mount namespace, and a mount is copied in its own only. */
    if (len < 0)
        return fault_errno(fault, "find the path of a folder");
    path[len] = '\0';
    if (!mounting_copy(path, flags, &tree, fault))
        return false;
    if (fstat(fd, &wanted) < 0 || fstat(tree, &found) < 0)
        return fault_errno(fault, "look at %s", path);
    if (wanted.st_dev != found.st_dev || wanted.st_ino != found.st_ino)
        return fault_set(fault, FAULT_CONFLICT, "%.300s is another folder by now", path);
    *ret_tree = take_fd(&tree);
    return true;
}

bool mounting_attach(int tree, int target, struct fault *fault)
{
    if (syscall(SYS_move_mount, tree, "", target, "",
                MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
        return fault_errno(fault, "attach a mount");
    return true;
}

static bool make_part(int folder, const char *name, bool file, struct fault *fault)
{
    AUTO_CLOSE int made = -1;

    if (!file && mkdirat(folder, name, 0755) == 0)
        return true;
    if (file)
        made =
            openat(folder, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (made >= 0 || errno == EEXIST)
        return true;
    return fault_errno(fault, "make %s", name);
}

bool mounting_place(int root, const char *path, bool file, int *ret_fd, struct fault *fault)
{
    AUTO_CLOSE int at = fcntl(root, F_DUPFD_CLOEXEC, 3);
    struct slice rest = slice_of(path);
    struct slice part;

    if (at < 0)
        return fault_errno(fault, "duplicate a descriptor");
    while (slice_cut(&rest, '/', &part)) {
        AUTO_FREE char *name = slice_dup(part);
        bool leaf = file && rest.len == 0;
        int flags = O_PATH | O_CLOEXEC | O_NOFOLLOW | (leaf ? 0 : O_DIRECTORY);
        int next;

        if (part.len == 0) /* the slash in front */
            continue;
        next = openat(at, name, flags);
        if (next < 0 && errno == ENOENT) {
            if (!make_part(at, name, leaf, fault))
                return fault_in(fault, "%s", path);
            next = openat(at, name, flags);
        }
        if (next < 0)
            return fault_errno(fault, "open %s of %s", name, path);
        (void)close(at);
        at = next;
    }
    *ret_fd = take_fd(&at);
    return true;
}

bool mounting_seal(int fd, struct fault *fault)
{
    return set_flags(fd, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, false,
                     fault);
}
