#include "roles/guard/reach.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/scope.h"
#include "os/proc.h"
#include "view/plain.h"

#define LINKS_MAX 40 /* as Linux */
#define TRIES_MAX 100
#define WHOLE_BYTES_MAX (3 * CALLER_PATH_BYTES_MAX)
#define DELETED " (deleted)"

/*
 * Names that lead to whoever asks. The cell's /proc has no entry for the guard, so its links
 * would lead it nowhere.
 */
static const struct own_name {
    const char *path, *below_process;
} own_names[] = {
    {"/proc/self", ""},       {"/dev/fd", "/fd"},       {"/dev/stdin", "/fd/0"},
    {"/dev/stdout", "/fd/1"}, {"/dev/stderr", "/fd/2"}, {"/proc/mounts", "/mounts"},
    {"/proc/net", "/net"},
};

bool reach_begin(struct reach *reach, const struct caller *caller, int cell_proc,
                 struct fault *fault)
{
    struct stat stat;

    reach->root = openat(caller->proc, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
    reach->proc = cell_proc;
    if (reach->root < 0 || fstat(cell_proc, &stat) < 0)
        return fault_errno(fault, "find the root of the cell");
    reach->proc_major = major(stat.st_dev);
    reach->proc_minor = minor(stat.st_dev);
    reach->whole = buf_with_limit(WHOLE_BYTES_MAX);
    reach->link = buf_with_limit(WHOLE_BYTES_MAX);
    return true;
}

void reach_end(struct reach *reach)
{
    if (reach->whole.limit != 0)
        scope_close(&reach->root);
    buf_free(&reach->whole);
    buf_free(&reach->link);
}

/* ---- the caller's names ---- */

static bool add(struct buf *buf, struct slice more)
{
    struct fault fault = {0};

    return buf_add(buf, more, &fault);
}

/* "//" and "/./" say nothing; without them a name is found by comparing. */
static void simplify(struct buf *path)
{
    size_t to = 0;

    for (size_t at = 0; at < path->len; at++) {
        path->at[to++] = path->at[at];
        while (path->at[at] == '/') {
            if (at + 1 < path->len && path->at[at + 1] == '/')
                at++;
            else if (at + 2 < path->len && path->at[at + 1] == '.' && path->at[at + 2] == '/')
                at += 2;
            else
                break;
        }
    }
    path->len = to;
}

static bool is_at(struct slice path, struct slice head)
{
    return slice_starts_with(path, head) && (path.len == head.len || path.at[head.len] == '/');
}

/* Replaces the first bytes of the path by the process's own folder. */
static bool replace_head(struct buf *path, size_t head, const char *process, const char *below)
{
    AUTO_BUF struct buf spelt = buf_with_limit(path->limit);

    if (!add(&spelt, slice_of(process)) || !add(&spelt, slice_of(below)) ||
        !add(&spelt, slice_part(buf_slice(path), head, path->len)))
        return false;
    buf_free(path);
    *path = take_buf(&spelt);
    return true;
}

/*
 * The caller's own terminal by its name in the cell; it is opened as any other. Without one it
 * stays what it is, and look() refuses it.
 */
static bool spell_terminal(struct buf *path, const struct caller *caller)
{
    struct proc_stat stat;
    char name[32];

    if (!proc_stat_read(caller->proc, &stat))
        return false;
    if (stat.terminal < 0)
        return true;
    (void)snprintf(name, sizeof(name), "/dev/pts/%d", stat.terminal);
    return replace_head(path, path->len, name, "");
}

/* The path with the caller's own names spelt out. False: too long, or the caller is gone. */
static bool spell_out(struct buf *path, struct caller *caller)
{
    static const char *const thread_self = "/proc/thread-self";
    char process[48];
    struct slice text;

    simplify(path);
    text = buf_slice(path);
    if (!slice_starts_with(text, SLICE("/proc/")) && !slice_starts_with(text, SLICE("/dev/")))
        return true;
    if (slice_equal(text, SLICE("/dev/tty")))
        return spell_terminal(path, caller);
    if (is_at(text, slice_of(thread_self))) {
        if (!caller_place(caller))
            return false;
        (void)snprintf(process, sizeof(process), "/proc/%d/task/%d", (int)caller->process,
                       (int)caller->thread_inside);
        return replace_head(path, strlen(thread_self), process, "");
    }
    for (size_t i = 0; i < COUNT(own_names); i++) {
        if (!is_at(text, slice_of(own_names[i].path)))
            continue;
        if (!caller_place(caller))
            return false;
        (void)snprintf(process, sizeof(process), "/proc/%d", (int)caller->process);
        return replace_head(path, strlen(own_names[i].path), process,
                            own_names[i].below_process);
    }
    return true;
}

/* ---- opening ---- */

static int open_at(int folder, const char *path, uint64_t flags, mode_t mode, uint64_t resolve,
                   int *ret_fd)
{
    struct open_how how = {.flags = flags | O_CLOEXEC | O_NOCTTY,
                           .mode = mode,
                           .resolve = resolve | RESOLVE_NO_MAGICLINKS};
    int tries = 0;
    long fd;

    if ((flags & O_PATH) != 0)
        how.flags = (flags & (O_PATH | O_DIRECTORY | O_NOFOLLOW)) | O_CLOEXEC;
    do /* EAGAIN: somebody renames what is on the way */
        fd = syscall(SYS_openat2, folder, path, &how, sizeof(how));
    while (fd < 0 && (errno == EAGAIN || errno == EINTR) && ++tries < TRIES_MAX);
    if (fd < 0)
        return errno;
    *ret_fd = (int)fd;
    return 0;
}

static int open_folder_of(const struct caller *caller, int folder, int *ret_fd)
{
    char link[32] = "cwd";

    if (folder != AT_FDCWD)
        (void)snprintf(link, sizeof(link), "fd/%d", folder);
    *ret_fd = openat(caller->proc, link, O_PATH | O_CLOEXEC);
    if (*ret_fd >= 0)
        return 0;
    return folder == AT_FDCWD || errno != ENOENT ? errno : EBADF;
}

int reach_name(int fd, struct buf *ret_path)
{
    struct fault fault = {0};
    char link[32];
    ssize_t len;

    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    buf_clear(ret_path);
    if (!buf_reserve(ret_path, CALLER_PATH_BYTES_MAX, &fault))
        return ENAMETOOLONG;
    len = readlink(link, (char *)ret_path->at, CALLER_PATH_BYTES_MAX);
    if (len <= 0 || len == CALLER_PATH_BYTES_MAX)
        return len < 0 ? errno : ENAMETOOLONG;
    ret_path->len = (size_t)len;
    return ret_path->at[0] == '/' && !slice_ends_with(buf_slice(ret_path), SLICE(DELETED))
               ? 0
               : ENOENT;
}

int reach_again(int fd, uint64_t flags, int *ret_fd)
{
    char link[32];

    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    flags &= ~(uint64_t)(O_CREAT | O_EXCL | O_NOFOLLOW); /* it is there */
    *ret_fd = open(link, (int)flags | O_CLOEXEC | O_NOCTTY);
    return *ret_fd < 0 ? errno : 0;
}

int reach_make(int folder, const char *name, uint64_t flags, mode_t mode, int *ret_fd)
{
    return open_at(folder, name, flags | O_CREAT | O_NOFOLLOW, mode,
                   RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS, ret_fd);
}

/*
 * "N/fd/M", "N/task/T/fd/M", "N/exe", "N/cwd", "N/root": the links of /proc that lead past
 * names. Gives how much of the path names the link, and 0 where none is there.
 */
static size_t magic_len(const char *path)
{
    static const char *const words[] = {"exe", "cwd", "root"};
    char *at = NULL;

    (void)strtoul(path, &at, 10);
    if (at == path)
        return 0;
    if (strncmp(at, "/task/", 6) == 0)
        (void)strtoul(at + 6, &at, 10);
    if (strncmp(at, "/fd/", 4) == 0 && at[4] >= '0' && at[4] <= '9') {
        (void)strtoul(at + 4, &at, 10);
        return *at == 0 || *at == '/' ? (size_t)(at - path) : 0;
    }
    for (size_t i = 0; *at == '/' && i < COUNT(words); i++)
        if (is_at(slice_of(at + 1), slice_of(words[i])))
            return (size_t)(at - path) + 1 + strlen(words[i]);
    return 0;
}

static int read_link(struct reach *reach, int folder, const char *name);

/*
 * What such a link leads to is judged like anything else; what is below it is found by its
 * name. Pid 1 is ours: it is not there. EAGAIN: `whole` is another path now, look again.
 */
static int open_magic(struct reach *reach, uint64_t flags, int *ret_fd)
{
    static const char *const proc = "/proc/";
    const char *path = buf_text(&reach->whole);
    AUTO_CLOSE int object = -1;
    AUTO_FREE char *link = NULL;
    size_t len = strncmp(path, proc, strlen(proc)) == 0 ? magic_len(path + strlen(proc)) : 0;
    int error;

    if (len == 0)
        return ELOOP;
    if (strtoul(path + strlen(proc), NULL, 10) == 1)
        return ENOENT;
    link = slice_dup(slice_of_bytes(path + strlen(proc), len));
    if (path[strlen(proc) + len] == '/') {
        error = read_link(reach, reach->proc, link);
        if (error == 0 && (reach->link.at[0] != '/' ||
                           !add(&reach->link, slice_of(path + strlen(proc) + len))))
            error = ENOTDIR;
        buf_clear(&reach->whole);
        return error == 0 && add(&reach->whole, buf_slice(&reach->link)) ? EAGAIN : error;
    }
    if ((flags & O_NOFOLLOW) != 0)
        return ELOOP;
    object = openat(reach->proc, link, O_PATH | O_CLOEXEC);
    if (object < 0)
        return errno;
    if ((flags & O_PATH) == 0)
        return reach_again(object, flags, ret_fd);
    *ret_fd = take_fd(&object);
    return 0;
}

/*
 * The first process of the cell holds what core had when it was forked. The guard may look
 * into it; nobody inside may, so for whoever asks it is not there.
 */
static bool is_first_process(int fd)
{
    AUTO_BUF struct buf name = buf_with_limit(CALLER_PATH_BYTES_MAX);

    return reach_name(fd, &name) != 0 || is_at(buf_slice(&name), SLICE("/proc/1"));
}

bool reach_is_in_proc(const struct reach *reach, const struct statx *stat)
{
    return stat->stx_dev_major == reach->proc_major &&
           stat->stx_dev_minor == reach->proc_minor;
}

/* /dev/tty is the terminal of whoever opens it: of the person, if it were the guard. */
static bool is_own_terminal(const struct statx *stat)
{
    return S_ISCHR(stat->stx_mode) && stat->stx_rdev_major == 5 && stat->stx_rdev_minor == 0;
}

static int look(const struct reach *reach, struct reached *reached)
{
    int error = 0;

    if (statx(reached->fd, "", AT_EMPTY_PATH, PLAIN_STATX, &reached->stat) < 0)
        error = errno;
    else if (reach_is_in_proc(reach, &reached->stat) && is_first_process(reached->fd))
        error = ENOENT;
    else if (is_own_terminal(&reached->stat))
        error = ENXIO;
    if (error != 0)
        scope_close(&reached->fd);
    return error;
}

/* From the root on, so that neither ".." nor a link leads out of it. */
static int open_whole(struct reach *reach, struct caller *caller,
                      const struct reach_wish *wish, struct reached *ret_reached)
{
    int error = EAGAIN;

    for (int step = 0; error == EAGAIN && step < LINKS_MAX; step++) {
        if (!spell_out(&reach->whole, caller))
            return ENAMETOOLONG;
        error = open_at(reach->root, buf_text(&reach->whole), wish->flags, wish->mode,
                        RESOLVE_IN_ROOT, &ret_reached->fd);
        if (error == ELOOP)
            error = open_magic(reach, wish->flags, &ret_reached->fd);
    }
    return error == 0 ? look(reach, ret_reached) : error;
}

/* `whole` becomes the path from the root on; a relative one is below the folder `fd`. */
static int start_whole(struct reach *reach, int fd, struct slice path)
{
    int error = 0;

    buf_clear(&reach->whole);
    if (path.len == 0 || path.at[0] != '/') {
        error = reach_name(fd, &reach->whole);
        if (error == 0 && !add(&reach->whole, SLICE("/")))
            error = ENAMETOOLONG;
    }
    return error == 0 && !add(&reach->whole, path) ? ENAMETOOLONG : error;
}

/* Cuts the last name off `whole`, and gives where it began. */
static size_t cut_name(struct reach *reach)
{
    size_t cut = reach->whole.len;

    while (cut > 0 && reach->whole.at[cut - 1] != '/')
        cut--;
    return cut;
}

static int read_link(struct reach *reach, int folder, const char *name)
{
    struct fault fault = {0};
    ssize_t len;

    buf_clear(&reach->link);
    if (!buf_reserve(&reach->link, CALLER_PATH_BYTES_MAX, &fault))
        return ENAMETOOLONG;
    len = readlinkat(folder, name, (char *)reach->link.at, CALLER_PATH_BYTES_MAX);
    if (len < 0)
        return errno;
    if (len == 0 || len == CALLER_PATH_BYTES_MAX)
        return ENAMETOOLONG;
    reach->link.len = (size_t)len;
    return 0;
}

/* `whole` names a link: it becomes what the link names. */
static int step_along(struct reach *reach)
{
    AUTO_CLOSE int link = -1, above = -1;
    int error = open_at(reach->root, buf_text(&reach->whole), O_PATH | O_NOFOLLOW, 0,
                        RESOLVE_IN_ROOT, &link);

    if (error == 0)
        error = read_link(reach, link, "");
    if (error != 0)
        return error;
    reach->whole.len = cut_name(reach);
    error = open_at(reach->root, buf_text(&reach->whole), O_PATH | O_DIRECTORY, 0,
                    RESOLVE_IN_ROOT, &above);
    return error == 0 ? start_whole(reach, above, buf_slice(&reach->link)) : error;
}

/*
 * A link that ends in one of the caller's own names leads nowhere for the guard, and is
 * followed by hand. Missing names are looked for often: that costs one call more.
 */
static int follow_by_hand(struct reach *reach, struct caller *caller,
                          const struct reach_wish *wish, struct reached *ret_reached)
{
    for (int step = 0; step < LINKS_MAX; step++) {
        int error;

        if (step_along(reach) != 0)
            return ENOENT;
        error = open_whole(reach, caller, wish, ret_reached);
        if (error != ENOENT)
            return error;
    }
    return ELOOP;
}

int reach_open(struct reach *reach, struct caller *caller, const struct reach_wish *wish,
               struct reached *ret_reached)
{
    AUTO_CLOSE int folder = -1;
    int error = EXDEV;

