/* cell/packet.h - between core and pid 1 of the cell: one fixed struct, one packet each. */
#ifndef CUSTODY_CELL_PACKET_H
#define CUSTODY_CELL_PACKET_H

#include "cell/cell.h"
#include "os/message.h"

enum packet_kind {
    PACKET_MAPPED,     /* core: ids are mapped; build */
    PACKET_MOUNTED,    /* pid 1, with descriptors in the order of enum mounted_fd */
    PACKET_VIEW_READY, /* core */
    PACKET_LISTENER,   /* pid 1, with the listener, where the plan has a guard */
    PACKET_SEALED,     /* pid 1 */
    PACKET_GO,         /* core */
    PACKET_STARTED,    /* pid 1 */
    PACKET_EXITED,     /* pid 1 */
    PACKET_FAILED,     /* pid 1 */
    PACKET_KIND_COUNT,
};

struct packet {
    enum packet_kind kind;
    bool has_fuse, has_door,
        has_terminal;          /* MOUNTED: which descriptors follow; always /proc */
    struct cell_sealed sealed; /* SEALED: Landlock; GO: whether a group limits processes */
    uint32_t canary_count;
    struct cell_canary canaries[CELL_CANARIES_MAX];
    struct cell_exit exit;
    struct fault fault;
};

MUST_USE bool packet_send(int control, const struct packet *packet,
                          const struct message_fds *fds, struct fault *fault);
/* FAULT_INVALID: not a packet of ours. ret_end: the other side is gone. `fds` as
 * message_receive. */
MUST_USE bool packet_receive(int control, int timeout_ms, struct packet *ret_packet,
                             struct message_fds *fds, bool *ret_end, struct fault *fault);

#endif
