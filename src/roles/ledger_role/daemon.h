/*
 * roles/ledger_role/daemon.h - the ledger's loop: producers in, acknowledgements out.
 */
#ifndef CUSTODY_ROLES_LEDGER_DAEMON_H
#define CUSTODY_ROLES_LEDGER_DAEMON_H

#include "base/fault.h"
#include "roles/ledger_role/writer.h"

struct ledger_daemon {
    int listener; /* SOCK_SEQPACKET, non-blocking */
    int signals;  /* signalfd of what ends it in order */
    int lock;     /* while that file is there, no other daemon begins */
    struct ledger_writer *writer;
    int relay;                    /* its socket (roles/ledger_role/relay.h); -1: there is none */
    struct ledger_quorum *quorum; /* NULL: it does not matter what comes from there */
    int64_t linger_us;            /* how long it stays when nobody is connected */
};

/* Serves until nobody needs it, or a signal; then closes the log. False: it ended out of
 * order. */
MUST_USE bool ledger_daemon_serve(const struct ledger_daemon *daemon, struct fault *fault);

#endif
