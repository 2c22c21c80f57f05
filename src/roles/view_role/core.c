/* Core's side of the view role: what it asks, and how it reads the answers. */
#include "base/scope.h"
#include "os/message.h"
#include "roles/packet.h"
#include "roles/view_role/parts.h"

/* One packet of the view. A failure that it tells of becomes the fault. */
static bool receive(int control, int timeout_ms, struct buf *in, struct message_fds *fds,
                    struct packet_reader *ret_reader, uint64_t *ret_packet,
                    struct fault *fault)
{
    char why[sizeof(fault->why)];
    bool end;

    if (!message_receive(control, in, fds, timeout_ms, &end, fault))
        return fault_in(fault, "the view");
    if (end)
        return fault_set(fault, FAULT_IO, "the view has ended");
    *ret_reader = (struct packet_reader){.rest = buf_slice(in)};
    *ret_packet = packet_number(ret_reader);
    if (*ret_packet != VIEW_PACKET_FAILED)
        return true;
    if (fds != NULL)
        message_fds_close(fds);
    {
        uint64_t kind = packet_number(ret_reader);

        packet_word(ret_reader, why, sizeof(why));
        if (!packet_end(ret_reader, fault))
            return fault_in(fault, "the view");
        return fault_set(fault,
                         kind >= FAULT_INVALID && kind <= FAULT_HOST ? (enum fault_kind)kind
                                                                     : FAULT_IO,
                         "%s", why);
    }
}

static bool send_number(int control, enum view_packet packet, const struct message_fds *fds,
                        struct fault *fault)
{
    AUTO_BUF struct buf out = buf_with_limit(MESSAGE_BYTES_MAX);

    return packet_put_number(&out, packet, fault) &&
           message_send(control, buf_slice(&out), fds, fault);
}

static bool unexpected(uint64_t packet, struct fault *fault)
{
    return fault_set(fault, FAULT_INVALID, "the view answered with packet %llu",
                     (unsigned long long)packet);
}

bool view_await_ready(int control, int timeout_ms, struct view_ready *ret_ready,
                      struct fault *fault)
{
    AUTO_BUF struct buf in = buf_with_limit(MESSAGE_BYTES_MAX);
    struct view_ready ready;
    struct packet_reader reader;
    struct message_fds fds = {0};
    uint64_t packet;

    if (!receive(control, timeout_ms, &in, &fds, &reader, &packet, fault))
        return false;
    if (packet != VIEW_PACKET_READY || fds.count > 1) {
        message_fds_close(&fds);
        return unexpected(packet, fault);
    }
    ready.cpu_us = packet_number(&reader);
    ready.plain_bytes = packet_number(&reader);
    ready.classes = packet_number(&reader);
    ready.known = packet_number(&reader);
    ready.known_fd = fds.count == 1 ? fds.fd[0] : -1;
    if (!packet_end(&reader, fault)) {
        message_fds_close(&fds);
        return fault_in(fault, "the view");
    }
    *ret_ready = ready;
    return true;
}

bool view_mounted(int control, int fuse_fd, int proc_fd, struct fault *fault)
{
    struct message_fds fds = {.fd = {fuse_fd, proc_fd}, .count = proc_fd >= 0 ? 2 : 1};

    return send_number(control, VIEW_PACKET_MOUNTED, &fds, fault);
}

bool view_disarm_planted(int control, int timeout_ms, struct view_witness *ret_witness,
                         struct fault *fault)
{
    AUTO_BUF struct buf in = buf_with_limit(MESSAGE_BYTES_MAX);
    struct packet_reader reader;
    uint64_t packet;

