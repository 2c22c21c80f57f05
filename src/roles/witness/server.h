/* roles/witness/server.h - HTTP around a witness; see witness_server.c for its limits. */
#ifndef CUSTODY_ROLES_WITNESS_SERVER_H
#define CUSTODY_ROLES_WITNESS_SERVER_H

#include "ledger/witness.h"

/*
 * listener and signals: non-blocking; borrowed. Serves until a signal.
 *   guard  readable when there is nobody left to sign: FAULT_IO
 */
MUST_USE bool witness_server_run(int listener, int signals, int guard, struct witness *witness,
                                 struct fault *fault);

#endif
