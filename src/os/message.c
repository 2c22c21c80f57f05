#include "os/message.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

bool message_pair(int ret_ends[2], struct fault *fault)
{
    int room = 4 * MESSAGE_BYTES_MAX;
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return fault_errno(fault, "make a socket pair");
    for (int i = 0; i < 2; i++)
        if (setsockopt(ends[i], SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room)) < 0)
            (void)setsockopt(ends[i], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
    ret_ends[0] = ends[0];
    ret_ends[1] = ends[1];
    return true;
}

static bool wait_for(int socket, short events, int timeout_ms, struct fault *fault)
{
    struct pollfd poll_fd = {.fd = socket, .events = events};
    int ready;

    do
        ready = poll(&poll_fd, 1, timeout_ms);
    while (ready < 0 && errno == EINTR);
    if (ready < 0)
        return fault_errno(fault, "wait for a packet");
    if (ready == 0)
        return fault_set(fault, FAULT_LIMIT, "no answer within %d ms", timeout_ms);
    return true;
}

bool message_send(int socket, struct slice body, const struct message_fds *fds,
                  struct fault *fault)
{
    struct iovec part = {.iov_base = (void *)(uintptr_t)body.at, .iov_len = body.len};
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(sizeof(int) * MESSAGE_FDS_MAX)];
    } control = {0};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};

    if (body.len == 0 || body.len > MESSAGE_BYTES_MAX)
        return fault_set(fault, FAULT_LIMIT, "packet of %zu bytes", body.len);
    if (fds != NULL && fds->count > 0) {
        struct cmsghdr *item;

        header.msg_control = control.room;
        header.msg_controllen = CMSG_SPACE(sizeof(int) * fds->count);
        item = CMSG_FIRSTHDR(&header);
        item->cmsg_level = SOL_SOCKET;
        item->cmsg_type = SCM_RIGHTS;
        item->cmsg_len = CMSG_LEN(sizeof(int) * fds->count);
        memcpy(CMSG_DATA(item), fds->fd, sizeof(int) * fds->count);
    }
    for (;;) {
        ssize_t put = sendmsg(socket, &header, MSG_NOSIGNAL);

        if (put >= 0)
            return true;
        if (errno == EAGAIN || errno == ENOBUFS) {
            if (!wait_for(socket, POLLOUT, -1, fault))
                return false;
        } else if (errno != EINTR) {
            return fault_errno(fault, "send a packet");
        }
    }
}

static void take_fds(struct msghdr *header, struct message_fds *fds)
{
    for (struct cmsghdr *item = CMSG_FIRSTHDR(header); item != NULL;
         item = CMSG_NXTHDR(header, item)) {
        size_t count;

        if (item->cmsg_level != SOL_SOCKET || item->cmsg_type != SCM_RIGHTS)
            continue;
        count = (item->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count && fds->count < MESSAGE_FDS_MAX; i++)
            memcpy(&fds->fd[fds->count++], CMSG_DATA(item) + i * sizeof(int), sizeof(int));
    }
}

bool message_receive(int socket, struct buf *body, struct message_fds *fds, int timeout_ms,
                     bool *ret_end, struct fault *fault)
{
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(sizeof(int) * MESSAGE_FDS_MAX)];
    } control;
    struct message_fds arrived = {0};
    struct iovec part;
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
    ssize_t got;

    buf_clear(body);
    if (!buf_reserve(body, MESSAGE_BYTES_MAX, fault))
        return false;
    if (timeout_ms >= 0 && !wait_for(socket, POLLIN, timeout_ms, fault))
        return false;
    do {
        part = (struct iovec){.iov_base = body->at, .iov_len = MESSAGE_BYTES_MAX};
        header.msg_control = control.room;
        header.msg_controllen = sizeof(control.room);
        got = recvmsg(socket, &header, MSG_CMSG_CLOEXEC);
        if (got < 0 && errno == EAGAIN && !wait_for(socket, POLLIN, -1, fault))
            return false;
    } while (got < 0 && (errno == EINTR || errno == EAGAIN));
    if (got < 0 && errno == ECONNRESET)
        got = 0; /* the peer died with packets of ours unread: an end like any other */
    else if (got < 0)
        return fault_errno(fault, "receive a packet");
    take_fds(&header, &arrived);
    if ((header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
        message_fds_close(&arrived);
        return fault_set(fault, FAULT_INVALID, "packet was cut");
    }
    body->len = (size_t)got;
    *ret_end = got == 0;
    if (fds != NULL)
        *fds = arrived;
    else
        message_fds_close(&arrived);
    return true;
}

void message_fds_close(struct message_fds *fds)
{
    for (size_t i = 0; i < fds->count; i++)
        (void)close(fds->fd[i]);
    fds->count = 0;
}
