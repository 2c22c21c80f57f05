/*
 * Calls of a cell that shares the host's namespaces, where Landlock has no rule: the way to the
 * door, and the mode and times of files. The guard does them itself, on the object that it has
 * judged; the kernel is left nothing that could mean another one by then.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/scope.h"
#include "ledger/ledger.h"
#include "os/message.h"
#include "roles/guard/parts.h"

#define FDINFO_BYTES_MAX 4096
#define MODE_MASK 07777
#define LOOPBACK_NET 127

/* ---- the door ---- */

/* Flags of a descriptor of the caller's, as open(2) knows them. */
static bool read_flags(const struct caller *caller, int number, unsigned *ret_flags)
{
    char name[32], text[FDINFO_BYTES_MAX + 1];
    AUTO_CLOSE int fd = -1;
    const char *at;
    ssize_t got;

    (void)snprintf(name, sizeof(name), "fdinfo/%d", number);
    fd = openat(caller->proc, name, O_RDONLY | O_CLOEXEC);
    got = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    if (got <= 0)
        return false;
    text[got] = '\0';
    at = strstr(text, "flags:");
    if (at == NULL)
        return false;
    *ret_flags = (unsigned)strtoul(at + strlen("flags:"), NULL, 8);
    return true;
}

/*
 * The caller's socket becomes one end of a pair, the door gets the other one: which run is
 * calling stays a fact of the socket, and the host has no port for anybody to come to.
 */
static int hand_door(struct guard *guard, const struct caller *caller, int number)
{
    struct pollfd door = {.fd = guard->config->door, .events = POLLOUT};
    struct seccomp_notif_addfd give = {
        .id = guard->call->id, .flags = SECCOMP_ADDFD_FLAG_SETFD, .newfd = (uint32_t)number};
    struct message_fds theirs = {.count = 1};
    struct fault fault = {0};
    unsigned flags;
    int ends[2], error = 0;

    if (!read_flags(caller, number, &flags))
        return EBADF;
    if (poll(&door, 1, 0) != 1 || (door.revents & POLLOUT) == 0)
        return ECONNREFUSED; /* as many wait as may: a listener's queue */
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return errno;
    give.srcfd = (uint32_t)ends[0];
    give.newfd_flags = flags & O_CLOEXEC;
    theirs.fd[0] = ends[1];
    if (((flags & O_NONBLOCK) != 0 && fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0) ||
        ioctl(guard->listener, SECCOMP_IOCTL_NOTIF_ADDFD, &give) < 0)
        error = errno;
    else if (!message_send(guard->config->door, SLICE("C"), &theirs, &fault))
        error = ECONNREFUSED;
    (void)close(ends[0]);
    (void)close(ends[1]);
    return error;
}

/* What a network namespace with nothing in it but the door would answer. */
static int judge_address(const struct guard *guard, const struct sockaddr_in *address,
                         size_t len)
{
    uint32_t host = ntohl(address->sin_addr.s_addr);

    if (len < sizeof(address->sin_family))
        return EINVAL;
    if (address->sin_family != AF_INET)
        return EAFNOSUPPORT;
    if (len < sizeof(*address))
        return EINVAL;
    if (host >> 24 != LOOPBACK_NET)
        return ENETUNREACH;
    return host == INADDR_LOOPBACK && ntohs(address->sin_port) == guard->config->door_port
               ? 0
               : ECONNREFUSED;
}

static bool connect_refused(struct guard *guard, struct caller *caller,
                            const struct sockaddr_in *address, bool full)
{
    char host[INET_ADDRSTRLEN] = "";
    struct guard_refusal refusal = {.reason = full ? "door-full" : "connect"};

    if (!full && address->sin_family == AF_INET &&
        inet_ntop(AF_INET, &address->sin_addr, host, sizeof(host)) != NULL) {
        refusal.host = host;
        refusal.port = ntohs(address->sin_port);
    }
    return guard_refused(guard, caller, &refusal);
}

enum guard_verdict guard_connect(struct guard *guard, struct caller *caller, int *ret_error)
{
    const uint64_t *argument = (const uint64_t *)guard->call->data.args;
    struct sockaddr_in address = {0};
    size_t len = (uint32_t)argument[2];

    if (!caller_bytes(caller, argument[1], &address,
                      len < sizeof(address) ? len : sizeof(address))) {
        *ret_error = EFAULT;
        return GUARD_REFUSE;
    }
    if (!guard_is_waiting(guard)) /* what was read may be another's */
        return GUARD_ANSWERED;
    *ret_error = judge_address(guard, &address, len);
    if (*ret_error != 0 && !connect_refused(guard, caller, &address, false))
        return GUARD_END;
    if (*ret_error == 0) {
        *ret_error = hand_door(guard, caller, (int)argument[0]);
        if (*ret_error == ECONNREFUSED && !connect_refused(guard, caller, &address, true))
            return GUARD_END;
    }
    guard->result = 0;
    return *ret_error == 0 ? GUARD_RESULT : GUARD_REFUSE;
}

/* ---- mode and times ---- */

/* What a call is about, by name or by descriptor. */
struct target {
    int folder;
    uint64_t path; /* 0: the descriptor `folder` itself */
    unsigned flags;
};

static bool is_below(struct slice path, const char *folder)
{
    size_t len = strlen(folder);

    return slice_starts_with(path, slice_of(folder)) &&
           (path.len == len || path.at[len] == '/');
}

/* Where it lies is asked of the object, not of the name. */
static int judge_place(struct guard *guard, int fd)
{
    int error = reach_name(fd, &guard->whole);

    for (const char *const *folder = guard->config->own; error == 0 && *folder != NULL;
         folder++)
        if (is_below(buf_slice(&guard->whole), *folder))
            return 0;
    return error == 0 || error == ENOENT ? EACCES : error;
}

