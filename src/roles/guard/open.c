/*
 * Files are opened here, and their descriptors put into the process that asked: what it gets
 * is what was judged and recorded, whatever becomes of its memory and of names meanwhile. Only
 * O_PATH, which opens nothing, is left to the kernel.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/scope.h"
#include "roles/guard/parts.h"

#ifndef SECCOMP_ADDFD_FLAG_SEND
#define SECCOMP_ADDFD_FLAG_SEND (1UL << 1) /* Linux 5.14 */
#endif
#define MODE_MASK 07777
/* What stays with an open file and can be set later. */
#define FLAGS_STATUS (O_APPEND | O_NONBLOCK | O_DIRECT | O_NOATIME)

struct opening {
    struct guard *guard;
    struct caller *caller;
    struct reach_wish wish;
    unsigned flags; /* as asked */
    mode_t mode;
    int fd; /* what comes of it */
    bool is_kept;
};

static bool has(const struct opening *opening, unsigned flags)
{
    return (opening->flags & flags) == flags;
}

/* May it change anything, or make a file? */
static bool is_for_writing(const struct opening *opening)
{
    return (opening->flags & O_ACCMODE) != O_RDONLY ||
           (opening->flags & (O_CREAT | O_TRUNC)) != 0 || has(opening, O_TMPFILE);
}

/* ---- reading ---- */

/* O_NONBLOCK was ours, against files that keep one waiting. */
static int settle(const struct opening *opening, int fd)
{
    return has(opening, O_NONBLOCK) ||
                   fcntl(fd, F_SETFL, (int)(opening->flags & FLAGS_STATUS)) == 0
               ? 0
               : errno;
}

/* It is answered when the other side has come. */
static int keep(struct opening *opening, struct reached *reached)
{
    opening->is_kept = true;
    return fifo_wait(opening->guard, take_fd(&reached->fd), &reached->stat, opening->flags);
}

/* Nothing is there: was it a denied name? */
static int tell_missing(struct opening *opening)
{
    struct guard *guard = opening->guard;

    if (reach_spell(&guard->reach, opening->caller, &opening->wish, &guard->whole) == 0)
        files_missing(guard->files, opening->caller, buf_text(&guard->whole));
    return ENOENT;
}

/* A denied file that is shown has no rights: that somebody tried is on record. */
static int tell_denied(struct opening *opening, int error)
{
    struct reached reached = {.fd = -1};
    struct reach_wish wish = opening->wish;

    wish.flags = O_PATH | (wish.flags & O_NOFOLLOW);
    if (reach_open(&opening->guard->reach, opening->caller, &wish, &reached) != 0)
        return error;
    (void)files_refused(opening->guard->files, opening->caller, reached.fd, &reached.stat);
    (void)close(reached.fd);
    return error;
}

static int open_for_reading(struct opening *opening)
{
    struct guard *guard = opening->guard;
    struct reached reached = {.fd = -1};
    int error;

    opening->wish.flags = (opening->flags & GUARD_OPEN_FLAGS) | O_NONBLOCK;
    error = reach_open(&guard->reach, opening->caller, &opening->wish, &reached);
    if (error == ENOENT)
        return tell_missing(opening);
    if (error == EACCES)
        return tell_denied(opening, error);
    if (error != 0)
        return error;
    if (fifo_is(&reached.stat, reached.fd)) {
        if (has(opening, O_NONBLOCK))
            fifo_came(guard, &reached.stat, false);
        else
            return keep(opening, &reached);
    }
    error = files_read(guard->files, opening->caller, reached.fd, &reached.stat);
    if (error == 0)
        error = settle(opening, reached.fd);
    if (error != 0)
        (void)close(reached.fd);
    else
        opening->fd = reached.fd;
    return error;
}

/* ---- writing ---- */

/* What of /proc an ordinary program writes, of its own. All else is refused: the guard's
 * rights are not the caller's. */
static bool may_write_proc(struct opening *opening, int fd)
{
    static const char *const names[] = {"comm", "oom_score_adj", "coredump_filter",
                                        "timerslack_ns"};
    AUTO_BUF struct buf path = buf_with_limit(CALLER_PATH_BYTES_MAX);
    struct slice rest, part, last = {0};
    char own[32];

    if (reach_name(fd, &path) != 0 || !caller_place(opening->caller))
        return false;
    (void)snprintf(own, sizeof(own), "/proc/%d/", (int)opening->caller->process);
    if (!slice_starts_with(buf_slice(&path), slice_of(own)))
        return false;
    rest = buf_slice(&path);
    while (slice_cut(&rest, '/', &part))
        last = part;
    for (size_t i = 0; i < COUNT(names); i++)
        if (slice_equal(last, slice_of(names[i])))
            return true;
    return false;
}

