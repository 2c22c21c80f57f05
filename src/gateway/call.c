#include "gateway/call.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

const char *const call_header_names[CALL_HEADER_COUNT] = {
    [CALL_HEADER_ACCEPT] = "accept",
    [CALL_HEADER_ANTHROPIC_VERSION] = "anthropic-version",
    [CALL_HEADER_ANTHROPIC_BETA] = "anthropic-beta",
};

enum call_sent call_send(int socket, uint8_t type, struct slice bytes)
{
    struct iovec parts[] = {{.iov_base = &type, .iov_len = type != 0},
                            {.iov_base = (void *)(uintptr_t)bytes.at, .iov_len = bytes.len}};
    struct msghdr header = {.msg_iov = parts, .msg_iovlen = COUNT(parts)};
    ssize_t sent;

    do
        sent = sendmsg(socket, &header, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (sent < 0 && errno == EINTR);
    if (sent >= 0)
        return CALL_SENT;
    return errno == EAGAIN || errno == ENOBUFS ? CALL_FULL : CALL_GONE;
}

ssize_t call_receive(int socket, uint8_t *room, size_t room_len)
{
    ssize_t got;

    do
        got = recv(socket, room, room_len, MSG_DONTWAIT);
    while (got < 0 && errno == EINTR);
    return got < 0 && errno == ECONNRESET ? 0 : got;
}

static bool is_printable(uint8_t byte)
{
    return byte >= 0x20 && byte < 0x7F;
}

void call_text(char *to, size_t room, struct slice text)
{
    size_t len = 0;

    for (size_t i = 0; i < text.len && len + 1 < room; i++)
        if (is_printable(text.at[i]))
            to[len++] = (char)text.at[i];
    to[len] = 0;
}

bool call_text_valid(const char *text, size_t room)
{
    for (size_t i = 0; i < room; i++) {
        if (text[i] == 0)
            return true;
        if (!is_printable((uint8_t)text[i]))
            return false;
    }
    return false;
}