    if (!send_number(control, VIEW_PACKET_DISARM, NULL, fault) ||
        !receive(control, timeout_ms, &in, NULL, &reader, &packet, fault))
        return false;
    if (packet != VIEW_PACKET_DISARMED)
        return unexpected(packet, fault);
    ret_witness->reads = packet_number(&reader);
    ret_witness->reads_refused = packet_number(&reader);
    ret_witness->writes_refused = packet_number(&reader);
    packet_word(&reader, ret_witness->transport, sizeof(ret_witness->transport));
    return packet_end(&reader, fault);
}

/* Names come from the agent: all is checked that can be. */
static bool read_told(struct packet_reader *reader, const struct message_fds *fds,
                      struct view_told *ret_told, struct fault *fault)
{
    uint64_t kind = packet_number(reader), mode = packet_number(reader);
    uint64_t content = packet_number(reader), source = packet_number(reader);

    ret_told->size = packet_number(reader);
    packet_word(reader, ret_told->path, sizeof(ret_told->path));
    packet_word(reader, ret_told->renamed_from, sizeof(ret_told->renamed_from));
    packet_word(reader, ret_told->base_oid, sizeof(ret_told->base_oid));
    ret_told->bytes = packet_text(reader);
    if (!packet_end(reader, fault))
        return fault_in(fault, "the view");
    if (kind > VIEW_DELETED || content > VIEW_CONTENT_BYTES || source > UINT32_MAX ||
        ret_told->path[0] == 0 || (kind == VIEW_DELETED) != (content == VIEW_CONTENT_NONE) ||
        (kind == VIEW_DELETED ? mode != 0
                              : mode != SNAPSHOT_MODE_FILE && mode != SNAPSHOT_MODE_PROGRAM &&
                                    mode != SNAPSHOT_MODE_LINK) ||
        fds->count != (content == VIEW_CONTENT_FD ? 1U : 0U) ||
        (content == VIEW_CONTENT_SOURCE && source == SNAPSHOT_NONE) ||
        (content == VIEW_CONTENT_BYTES) != (ret_told->bytes.len > 0))
        return fault_set(fault, FAULT_INVALID, "the view told of a change that cannot be");
    ret_told->kind = (enum view_change_kind)kind;
    ret_told->mode = (uint32_t)mode;
    ret_told->content = (enum view_change_content)content;
    ret_told->source = (uint32_t)source;
    return true;
}

static bool read_done(struct packet_reader *reader, struct view_collected *collected,
                      struct fault *fault)
{
    collected->requests = packet_number(reader);
    collected->reads_recorded = packet_number(reader);
    collected->writes_recorded = packet_number(reader);
    collected->refused = packet_number(reader);
    return packet_end(reader, fault);
}

bool view_collect(int control, int timeout_ms,
                  bool (*tell)(void *self, struct view_told *told, struct fault *fault),
                  void *self, struct view_collected *ret_collected, struct fault *fault)
{
    AUTO_BUF struct buf in = buf_with_limit(MESSAGE_BYTES_MAX);
    AUTO_FREE struct view_told *told = xalloc(sizeof(*told));
    struct view_collected collected = {0};

    if (!send_number(control, VIEW_PACKET_COLLECT, NULL, fault))
        return false;
    for (;;) {
        struct message_fds fds = {0};
        struct packet_reader reader;
        uint64_t packet;
        bool done;

        if (!receive(control, timeout_ms, &in, &fds, &reader, &packet, fault))
            return false;
        if (packet == VIEW_PACKET_DONE && fds.count == 1) {
            collected.crossed = fds.fd[0];
            if (!read_done(&reader, &collected, fault)) {
                message_fds_close(&fds);
                return false;
            }
            *ret_collected = collected;
            return true;
        }
        done = packet == VIEW_PACKET_CHANGE ? read_told(&reader, &fds, told, fault)
                                            : unexpected(packet, fault);
        told->fd = fds.count == 1 ? fds.fd[0] : -1;
        if (done) {
            done = tell(self, told, fault);
            scope_close(&told->fd);
        } else {
            message_fds_close(&fds);
        }
        if (!done)
            return false;
        collected.changes++;
    }
}
