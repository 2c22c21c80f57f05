/* Attempts on what the view holds back. They need what the caller planted. */
#include "escape.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char path_room[PATH_ROOM], other_room[PATH_ROOM];

const char *in_repository(const struct target *target, const char *path, char room[PATH_ROOM])
{
    (void)snprintf(room, PATH_ROOM, "%s/%s", target->repository, path);
    return room;
}

/* GOT_THROUGH when the real number stands in these bytes. */
static int look_for_number(const struct target *target, const char *at, size_t len)
{
    return memmem(at, len, target->number, strlen(target->number)) != NULL ? GOT_THROUGH
                                                                           : HELD;
}

int look_into(const struct target *target, int fd)
{
    static char bytes[FILE_BYTES_MAX];
    size_t len = 0;
    ssize_t got;

    while (len < sizeof(bytes) && (got = read(fd, bytes + len, sizeof(bytes) - len)) > 0)
        len += (size_t)got;
    (void)close(fd);
    return look_for_number(target, bytes, len);
}

static int read_card(const struct target *target)
{
    int fd;

    if (target->card == NULL)
        return NOT_TRIED;
    fd = open(in_repository(target, target->card, path_room), O_RDONLY);
    return fd < 0 ? GOT_THROUGH : look_into(target, fd); /* an absent card proves nothing */
}

