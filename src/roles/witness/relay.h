/*
 * roles/witness/relay.h - asks the policy's witnesses to cosign the ledger's checkpoints.
 *
 *   ledger/checkpoint.cosigned   the last checkpoint that enough of them have signed
 *   ledger/state/witnesses       a line for each (roles/witness/status.h)
 *
 * Appends never wait for it. It ends when the ledger's daemon has ended, after a last round.
 */
#ifndef CUSTODY_ROLES_WITNESS_RELAY_H
#define CUSTODY_ROLES_WITNESS_RELAY_H

#include "base/fault.h"

struct witness_relay {
    int home_fd;
    int daemon; /* a socket that takes struct witness_report; its end of file: it has ended */
};

/* In a process of its own that has never held the signing key. An exit code. */
int witness_relay_serve(const struct witness_relay *relay);

#endif
