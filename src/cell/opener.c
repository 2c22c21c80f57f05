#include "cell/opener.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/scope.h"
#include "os/message.h"
#include "os/proc.h"

#define ANCESTORS_MAX 4096
#define ANSWER_MS_MAX 10000

struct question {
    pid_t thread;
};

struct answer {
    int error;
};

static pid_t parent_of(pid_t pid)
{
    AUTO_FREE char *path = xformat("/proc/%d", (int)pid);
    AUTO_CLOSE int folder = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    struct proc_stat stat;

    return folder < 0 || !proc_stat_read(folder, &stat) ? 0 : stat.parent;
}

static bool is_below(pid_t pid, pid_t ancestor)
{
    for (int i = 0; i < ANCESTORS_MAX && pid > 1; i++) {
        pid = parent_of(pid);
        if (pid == ancestor)
            return true;
    }
    return false;
}

static int open_memory(pid_t thread, pid_t ancestor, int *ret_fd)
{
    AUTO_FREE char *path = xformat("/proc/%d/mem", (int)thread);
    AUTO_CLOSE int fd = -1;

    if (thread <= 1)
        return ESRCH;
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno;
    /* Afterwards: what is open is that process's, whoever has its number by now. */
    if (!is_below(thread, ancestor))
        return EPERM;
    *ret_fd = take_fd(&fd);
    return 0;
}

bool opener_answer(int asked, pid_t ancestor)
{
    struct question question;
    ssize_t got = recv(asked, &question, sizeof(question), MSG_DONTWAIT);
    struct message_fds fds = {0};
    struct answer answer = {.error = EINVAL};
    struct fault fault = {0};
    AUTO_CLOSE int fd = -1;

    if (got <= 0)
        return got < 0 && (errno == EAGAIN || errno == EINTR);
    if (got == (ssize_t)sizeof(question))
        answer.error = open_memory(question.thread, ancestor, &fd);
    if (answer.error == 0)
        fds.fd[fds.count++] = fd;
    return message_send(asked, slice_of_bytes(&answer, sizeof(answer)), &fds, &fault);
}

/* One packet, small: message_receive has room for the largest. */
static int receive(int opener, struct answer *ret_answer, int *ret_fd)
{
    union {
        struct cmsghdr header;
        uint8_t room[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec vector = {.iov_base = ret_answer, .iov_len = sizeof(*ret_answer)};
    struct msghdr message = {.msg_iov = &vector,
                             .msg_iovlen = 1,
                             .msg_control = control.room,
                             .msg_controllen = sizeof(control.room)};
    struct pollfd ready = {.fd = opener, .events = POLLIN};
    const struct cmsghdr *header;

    if (poll(&ready, 1, ANSWER_MS_MAX) != 1 ||
        recvmsg(opener, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT) !=
            (ssize_t)sizeof(*ret_answer))
        return EIO;
    header = CMSG_FIRSTHDR(&message);
    if (header != NULL && header->cmsg_type == SCM_RIGHTS &&
        header->cmsg_len == CMSG_LEN(sizeof(int)))
        memcpy(ret_fd, CMSG_DATA(header), sizeof(*ret_fd));
    return 0;
}

int opener_ask(int opener, pid_t thread, int *ret_fd)
{
    const struct question question = {.thread = thread};
    struct answer answer = {.error = EIO};
    AUTO_CLOSE int fd = -1;
    int error;

    if (send(opener, &question, sizeof(question), MSG_NOSIGNAL) != (ssize_t)sizeof(question))
        return EIO;
    error = receive(opener, &answer, &fd);
    if (error == 0)
        error = answer.error;
    if (error == 0 && fd < 0)
        error = EIO;
    if (error == 0)
        *ret_fd = take_fd(&fd);
    return error;
}
