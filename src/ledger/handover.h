/*
 * ledger/handover.h - the first checkpoint of a new shard, signed by both keys.
 *
 * A signed note whose text is that checkpoint, with a line of the new key and one of the key
 * of the shard before: whoever held the old key has agreed to go on there.
 */
#ifndef CUSTODY_LEDGER_HANDOVER_H
#define CUSTODY_LEDGER_HANDOVER_H

#include "ledger/checkpoint.h"

#define HANDOVER_NAME "handover" /* beside `checkpoint` */

/* Appends `note` (the new key's, of the first checkpoint) with a line of `old` behind it. */
MUST_USE bool handover_write(struct slice note, const struct note_signer *old,
                             struct buf *ret_bytes, struct fault *fault);
/* FAULT_INVALID: not a checkpoint of `new_key` that both have signed. Borrows from `bytes`. */
MUST_USE bool handover_open(struct slice bytes, const struct note_key *new_key,
                            const struct note_key *old_key, struct checkpoint *ret_checkpoint,
                            struct fault *fault);

#endif
