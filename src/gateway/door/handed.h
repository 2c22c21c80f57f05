/*
 * gateway/door/handed.h - a connection whose client takes the door for a proxy is not the
 * door's: it goes, with what was read of it, to the process that carries what policy's
 * `egress` allows. The door reads no more of it than this.
 */
#ifndef CUSTODY_GATEWAY_HANDED_H
#define CUSTODY_GATEWAY_HANDED_H

#include "gateway/gateway.h"

#define HANDED_BYTES_MAX 512

enum handed {
    HANDED_UNKNOWN, /* more bytes decide */
    HANDED_NO,      /* the door's own */
    HANDED_YES,     /* CONNECT, or a whole URL of another host */
};

/* By the first bytes of a connection; from HANDED_BYTES_MAX on they decide. */
enum handed handed_read(const struct door_egress *egress, struct slice bytes);
/* Passes the descriptor on; the caller still closes its own. */
MUST_USE bool handed_on(const struct door_egress *egress, int fd, struct slice bytes,
                        struct fault *fault);

#endif