    if (wish->path[0] == 0)
        return ENOENT;
    if (wish->path[0] != '/') {
        error = open_folder_of(caller, wish->folder, &folder);
        if (error == 0)
            error = open_at(folder, wish->path, wish->flags, wish->mode, RESOLVE_BENEATH,
                            &ret_reached->fd);
        if (error == 0)
            return look(reach, ret_reached);
        if (error != EXDEV && error != ELOOP && error != ENOENT)
            return error;
    }
    if (start_whole(reach, folder, slice_of(wish->path)) != 0)
        return ENOENT;
    if (error != ENOENT)
        error = open_whole(reach, caller, wish, ret_reached);
    return error == ENOENT && (wish->flags & O_NOFOLLOW) == 0
               ? follow_by_hand(reach, caller, wish, ret_reached)
               : error;
}

/* ---- names that are not there ---- */

static int open_above(struct reach *reach, struct caller *caller, int *ret_folder,
                      char ret_name[256])
{
    struct reach_wish wish = {.flags = O_PATH | O_DIRECTORY};
    struct reached reached = {.fd = -1};
    struct slice name;
    size_t cut;
    int error;

    if (!spell_out(&reach->whole, caller))
        return ENAMETOOLONG;
    cut = cut_name(reach);
    name = slice_part(buf_slice(&reach->whole), cut, reach->whole.len);
    if (name.len == 0 || slice_equal(name, SLICE(".")) || slice_equal(name, SLICE("..")))
        return EISDIR;
    if (name.len > 255)
        return ENAMETOOLONG;
    memcpy(ret_name, name.at, name.len);
    ret_name[name.len] = 0;
    reach->whole.len = cut;
    error = open_whole(reach, caller, &wish, &reached);
    *ret_folder = reached.fd;
    return error;
}

int reach_folder(struct reach *reach, struct caller *caller, const struct reach_wish *wish,
                 int *ret_folder, char ret_name[256])
{
    AUTO_CLOSE int from = -1;
    int error = wish->path[0] == '/' ? 0 : open_folder_of(caller, wish->folder, &from);

    if (error == 0)
        error = start_whole(reach, from, slice_of(wish->path));
    for (int step = 0; error == 0 && step < LINKS_MAX; step++) {
        AUTO_CLOSE int folder = -1;

        error = open_above(reach, caller, &folder, ret_name);
        if (error != 0)
            return error;
        if ((wish->flags & O_NOFOLLOW) != 0 || read_link(reach, folder, ret_name) != 0) {
            *ret_folder = take_fd(&folder); /* no link: this is the place */
            return 0;
        }
        error = start_whole(reach, folder, buf_slice(&reach->link));
    }
    return error == 0 ? ELOOP : error;
}

int reach_spell(struct reach *reach, struct caller *caller, const struct reach_wish *wish,
                struct buf *ret_path)
{
    AUTO_CLOSE int from = -1;
    int error = wish->path[0] == '/' ? 0 : open_folder_of(caller, wish->folder, &from);
    struct slice rest, part;

    if (error == 0)
        error = start_whole(reach, from, slice_of(wish->path));
    if (error != 0)
        return error;
    buf_clear(ret_path);
    rest = buf_slice(&reach->whole);
    while (slice_cut(&rest, '/', &part)) {
        if (part.len == 0 || slice_equal(part, SLICE(".")))
            continue;
        if (slice_equal(part, SLICE(".."))) {
            while (ret_path->len > 0 && ret_path->at[--ret_path->len] != '/')
                continue;
            continue;
        }
        if (!add(ret_path, SLICE("/")) || !add(ret_path, part))
            return ENAMETOOLONG;
    }
    (void)caller;
    return 0;
}