static int judge_existing(struct opening *opening, const struct reached *reached)
{
    struct files *files = opening->guard->files;
    bool writes = (opening->flags & O_ACCMODE) != O_RDONLY || has(opening, O_TRUNC);
    int error = 0;

    if (has(opening, O_CREAT | O_EXCL))
        return EEXIST;
    if (S_ISLNK(reached->stat.stx_mode))
        return ELOOP;
    if (S_ISDIR(reached->stat.stx_mode))
        return EISDIR;
    if (reach_is_in_proc(&opening->guard->reach, &reached->stat) && writes &&
        !may_write_proc(opening, reached->fd))
        return EACCES;
    if (writes)
        error = files_modify(files, opening->caller, reached->fd, &reached->stat);
    if (error == 0 && (opening->flags & O_ACCMODE) != O_WRONLY)
        error = files_read(files, opening->caller, reached->fd, &reached->stat);
    return error;
}

static int open_existing(struct opening *opening, struct reached *reached)
{
    unsigned flags =
        opening->flags & GUARD_OPEN_FLAGS & ~(unsigned)(O_CREAT | O_EXCL | O_NOFOLLOW);
    int error = judge_existing(opening, reached);

    if (error == 0)
        error = reach_again(reached->fd, flags | O_NONBLOCK, &opening->fd);
    if (S_ISFIFO(reached->stat.stx_mode) && error == ENXIO && !has(opening, O_NONBLOCK))
        return keep(opening, reached);
    if (error == 0 && fifo_is(&reached->stat, opening->fd))
        fifo_came(opening->guard, &reached->stat, true);
    return error == 0 ? settle(opening, opening->fd) : error;
}

static int make_file(struct opening *opening)
{
    struct guard *guard = opening->guard;
    unsigned flags = opening->flags & GUARD_OPEN_FLAGS;
    AUTO_CLOSE int folder = -1;
    char name[256];
    int error;

    if (has(opening, O_CREAT | O_EXCL))
        opening->wish.flags |= O_NOFOLLOW;
    error = reach_folder(&guard->reach, opening->caller, &opening->wish, &folder, name);
    if (error == 0)
        error = files_create(guard->files, opening->caller, folder, name);
    if (error == 0)
        error = reach_make(folder, name, flags,
                           opening->mode & ~caller_umask(opening->caller) & MODE_MASK,
                           &opening->fd);
    return error;
}

static int open_for_writing(struct opening *opening)
{
    struct guard *guard = opening->guard;
    struct reached reached = {.fd = -1};
    int error;

    if (has(opening, O_TMPFILE)) {
        opening->wish.flags = opening->flags & GUARD_OPEN_FLAGS;
        opening->wish.mode = opening->mode & ~caller_umask(opening->caller) & MODE_MASK;
        error = reach_open(&guard->reach, opening->caller, &opening->wish, &reached);
        opening->fd = reached.fd;
        return error;
    }
    opening->wish.flags = O_PATH | (opening->flags & (O_NOFOLLOW | O_DIRECTORY));
    if (has(opening, O_CREAT | O_EXCL))
        opening->wish.flags |= O_NOFOLLOW;
    error = reach_open(&guard->reach, opening->caller, &opening->wish, &reached);
    if (error == 0)
        error = open_existing(opening, &reached);
    else if (error == ENOENT && has(opening, O_CREAT))
        error = make_file(opening);
    else if (error == ENOENT)
        error = tell_missing(opening);
    scope_close(&reached.fd);
    return error;
}

/* ---- handing over ---- */

/*
 * A file that may be written is closed here before the caller goes on: while anybody has it
 * open for writing it cannot be executed. That takes a second call; others are given along
 * with the answer.
 */