static int find_named(struct guard *guard, struct caller *caller, const struct target *target,
                      int *ret_fd)
{
    struct reach_wish wish = {.folder = target->folder, .flags = O_PATH};
    struct reached reached = {.fd = -1};
    struct fault fault = {0};
    int error;

    if (!caller_text(caller, target->path, &guard->path, &fault))
        return fault.kind == FAULT_LIMIT ? ENAMETOOLONG : EFAULT;
    if (!guard_is_waiting(guard))
        return ESRCH;
    if (guard->path.len == 0 && (target->flags & AT_EMPTY_PATH) != 0) {
        errno = EBADF;
        return caller_open_number(caller, target->folder, ret_fd, &fault) ? 0 : errno;
    }
    if ((target->flags & AT_SYMLINK_NOFOLLOW) != 0)
        wish.flags |= O_NOFOLLOW;
    wish.path = buf_text(&guard->path);
    error = reach_open(&guard->reach, caller, &wish, &reached);
    *ret_fd = reached.fd;
    return error;
}

static int find(struct guard *guard, struct caller *caller, const struct target *target,
                int *ret_fd)
{
    struct fault fault = {0};
    int error = 0;

    buf_clear(&guard->whole);
    errno = EBADF;
    if (target->path != 0)
        error = find_named(guard, caller, target, ret_fd);
    else if (!caller_open_number(caller, target->folder, ret_fd, &fault))
        error = errno == ENOENT ? EBADF : errno;
    return error == 0 ? judge_place(guard, *ret_fd) : error;
}

/* An O_PATH object by a name of ours: the very same. */
static void link_of(int fd, char link[32])
{
    (void)snprintf(link, 32, "/proc/self/fd/%d", fd);
}

/* `error` of find: where it was no place of the agent's, that is told. */
static bool tell(struct guard *guard, struct caller *caller, int error, const char *reason)
{
    const struct guard_refusal refusal = {.reason = reason, .path = buf_slice(&guard->whole)};

    return (error != EACCES && error != EPERM) || guard_refused(guard, caller, &refusal);
}

static enum guard_verdict change_mode(struct guard *guard, struct caller *caller,
                                      const struct target *target, mode_t mode, int *ret_error)
{
    AUTO_CLOSE int fd = -1;
    struct stat stat;
    char link[32];

    if (!guard_find_root(guard, caller))
        return GUARD_END;
    *ret_error = find(guard, caller, target, &fd);
    if (!tell(guard, caller, *ret_error, "chmod"))
        return GUARD_END;
    if (*ret_error == 0 && fstat(fd, &stat) == 0 && S_ISLNK(stat.st_mode))
        *ret_error = EOPNOTSUPP; /* links have no mode */
    if (*ret_error == 0) {
        link_of(fd, link);
        *ret_error = fchmodat(AT_FDCWD, link, mode & MODE_MASK, 0) < 0 ? errno : 0;
    }
    guard->result = 0;
    return *ret_error == 0 ? GUARD_RESULT : GUARD_REFUSE;
}

enum guard_verdict guard_chmod(struct guard *guard, struct caller *caller, int *ret_error)
{
    const uint64_t *argument = (const uint64_t *)guard->call->data.args;
    const struct target target = {.folder = AT_FDCWD, .path = argument[0]};

    return change_mode(guard, caller, &target, (mode_t)argument[1], ret_error);
}

enum guard_verdict guard_fchmod(struct guard *guard, struct caller *caller, int *ret_error)
{
    const uint64_t *argument = (const uint64_t *)guard->call->data.args;
    const struct target target = {.folder = (int)argument[0]};

    return change_mode(guard, caller, &target, (mode_t)argument[1], ret_error);
}

enum guard_verdict guard_fchmodat(struct guard *guard, struct caller *caller, int *ret_error)
{
    const uint64_t *argument = (const uint64_t *)guard->call->data.args;
    const struct target target = {.folder = (int)argument[0], .path = argument[1]};

    return change_mode(guard, caller, &target, (mode_t)argument[2], ret_error);
}

enum guard_verdict guard_fchmodat2(struct guard *guard, struct caller *caller, int *ret_error)
{
    const uint64_t *argument = (const uint64_t *)guard->call->data.args;
    const struct target target = {
        .folder = (int)argument[0], .path = argument[1], .flags = (unsigned)argument[3]};

    return change_mode(guard, caller, &target, (mode_t)argument[2], ret_error);
}

enum guard_verdict guard_utimensat(struct guard *guard, struct caller *caller, int *ret_error)
{
    const uint64_t *argument = (const uint64_t *)guard->call->data.args;
    const struct target target = {
        .folder = (int)argument[0], .path = argument[1], .flags = (unsigned)argument[3]};
    bool now = argument[2] == 0;
    struct timespec times[2];
    AUTO_CLOSE int fd = -1;
    char link[32];

    if (!guard_find_root(guard, caller))
        return GUARD_END;
    *ret_error = !now && !caller_bytes(caller, argument[2], times, sizeof(times))
                     ? EFAULT
                     : find(guard, caller, &target, &fd);
    if (!tell(guard, caller, *ret_error, "utimensat"))
        return GUARD_END;
    if (*ret_error == 0) {
        link_of(fd, link);
        *ret_error = utimensat(AT_FDCWD, link, now ? NULL : times, 0) < 0 ? errno : 0;
    }
    guard->result = 0;
    return *ret_error == 0 ? GUARD_RESULT : GUARD_REFUSE;
}
