/* Attempts on what the view holds back: unusual calls, other names, and names that change
 * meanwhile. */
#include "escape.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/fs.h>

#define RACE_ROUNDS 2000
#define FILL_FILES_MAX 100000
#define FILL_BYTES (1 << 20)
#define FILL_BYTES_MAX (64ULL << 30)

static char card_room[PATH_ROOM], other_room[PATH_ROOM], third_room[PATH_ROOM];

static int open_card(const struct target *target, int flags)
{
    return open(in_repository(target, target->card, card_room), flags);
}

/* Direct reads go past the page cache, not past the view. */
static int read_direct(const struct target *target)
{
    int fd;

    if (target->card == NULL)
        return NOT_TRIED;
    fd = open_card(target, O_RDONLY | O_DIRECT);
    return fd < 0 ? errno : look_into(target, fd);
}

static int splice_card(const struct target *target)
{
    int ends[2], fd;

    if (target->card == NULL)
        return NOT_TRIED;
    fd = open_card(target, O_RDONLY);
    if (fd < 0 || pipe(ends) < 0)
        return errno;
    if (splice(fd, NULL, ends[1], NULL, 4096, 0) < 0)
        return errno;
    (void)close(ends[1]);
    return look_into(target, ends[0]);
}

static int send_card(const struct target *target)
{
    int ends[2], fd;

    if (target->card == NULL)
        return NOT_TRIED;
    fd = open_card(target, O_RDONLY);
    if (fd < 0 || pipe(ends) < 0)
        return errno;
    if (sendfile(ends[1], fd, NULL, 4096) < 0)
        return errno;
    (void)close(ends[1]);
    return look_into(target, ends[0]);
}