static enum guard_verdict hand_over(struct guard *guard, uint64_t call, int *fd,
                                    unsigned flags, int *ret_error)
{
    bool at_once = (flags & O_ACCMODE) == O_RDONLY;
    struct seccomp_notif_addfd give = {
        .id = call,
        .flags = at_once ? SECCOMP_ADDFD_FLAG_SEND : 0,
        .srcfd = (uint32_t)*fd,
        .newfd_flags = flags & O_CLOEXEC,
    };
    int number = ioctl(guard->listener, SECCOMP_IOCTL_NOTIF_ADDFD, &give);

    if (number < 0 && errno == EINVAL && at_once) { /* an older kernel */
        give.flags = 0;
        at_once = false;
        number = ioctl(guard->listener, SECCOMP_IOCTL_NOTIF_ADDFD, &give);
    }
    *ret_error = number < 0 ? errno : 0;
    scope_close(fd);
    if (number < 0)
        return *ret_error == ENOENT ? GUARD_ANSWERED : GUARD_REFUSE; /* it is gone */
    guard->result = number;
    return at_once ? GUARD_ANSWERED : GUARD_RESULT;
}

void guard_give(struct guard *guard, uint64_t call, int error, int fd, unsigned flags)
{
    enum guard_verdict verdict = GUARD_REFUSE;
    struct fault broken = {0};

    if (error == 0)
        verdict = hand_over(guard, call, &fd, flags, &error);
    scope_close(&fd);
    (void)!guard_answer(guard, call, verdict, error, &broken);
}

/* What the files' own records do not tell: `told` is how many refusals they had. */
static bool tell_refused(struct opening *opening, int error, uint64_t told)
{
    struct guard *guard = opening->guard;
    struct guard_refusal refusal = {.reason = error == EMFILE ? "open-limit" : "open"};

    if ((error != EACCES && error != EPERM && error != EMFILE) ||
        files_counts(guard->files).refused != told)
        return true;
    if (reach_spell(&guard->reach, opening->caller, &opening->wish, &guard->whole) == 0)
        refusal.path = buf_slice(&guard->whole);
    return guard_refused(guard, opening->caller, &refusal);
}

static enum guard_verdict judge_open(struct guard *guard, struct caller *caller, int folder,
                                     uint64_t path, unsigned flags, mode_t mode,
                                     int *ret_error)
{
    struct opening opening = {.guard = guard,
                              .caller = caller,
                              .wish = {.folder = folder},
                              .flags = flags,
                              .mode = mode,
                              .fd = -1};
    struct fault fault = {0};
    uint64_t told;

    if ((flags & O_PATH) != 0)
        return GUARD_CONTINUE;
    if (!caller_text(caller, path, &guard->path, &fault)) {
        *ret_error = fault.kind == FAULT_LIMIT ? ENAMETOOLONG : EFAULT;
        return GUARD_REFUSE;
    }
    if (!guard_is_waiting(guard)) /* what was read may be another's */
        return GUARD_ANSWERED;
    if (guard->files == NULL) { /* no cell of ours hands it over then */
        *ret_error = ENOSYS;
        return GUARD_REFUSE;
    }
    if (!guard_find_root(guard, caller))
        return GUARD_END;
    opening.wish.path = buf_text(&guard->path);
    told = files_counts(guard->files).refused;
    *ret_error =
        is_for_writing(&opening) ? open_for_writing(&opening) : open_for_reading(&opening);
    if (!files_are_told(guard->files, &guard->fault)) {
        scope_close(&opening.fd);
        return GUARD_END;
    }
    if (*ret_error != 0) {
        scope_close(&opening.fd);
        return tell_refused(&opening, *ret_error, told) ? GUARD_REFUSE : GUARD_END;
    }
    if (opening.is_kept)
        return GUARD_ANSWERED;
    return hand_over(guard, guard->call->id, &opening.fd, flags, ret_error);
}

enum guard_verdict guard_open(struct guard *guard, struct caller *caller, int *ret_error)
{
    const uint64_t *argument = (const uint64_t *)guard->call->data.args;

    return judge_open(guard, caller, AT_FDCWD, argument[0], (unsigned)argument[1],
                      (mode_t)argument[2], ret_error);
}

enum guard_verdict guard_openat(struct guard *guard, struct caller *caller, int *ret_error)
{
    const uint64_t *argument = (const uint64_t *)guard->call->data.args;

    return judge_open(guard, caller, (int)argument[0], argument[1], (unsigned)argument[2],
                      (mode_t)argument[3], ret_error);
}

enum guard_verdict guard_creat(struct guard *guard, struct caller *caller, int *ret_error)
{
    const uint64_t *argument = (const uint64_t *)guard->call->data.args;

    return judge_open(guard, caller, AT_FDCWD, argument[0], O_CREAT | O_WRONLY | O_TRUNC,
                      (mode_t)argument[1], ret_error);
}
