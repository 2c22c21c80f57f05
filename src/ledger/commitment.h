/*
 * ledger/commitment.h - a record names a value and does not hold it. Whoever has the record's
 * key and the value can show that it is that one; nobody can test a guess without the key.
 *
 *   commitment = HMAC-SHA256(K_rec,
 *                    "ledger/commit/v1" 00 || u16be len(field) || field || value)
 *
 * K_rec (scope_key.h) is exactly 32 bytes: HMAC pads keys with zeros, so keys of other lengths
 * would not bind. Hiding while K_rec is secret, binding because HMAC-SHA256 is collision
 * resistant.
 */
#ifndef CUSTODY_LEDGER_COMMITMENT_H
#define CUSTODY_LEDGER_COMMITMENT_H

#include "base/bytes.h"
#include "base/fault.h"
#include "wire/record.h"

#define COMMITMENT_BYTES 32
#define COMMITMENT_KEY_BYTES 32

/*
 * What the value of such a record is called: "ticket", "prompt", "answer", "diff", "output";
 * NULL: it has none. It goes into the commitment and into the key, so one opening opens nothing
 * else.
 */
const char *commitment_field(enum record_type type);

/*
 * The arguments of a program (`process.command`): one key a run, and not one a record, since
 * whoever makes these reads hostile memory and must not hold the scope's. So an opening of one
 * lets guesses at the others be tested, those of that run.
 */
#define COMMITMENT_COMMAND "command"
/* A value that was replaced in what an agent was shown (`object.receipts`): one key a run, held
 * by the view while it starts. */
#define COMMITMENT_REDACTION "redaction"

struct commitment_named {
    const char *field;   /* borrowed for ever */
    struct slice digest; /* 64 digits; of the record */
};
/* What the record commits to. False: to nothing. */
bool commitment_named_by(const struct record *record, struct commitment_named *ret_named);

MUST_USE bool commitment_make(const uint8_t key[COMMITMENT_KEY_BYTES], const char *field,
                              struct slice value, uint8_t ret_commitment[COMMITMENT_BYTES],
                              struct fault *fault);
/* The same as a record has it: 64 digits and a NUL. */
MUST_USE bool commitment_text(const uint8_t key[COMMITMENT_KEY_BYTES], const char *field,
                              struct slice value, char ret_text[2 * COMMITMENT_BYTES + 1],
                              struct fault *fault);

/*
 * An opening, as `extra` of a proof file: base64 of "commitment-opening/v1" 00 || K_rec. The
 * value stands in a file beside it: it may be larger than a proof.
 */
MUST_USE bool commitment_opening(const uint8_t key[COMMITMENT_KEY_BYTES],
                                 struct buf *ret_extra, struct fault *fault);
/*
 * Does `extra` open the commitment of `leaf`, a record, to `value`?
 * FAULT_MISSING: the record has no commitment, or `extra` is no opening: nothing can be said.
 * FAULT_CONFLICT: it does not fit.
 */
MUST_USE bool commitment_check(struct slice leaf, struct slice extra, struct slice value,
                               struct fault *fault);

#endif
