/*
 * roles/ledger_role/reserve.h - room on the disk that is held for the ledger's last words.
 *
 * ledger/reserve is allocated and never written to. When the disk is full it is removed: then
 * there is room for the tiles and the checkpoint of the records that say so. Others on the
 * same disk can take that room, too: it is a chance, not a promise.
 */
#ifndef CUSTODY_ROLES_LEDGER_RESERVE_H
#define CUSTODY_ROLES_LEDGER_RESERVE_H

#include "base/fault.h"

#define LEDGER_RESERVE_BYTES (8 * 1024 * 1024)

bool ledger_reserve_is_there(int folder);
/* FAULT_LIMIT: there is no room; then there is no reserve. */
MUST_USE bool ledger_reserve_make(int folder, struct fault *fault);
/* False: there was none. */
bool ledger_reserve_give_up(int folder);

#endif
