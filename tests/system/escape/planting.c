/*
 * Attempts to leave something that acts later, outside, when people or custody handle the
 * change.
 *
 * Inside nothing can be seen of that: an attempt is HELD when it could plant and nothing
 * happened here. Whoever runs this with --marker looks afterwards whether the marker was made.
 */
#include "escape.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char room[PATH_ROOM];

static int planted(const struct target *target)
{
    return access(target->marker, F_OK) == 0 ? GOT_THROUGH : HELD;
}

static int put(const char *path, const char *text, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, mode);

    if (fd < 0)
        return errno;
    if (write(fd, text, strlen(text)) < 0)
        return errno;
    (void)fchmod(fd, mode);
    return errno_of(close(fd));
}

/* Puts a text with the marker's path in the place of %s. */
static int put_marker(const struct target *target, const char *path, const char *format,
                      mode_t mode)
{
    char text[3 * PATH_ROOM];
    const char *at = format;
    size_t len = 0;

    for (const char *mark; (mark = strstr(at, "%s")) != NULL; at = mark + 2)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%.*s%s", (int)(mark - at), at,
                                target->marker);
    (void)snprintf(text + len, sizeof(text) - len, "%s", at);
    return put(in_repository(target, path, room), text, mode);
}

static int plant_hooks(const struct target *target)
{
    static const char *const names[] = {
        "pre-commit",        "post-commit", "post-checkout", "reference-transaction",
        "post-index-change", "pre-push",    "post-merge",    "pre-auto-gc"};

    if (target->marker == NULL)
        return NOT_TRIED;
    (void)mkdir(in_repository(target, ".git/hooks", room), 0755);
    for (size_t i = 0; i < COUNT(names); i++) {
        char path[64];

        (void)snprintf(path, sizeof(path), ".git/hooks/%s", names[i]);
        if (put_marker(target, path, "#!/bin/sh\n: >%s\n", 0755) != 0)
            return errno;
    }
    return planted(target);
}

static int plant_configuration(const struct target *target)
{
    int failed;

    if (target->marker == NULL)
        return NOT_TRIED;
    failed =
        put_marker(target, ".git/config",
                   "[core]\n\tfsmonitor = \": >%s; false\"\n\tpager = \": >%s\"\n"
                   "\tsshCommand = \": >%s\"\n\teditor = \": >%s\"\n"
                   "[diff]\n\texternal = \": >%s\"\n[filter \"x\"]\n\tclean = \": >%s; cat\"\n"
                   "\tsmudge = \": >%s; cat\"\n[gpg]\n\tprogram = \": >%s\"\n",
                   0644);
    return failed != 0 ? failed : planted(target);
}

static int plant_attributes(const struct target *target)
{
    int failed;

    if (target->marker == NULL)
        return NOT_TRIED;
    (void)mkdir(in_repository(target, ".git/info", room), 0755);
    failed =
        put(in_repository(target, ".git/info/attributes", room), "* filter=x diff=x\n", 0644);
    return failed != 0 ? failed : planted(target);
}

/* Objects of the person's own repository, and of anywhere, as if they were the cell's. */
static int plant_alternates(const struct target *target)
{
    char text[PATH_ROOM];
    int failed;

    if (target->marker == NULL)
        return NOT_TRIED;
    (void)snprintf(text, sizeof(text), "%s/.git/objects\n/proc/1/root%s/.git/objects\n",
                   target->repository, target->repository);
    failed = put(in_repository(target, ".git/objects/info/alternates", room), text, 0644);
    if (failed != 0)
        return failed;
    if (target->card == NULL)
        return HELD;
    return look_into_git(
        target, (const char *const[]){"cat-file", "--batch-all-objects", "--batch", NULL});
}

/* .git as a link or a file that names another repository. */
static int plant_git_file(const struct target *target)
{
    if (target->marker == NULL)
        return NOT_TRIED;
    return errno_of(rename(in_repository(target, ".git", room), "/tmp/escape-git"));
}

static int plant_commondir(const struct target *target)
{
    int failed;

    if (target->marker == NULL)
        return NOT_TRIED;
    failed = put(in_repository(target, ".git/commondir", room), "/etc\n", 0644);
    (void)unlink(room);
    return failed != 0 ? failed : planted(target);
}

static int plant_link(const struct target *target, const char *name, const char *to)
{
    if (target->marker == NULL)
        return NOT_TRIED;
    if (symlink(to, in_repository(target, name, room)) < 0)
        return errno;
    return errno_of_fd(open(room, O_RDONLY));
}

static int plant_link_to_shadow(const struct target *target)
{
    return plant_link(target, "escape-shadow", "/etc/shadow");
}

static int plant_link_above(const struct target *target)
{
    return plant_link(target, "escape-above", "../../../../../../../../../../etc/shadow");
}

static int plant_link_to_init(const struct target *target)
{
    return plant_link(target, "escape-init", "/proc/1/root");
}

/* A name for what a person's terminal or script would do with it. */
static int plant_name(const struct target *target)
{
    int failed;

    if (target->marker == NULL)
        return NOT_TRIED;
    failed = put(in_repository(target, "--upload-pack=x", room), "x\n", 0644);
    if (failed == 0)
        failed = put(in_repository(target, "escape\n\033]0;x\007name", room), "x\n", 0644);
    return failed != 0 ? failed : planted(target);
}

const struct attempt attempts_by_planting[] = {
    {"plant-hooks",
     "hooks in .git, to run when the change is made",
     plant_hooks,
     {HELD, EACCES, EROFS},
     SILENT},
    {"plant-configuration",
     "programs in .git/config",
     plant_configuration,
     {HELD, EACCES, EROFS},
     SILENT},
    {"plant-attributes",
     "filters in .git/info/attributes",
     plant_attributes,
     {HELD, EACCES, EROFS},
     SILENT},
    {"plant-alternates",
     "other objects in .git/objects/info/alternates",
     plant_alternates,
     {HELD, EACCES, EROFS},
     SILENT},
    {"plant-git",
     "moves .git away, for another in its place",
     plant_git_file,
     {EBUSY, EXDEV, EACCES},
     SILENT},
    {"plant-commondir",
     "another repository in .git/commondir",
     plant_commondir,
     {HELD, EACCES, EROFS},
     SILENT},
    {"plant-link",
     "a link to /etc/shadow in the change",
     plant_link_to_shadow,
     {ENOENT, EACCES},
     BY_WRITE},
    {"plant-link-above", "the same by ..", plant_link_above, {ENOENT, EACCES}, BY_WRITE},
    {"plant-link-init",
     "a link to pid 1's root",
     plant_link_to_init,
     {ENOENT, EACCES},
     BY_WRITE},
    {"plant-name",
     "names that are options, or speak to terminals",
     plant_name,
     {HELD, EINVAL, EACCES},
     BY_WRITE},
};
const size_t attempts_by_planting_count = COUNT(attempts_by_planting);
