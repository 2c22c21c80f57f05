#include "gateway/call.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

const char *const call_header_names[CALL_HEADER_COUNT] = {
    [CALL_HEADER_ACCEPT] = "accept",
    [CALL_HEADER_ANTHROPIC_VERSION] = "anthropic-version",
    [CALL_HEADER_ANTHROPIC_BETA] = "anthropic-beta",
};

static enum call_sent what_became(ssize_t sent)
{
    if (sent >= 0)
        return CALL_SENT;
    return errno == EAGAIN || errno == ENOBUFS ? CALL_FULL : CALL_GONE;
}

static enum call_sent send_parts(int socket, struct iovec *parts, size_t count)
{
    struct msghdr header = {.msg_iov = parts, .msg_iovlen = count};
    ssize_t sent;

    do
        sent = sendmsg(socket, &header, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (sent < 0 && errno == EINTR);
    return what_became(sent);
}

/* A packet that lies in one piece, as those of a stream do. */
static enum call_sent send_one(int socket, struct slice packet)
{
    ssize_t sent;

    do
        sent = send(socket, packet.at, packet.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (sent < 0 && errno == EINTR);
    return what_became(sent);
}

static struct iovec part_of(const void *at, size_t len)
{
    return (struct iovec){.iov_base = (void *)(uintptr_t)at, .iov_len = len};
}

enum call_sent call_send(int socket, uint8_t type, struct slice bytes)
{
    struct iovec parts[] = {part_of(&type, 1), part_of(bytes.at, bytes.len)};

    if (type == 0)
        return send_one(socket, bytes);
    return send_parts(socket, parts, COUNT(parts));
}

enum call_sent call_send_batch(int socket, const struct slice *packets, size_t count)
{
    static const uint8_t type = CALL_BATCH;
    struct iovec parts[1 + 2 * CALL_BATCH_MAX] = {part_of(&type, 1)};
    uint32_t lens[CALL_BATCH_MAX];

    for (size_t i = 0; i < count && i < CALL_BATCH_MAX; i++) {
        lens[i] = (uint32_t)packets[i].len;
        parts[1 + 2 * i] = part_of(&lens[i], sizeof(lens[i]));
        parts[2 + 2 * i] = part_of(packets[i].at, packets[i].len);
    }
    return send_parts(socket, parts, 1 + 2 * count);
}

bool call_next(struct slice *rest, struct slice *ret_packet)
{
    uint32_t len;

    if (rest->len < sizeof(len))
        return false;
    memcpy(&len, rest->at, sizeof(len));
    if (len == 0 || len > rest->len - sizeof(len))
        return false;
    *ret_packet = slice_part(*rest, sizeof(len), sizeof(len) + len);
    *rest = slice_part(*rest, sizeof(len) + len, rest->len);
    return true;
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

bool call_printable(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!is_printable(text.at[i]))
            return false;
    return true;
}

struct slice call_header(const struct call_open *open, struct slice headers,
                         enum call_header which)
{
    size_t from = 0;

    for (unsigned i = 0; i < which; i++)
        from += open->header_bytes[i];
    return slice_part(headers, from, from + open->header_bytes[which]);
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