static int copy_card(const struct target *target)
{
    int from, to;

    if (target->card == NULL)
        return NOT_TRIED;
    from = open_card(target, O_RDONLY);
    to = open("/tmp/escape-copy", O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (from < 0 || to < 0)
        return errno;
    if (copy_file_range(from, NULL, to, NULL, 4096, 0) < 0)
        return errno;
    (void)lseek(to, 0, SEEK_SET);
    return look_into(target, to);
}

static int clone_card(const struct target *target)
{
    int from, to, result;

    if (target->card == NULL)
        return NOT_TRIED;
    from = open_card(target, O_RDONLY);
    to = open(in_repository(target, "escape-clone", other_room), O_RDWR | O_CREAT | O_TRUNC,
              0600);
    if (from < 0 || to < 0)
        return errno;
    result = ioctl(to, FICLONE, from) < 0 ? errno : look_into(target, to);
    (void)unlink(other_room);
    return result;
}

/* Removed, and still open: the node has no name to judge by. */
static int read_removed(const struct target *target)
{
    char kept[4096];
    ssize_t len;
    int fd, again, result;

    if (target->card == NULL)
        return NOT_TRIED;
    fd = open_card(target, O_RDONLY);
    if (fd < 0 || (len = read(fd, kept, sizeof(kept))) < 0)
        return errno;
    if (unlink(card_room) < 0)
        return errno;
    (void)lseek(fd, 0, SEEK_SET);
    result = look_into(target, fd);
    again = open(card_room, O_WRONLY | O_CREAT | O_EXCL, 0644);
    if (again < 0 || write(again, kept, (size_t)len) != len)
        return errno;
    (void)close(again);
    return result;
}

static pid_t race(const char *one, const char *other)
{
    pid_t pid = fork();

    if (pid != 0)
        return pid;
    for (;;)
        (void)renameat2(AT_FDCWD, one, AT_FDCWD, other, RENAME_EXCHANGE);
}

static void stop(pid_t pid)
{
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
}

/* The card's name and a harmless one change places while both are read. */
static int race_card(const struct target *target)
{
    int result = HELD, fd;
    pid_t racer;

    if (target->card == NULL)
        return NOT_TRIED;
    (void)in_repository(target, target->card, card_room);
    fd = open(in_repository(target, "escape-racer", other_room), O_WRONLY | O_CREAT, 0644);
    if (fd < 0 || write(fd, "harmless\n", 9) != 9)
        return errno;
    (void)close(fd);
    racer = race(card_room, other_room);
    for (int i = 0; i < RACE_ROUNDS && result == HELD; i++) {
        fd = open(i % 2 == 0 ? card_room : other_room, O_RDONLY);
        if (fd >= 0)
            result = look_into(target, fd);
    }
    stop(racer);
    fd = open(card_room, O_RDONLY);
    if (fd >= 0 && read(fd, third_room, 9) == 9 && memcmp(third_room, "harmless\n", 9) == 0)
        (void)renameat2(AT_FDCWD, card_room, AT_FDCWD, other_room, RENAME_EXCHANGE);
    (void)unlink(other_room);
    return result;
}

/* A folder of ours and a link to the forbidden one change places while a file is made below.
 */
static int race_forbidden(const struct target *target)
{
    char *slash;
    struct stat stat;
    pid_t racer;

    if (target->forbidden == NULL || strchr(target->forbidden, '/') == NULL)
        return NOT_TRIED;
    (void)in_repository(target, target->forbidden, card_room);
    slash = strrchr(card_room, '/');
    *slash = '\0';
    (void)mkdir(card_room, 0755);
    (void)mkdir(in_repository(target, "escape-folder", other_room), 0755);
    if (symlink(card_room, in_repository(target, "escape-way", third_room)) < 0)
        return errno;
    *slash = '/';
    racer = race(other_room, third_room);
    for (int i = 0; i < RACE_ROUNDS; i++) {
        char path[PATH_ROOM + 100];
        int fd;

        (void)snprintf(path, sizeof(path), "%s%s", third_room,
                       strrchr(target->forbidden, '/'));
        fd = open(path, O_WRONLY | O_CREAT, 0644);
        if (fd >= 0)
            (void)close(fd);
    }
    stop(racer);
    return lstat(card_room, &stat) == 0 ? GOT_THROUGH : HELD;
}

/* The folder is made elsewhere, then given the forbidden name. */
static int move_folder_onto_forbidden(const struct target *target)
{
    char path[PATH_ROOM + 100];
    int fd;

    if (target->forbidden == NULL || strchr(target->forbidden, '/') == NULL)
        return NOT_TRIED;
    if (mkdir(in_repository(target, "escape-moving", other_room), 0755) < 0)
        return errno;
    (void)snprintf(path, sizeof(path), "%s%s", other_room, strrchr(target->forbidden, '/'));
    fd = open(path, O_WRONLY | O_CREAT, 0644);
    if (fd < 0)
        return errno;
    (void)close(fd);
    (void)in_repository(target, target->forbidden, card_room);
    *strrchr(card_room, '/') = '\0';
    (void)rmdir(card_room);
    return errno_of(rename(other_room, card_room));
}

static int nameless_onto_forbidden(const struct target *target)
{
    char path[64];
    int fd;

    if (target->forbidden == NULL || strchr(target->forbidden, '/') == NULL)
        return NOT_TRIED;
    (void)in_repository(target, target->forbidden, card_room);
    *strrchr(card_room, '/') = '\0';
    (void)mkdir(card_room, 0755);
    fd = open(target->repository, O_WRONLY | O_TMPFILE, 0644);
    if (fd < 0)
        return errno;
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return errno_of(linkat(AT_FDCWD, path, AT_FDCWD,
                           in_repository(target, target->forbidden, card_room),
                           AT_SYMLINK_FOLLOW));
}

/* Its folder moves, so no rule about its path names it any more. */
static int denied_by_folder(const struct target *target)
{
    char path[PATH_ROOM + 100];
    int result;

    if (target->denied == NULL || strchr(target->denied, '/') == NULL)
        return NOT_TRIED;
    (void)in_repository(target, target->denied, card_room);
    *strrchr(card_room, '/') = '\0';
    if (rename(card_room, in_repository(target, "escape-vault", other_room)) < 0)
        return errno;
    (void)snprintf(path, sizeof(path), "%s%s", other_room, strrchr(target->denied, '/'));
    result = errno_of_fd(open(path, O_RDONLY));
    (void)rename(other_room, card_room);
    return result;
}

static int denied_from_git(const struct target *target)
{
    char object[PATH_ROOM];
    int status = 1;
    pid_t pid;

    if (target->denied == NULL || access("/usr/bin/git", X_OK) < 0)
        return NOT_TRIED;
    (void)snprintf(object, sizeof(object), "HEAD:%s", target->denied);
    pid = fork();
    if (pid == 0) {
        (void)close(2);
        (void)execl("/usr/bin/git", "git", "-C", target->repository, "cat-file", "-e", object,
                    (char *)NULL);
        _exit(127);
    }
    if (waitpid(pid, &status, 0) < 0)
        return errno;
    return status == 0 ? GOT_THROUGH : HELD;
}

/* A set-user-id bit on a file of the repository must mean nothing: neither here nor to a
 * person. */
static int setuid_in_view(const struct target *target)
{
    struct stat stat;
    int fd;

    if (target->card == NULL)
        return NOT_TRIED;
    fd = open(in_repository(target, "escape-setuid", other_room), O_WRONLY | O_CREAT, 0755);
    if (fd < 0)
        return errno;
    if (fchmod(fd, 06755) < 0)
        return errno;
    if (fstat(fd, &stat) < 0)
        return errno;
    (void)close(fd);
    (void)unlink(other_room);
    return (stat.st_mode & 06000) == 0 ? HELD : GOT_THROUGH;
}

static int device_in_view(const struct target *target)
{
    return errno_of(mknod(in_repository(target, "escape-device", other_room), S_IFBLK | 0600,
                          (dev_t)(254 << 8)));
}

static int second_git(const struct target *target)
{
    if (target->card == NULL)
        return NOT_TRIED;
    return errno_of(mkdir(in_repository(target, "src/.GIT", other_room), 0755));
}

static int own_by_root(const struct target *target)
{
    int fd;

    if (target->card == NULL)
        return NOT_TRIED;
    fd = open(in_repository(target, "escape-owned", other_room), O_WRONLY | O_CREAT, 0644);
    if (fd < 0)
        return errno;
    (void)unlink(other_room);
    return errno_of(fchown(fd, 0, 0));
}

/* Holes are filled: the view's disk is bounded whatever the size of each file. */
static int fill_view(const struct target *target)
{
    static char bytes[FILL_BYTES];
    unsigned long long done = 0;
    int result = GOT_THROUGH;

    if (target->card == NULL)
        return NOT_TRIED;
    for (int number = 0;
         number < FILL_FILES_MAX && result == GOT_THROUGH && done < FILL_BYTES_MAX; number++) {
        char name[40];
        int fd;

        (void)snprintf(name, sizeof(name), "escape-fill-%d", number);
        fd = open(in_repository(target, name, other_room), O_WRONLY | O_CREAT, 0644);
        for (int i = 0; fd >= 0 && i < 8; i++, done += sizeof(bytes))
            if (write(fd, bytes, sizeof(bytes)) < 0 || fsync(fd) < 0) {
                result = errno;
                break;
            }
        (void)unlink(fd < 0 ? "" : other_room);
        if (fd < 0)
            result = errno;
    }
    return result;
}

const struct attempt attempts_by_race[] = {
    {"card-direct", "reads past the page cache", read_direct, {HELD, EINVAL}, BY_READ},
    {"card-splice", "splices the file into a pipe", splice_card, {HELD, EINVAL}, BY_READ},
    {"card-sendfile", "sends the file into a pipe", send_card, {HELD, EINVAL}, BY_READ},
    {"card-copy-range",
     "copies its bytes in the kernel",
     copy_card,
     {HELD, EXDEV, EOPNOTSUPP},
     BY_READ},
    {"card-clone",
     "clones its extents",
     clone_card,
     {ENOTTY, EOPNOTSUPP, ENOSYS, EXDEV},
     BY_READ},
    {"card-removed", "reads it after it was removed", read_removed, {HELD}, BY_WRITE},
    {"card-race",
     "reads it while its name changes places with another",
     race_card,
     {HELD},
     BY_WRITE},
    {"denied-folder",
     "moves its folder and opens it there",
     denied_by_folder,
     {ENOENT, EACCES, EPERM},
     SILENT},
    {"denied-git", "asks git for it", denied_from_git, {HELD}, SILENT},
    {"forbidden-folder",
     "moves a folder that has such a file onto its place",
     move_folder_onto_forbidden,
     {EACCES, EPERM},
     BY_REFUSAL},
    {"forbidden-nameless",
     "gives a nameless file its name",
     nameless_onto_forbidden,
     {EOPNOTSUPP, EACCES, EPERM},
     BY_REFUSAL},
    {"forbidden-race",
     "writes it through a link that changes places with a folder",
     race_forbidden,
     {HELD},
     BY_REFUSAL},
    {"view-setuid",
     "makes a set-user-id program in the repository",
     setuid_in_view,
     {HELD, EPERM},
     SILENT},
    {"view-device", "makes a disk node in the repository", device_in_view, {EPERM}, SILENT},
    {"view-second-git",
     "makes a second .git, in other letters",
     second_git,
     {EACCES, EPERM},
     BY_REFUSAL},
    {"view-owner", "gives a file to root", own_by_root, {EPERM, EINVAL}, SILENT},
    {"fill-view", "fills the repository", fill_view, {ENOSPC, EFBIG, EDQUOT}, SILENT},
};
const size_t attempts_by_race_count = COUNT(attempts_by_race);
