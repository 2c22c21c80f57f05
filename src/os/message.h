/*
 * os/message.h - packets between custody's own processes, with descriptors where wanted.
 *
 * SOCK_SEQPACKET: a packet arrives whole or not at all; a closed peer reads as `end`. Who is
 * asking is the descriptor: one socket pair per peer.
 */
#ifndef CUSTODY_OS_MESSAGE_H
#define CUSTODY_OS_MESSAGE_H

#include "base/bytes.h"
#include "base/fault.h"

#define MESSAGE_BYTES_MAX (160 * 1024)
#define MESSAGE_FDS_MAX 8

struct message_fds {
    int fd[MESSAGE_FDS_MAX];
    size_t count;
};

/* Both ends close-on-exec. The send buffer holds at least one packet of MESSAGE_BYTES_MAX. */
MUST_USE bool message_pair(int ret_ends[2], struct fault *fault);
/* Blocks until sent (also on a non-blocking socket). `fds` may be NULL; they are duplicated,
 * not taken. */
MUST_USE bool message_send(int socket, struct slice body, const struct message_fds *fds,
                           struct fault *fault);
/*
 * Receives one packet into `body` (cleared first; limit at least MESSAGE_BYTES_MAX).
 *   fds         NULL: descriptors that arrive are closed. Else they are the caller's,
 *               close-on-exec.
 *   ret_end     true: the peer has closed; body is empty.
 *   timeout_ms  -1 waits for ever. FAULT_LIMIT when it is over.
 */
MUST_USE bool message_receive(int socket, struct buf *body, struct message_fds *fds,
                              int timeout_ms, bool *ret_end, struct fault *fault);
void message_fds_close(struct message_fds *fds);

#endif