static int map_card(const struct target *target)
{
    struct stat stat;
    char *at;
    int fd;

    if (target->card == NULL)
        return NOT_TRIED;
    fd = open(in_repository(target, target->card, path_room), O_RDONLY);
    if (fd < 0 || fstat(fd, &stat) < 0 || stat.st_size == 0)
        return GOT_THROUGH;
    at = mmap(NULL, (size_t)stat.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (at == MAP_FAILED)
        return errno;
    return look_for_number(target, at, (size_t)stat.st_size);
}

static int link_card(const struct target *target)
{
    int fd;

    if (target->card == NULL)
        return NOT_TRIED;
    if (link(in_repository(target, target->card, path_room),
             in_repository(target, "escape-link", other_room)) < 0)
        return errno;
    fd = open(other_room, O_RDONLY);
    return fd < 0 ? errno : look_into(target, fd);
}

static int rename_card(const struct target *target)
{
    int fd, result;

    if (target->card == NULL)
        return NOT_TRIED;
    if (rename(in_repository(target, target->card, path_room),
               in_repository(target, "escape-moved", other_room)) < 0)
        return errno;
    fd = open(other_room, O_RDONLY);
    result = fd < 0 ? errno : look_into(target, fd);
    (void)rename(other_room, path_room);
    return result;
}

int look_into_git(const struct target *target, const char *const *words)
{
    const char *argv[16] = {"git", "-C", target->repository};
    int ends[2];
    pid_t pid;

    for (size_t i = 0; words[i] != NULL && i < COUNT(argv) - 4; i++)
        argv[i + 3] = words[i];
    if (access("/usr/bin/git", X_OK) < 0)
        return NOT_TRIED;
    if (pipe(ends) < 0)
        return errno;
    pid = fork();
    if (pid == 0) {
        (void)dup2(ends[1], 1);
        (void)execv("/usr/bin/git", (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    (void)close(ends[1]);
    return look_into(target, ends[0]);
}

static int card_from_git(const struct target *target)
{
    char object[PATH_ROOM];

    if (target->card == NULL)
        return NOT_TRIED;
    (void)snprintf(object, sizeof(object), "HEAD:%s", target->card);
    return look_into_git(target, (const char *const[]){"cat-file", "-p", object, NULL});
}

/* Every object that is there, reachable or not, those of the shared cache among them. */
static int card_in_objects(const struct target *target)
{
    if (target->card == NULL)
        return NOT_TRIED;
    return look_into_git(target, (const char *const[]){"cat-file", "--batch-all-objects",
                                                       "--batch", "--unordered", NULL});
}

static const struct target *walk_target;
static int walk_result;

static int walk_file(const char *path, const struct stat *stat, int type, struct FTW *at)
{
    int fd;

    (void)stat;
    (void)at;
    if (type != FTW_F)
        return 0;
    fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    if (fd >= 0 && look_into(walk_target, fd) == GOT_THROUGH)
        walk_result = GOT_THROUGH;
    return walk_result == GOT_THROUGH;
}

static int card_anywhere(const struct target *target)
{
    if (target->card == NULL)
        return NOT_TRIED;
    walk_target = target;
    walk_result = HELD;
    (void)nftw(target->repository, walk_file, 32, FTW_PHYS);
    return walk_result;
}

static int open_denied(const struct target *target)
{
    if (target->denied == NULL)
        return NOT_TRIED;
    return errno_of_fd(open(in_repository(target, target->denied, path_room), O_RDONLY));
}

static int open_denied_raw(const struct target *target)
{
    struct open_how how = {.flags = O_PATH};

    if (target->denied == NULL)
        return NOT_TRIED;
    return errno_of_fd(syscall(SYS_openat2, AT_FDCWD,
                               in_repository(target, target->denied, path_room), &how,
                               sizeof(how)));
}

static int stat_denied(const struct target *target)
{
    struct stat stat;

    if (target->denied == NULL)
        return NOT_TRIED;
    return errno_of(lstat(in_repository(target, target->denied, path_room), &stat));
}

static int denied_by_link(const struct target *target)
{
    if (target->denied == NULL)
        return NOT_TRIED;
    (void)unlink("/tmp/escape-symlink");
    if (symlink(in_repository(target, target->denied, path_room), "/tmp/escape-symlink") < 0)
        return errno;
    return errno_of_fd(open("/tmp/escape-symlink", O_RDONLY));
}

static int list_denied(const struct target *target)
{
    const struct dirent *entry;
    const char *name;
    DIR *folder;
    int found = 0;

    if (target->denied == NULL)
        return NOT_TRIED;
    (void)in_repository(target, target->denied, path_room);
    name = strrchr(path_room, '/') + 1;
    path_room[name - path_room - 1] = '\0';
    folder = opendir(path_room);
    if (folder == NULL)
        return HELD;
    while ((entry = readdir(folder)) != NULL)
        found |= strcmp(entry->d_name, name) == 0;
    (void)closedir(folder);
    return found ? GOT_THROUGH : HELD;
}

static int create_denied(const struct target *target)
{
    if (target->denied == NULL)
        return NOT_TRIED;
    return errno_of_fd(
        open(in_repository(target, target->denied, path_room), O_WRONLY | O_CREAT, 0644));
}

/* The folder alone may be made; what counts is the file. */
static void make_folder_of_forbidden(const struct target *target)
{
    (void)in_repository(target, target->forbidden, path_room);
    *strrchr(path_room, '/') = '\0';
    (void)mkdir(path_room, 0755);
}

static int write_forbidden(const struct target *target)
{
    if (target->forbidden == NULL)
        return NOT_TRIED;
    make_folder_of_forbidden(target);
    return errno_of_fd(open(in_repository(target, target->forbidden, path_room),
                            O_WRONLY | O_CREAT | O_APPEND, 0644));
}

static int rename_onto_forbidden(const struct target *target)
{
    int fd;

    if (target->forbidden == NULL)
        return NOT_TRIED;
    fd = open(in_repository(target, "escape-new", other_room), O_WRONLY | O_CREAT, 0644);
    if (fd < 0)
        return errno;
    (void)close(fd);
    make_folder_of_forbidden(target);
    return errno_of(rename(other_room, in_repository(target, target->forbidden, path_room)));
}

static int unlink_forbidden(const struct target *target)
{
    if (target->forbidden == NULL)
        return NOT_TRIED;
    return errno_of(unlink(in_repository(target, target->forbidden, path_room)));
}

const struct attempt attempts_on_content[] = {
    {"card-read", "reads a file with a card number", read_card, {HELD}, BY_READ},
    {"card-mmap", "maps it instead", map_card, {HELD, EACCES, ENODEV}, BY_READ},
    {"card-hard-link",
     "reads it under a new hard link",
     link_card,
     {HELD, EPERM, EACCES, ENOSYS},
     BY_REFUSAL},
    {"card-rename", "reads it after a rename", rename_card, {HELD, EPERM, EACCES}, BY_WRITE},
    {"card-git", "reads it from git's objects", card_from_git, {HELD}, SILENT},
    {"card-objects",
     "looks for the number in all of git's objects",
     card_in_objects,
     {HELD},
     SILENT},
    {"card-anywhere",
     "looks for the number in every file, .git too",
     card_anywhere,
     {HELD},
     BY_READ},
    {"denied-open", "opens a denied file", open_denied, {ENOENT}, BY_REFUSAL},
    {"denied-openat2", "the same by openat2, O_PATH", open_denied_raw, {ENOENT}, BY_REFUSAL},
    {"denied-stat", "asks for its size", stat_denied, {ENOENT}, BY_REFUSAL},
    {"denied-symlink",
     "opens it through a link in /tmp",
     denied_by_link,
     {ENOENT},
     BY_REFUSAL},
    {"denied-list", "looks for its name in its folder", list_denied, {HELD}, SILENT},
    {"denied-create",
     "creates a file under its name",
     create_denied,
     {EACCES, EPERM, ENOENT},
     BY_REFUSAL},
    {"forbidden-write",
     "writes a file no agent may write",
     write_forbidden,
     {EACCES, EPERM},
     BY_REFUSAL},
    {"forbidden-rename",
     "renames another file onto it",
     rename_onto_forbidden,
     {EACCES, EPERM},
     BY_REFUSAL},
    {"forbidden-unlink", "removes it", unlink_forbidden, {EACCES, EPERM, ENOENT}, SILENT},
};
const size_t attempts_on_content_count = COUNT(attempts_on_content);
