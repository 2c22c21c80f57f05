#include "cell/packet.h"

#include "base/scope.h"

bool packet_send(int control, const struct packet *packet, const struct message_fds *fds,
                 struct fault *fault)
{
    return message_send(control, slice_of_bytes(packet, sizeof(*packet)), fds, fault);
}

bool packet_receive(int control, int timeout_ms, struct packet *ret_packet,
                    struct message_fds *fds, bool *ret_end, struct fault *fault)
{
    AUTO_BUF struct buf body = buf_with_limit(MESSAGE_BYTES_MAX);
    struct packet packet;

    if (!message_receive(control, &body, fds, timeout_ms, ret_end, fault))
        return false;
    if (*ret_end)
        return true;
    if (body.len == sizeof(packet)) {
        memcpy(&packet, body.at, sizeof(packet));
        /* Text from the other side ends where its field ends. */
        packet.fault.why[sizeof(packet.fault.why) - 1] = '\0';
        for (size_t i = 0; i < CELL_CANARIES_MAX; i++) {
            packet.canaries[i].id[sizeof(packet.canaries[i].id) - 1] = '\0';
            packet.canaries[i].seen[sizeof(packet.canaries[i].seen) - 1] = '\0';
        }
        packet.sealed.filter_digest[0] = '\0';
        if (packet.kind < PACKET_KIND_COUNT && packet.canary_count <= CELL_CANARIES_MAX) {
            *ret_packet = packet;
            return true;
        }
    }
    if (fds != NULL)
        message_fds_close(fds);
    return fault_set(fault, FAULT_INVALID, "not a packet of a cell");
}
