/*
 * roles/ledger_role/relay.h - the ledger's end of its relay: starts it, hears how its rounds
 * went.
 */
#ifndef CUSTODY_ROLES_LEDGER_RELAY_H
#define CUSTODY_ROLES_LEDGER_RELAY_H

#include "roles/ledger_role/quorum.h"

/*
 * Forks it: before the key is in memory.
 *   ret_socket  it goes on as long as this is open; -1: it could not be started, which
 *               quorum.state says where witnesses are asked for
 */
void ledger_relay_start(int home_fd, int *ret_socket);
/* Hands on what has come, and does not wait. False: the relay has ended. */
bool ledger_relay_take(int socket, struct ledger_quorum *quorum);
/*
 * Where records wait too long already, because nothing has run for a while: waits for the
 * first round, so that nobody is refused for what is over with it.
 */
void ledger_relay_catch_up(int socket, struct ledger_quorum *quorum);

#endif
