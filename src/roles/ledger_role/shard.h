/*
 * roles/ledger_role/shard.h - ends the current shard and begins the next: new key, new origin,
 * new tree (ledger/shards.h).
 *
 *   1  shards/turn/     the new key and what is to be done; once it has its name, it is done
 *   2  ledger/          its last record key.rotated, its last checkpoint, `vkey` beside it
 *   3  shards/next/     its first record shard.begun, its first checkpoint, `handover`
 *   4  the two change places at once; what was ledger/ becomes shards/NNNN
 *   5  keys/            the new key takes the old one's place; keys/retired/NNNN.vkey
 *
 * Killed anywhere before 1 it is as if nothing was asked; anywhere behind it, the next start
 * of the ledger does the rest. Nothing is signed twice: the log itself knows how far it was.
 */
#ifndef CUSTODY_ROLES_LEDGER_SHARD_H
#define CUSTODY_ROLES_LEDGER_SHARD_H

#include "base/bytes.h"
#include "base/clock.h"

enum ledger_turn_reason {
    LEDGER_TURN_ROTATED,
    LEDGER_TURN_YEAR,
    LEDGER_TURN_COMPROMISED,
    LEDGER_TURN_LOST,     /* no old key: neither key.rotated nor handover */
    LEDGER_TURN_RESTORED, /* a copy: its last shard may go on elsewhere, so nothing is added */
    LEDGER_TURN_REASON_COUNT,
};

struct ledger_turn {
    enum ledger_turn_reason reason;
    const char *person; /* who asked; NULL: the ledger itself */
};

/* The word in key.rotated and shard.begun. */
const char *ledger_turn_reason_name(enum ledger_turn_reason reason);

/*
 * All five steps. The caller holds ledger_lock's lock on `folder`; afterwards ledger/ is
 * another folder. FAULT_HOST: this key cannot be made anew the way it is kept, or the file
 * system cannot exchange two folders; nothing was changed.
 */
MUST_USE bool ledger_turn(int home_fd, int folder, const struct ledger_turn *turn,
                          const struct clock *clock, struct fault *fault);
/* Does the rest of a turn that was cut off; *ret_turned says whether there was one. */
MUST_USE bool ledger_turn_finish(int home_fd, int folder, const struct clock *clock,
                                 bool *ret_turned, struct fault *fault);
/*
 * ledger/ and its lock, ready to be written to: a turn that was cut off is done, and a shard
 * whose year (UTC) is over is followed by a new one. FAULT_CONFLICT: another process has it.
 * FAULT_DENIED: this ledger was moved to another host.
 */
MUST_USE bool ledger_current(int home_fd, const struct clock *clock, int *ret_folder,
                             int *ret_lock, struct fault *fault);

#endif
