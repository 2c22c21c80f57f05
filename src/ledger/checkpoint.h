/*
 * ledger/checkpoint.h - C2SP checkpoints (c2sp.org/tlog-checkpoint v1.0.0).
 *
 *   <origin>\n<size>\n<base64 root[32]>\n   ... in a signed note
 */
#ifndef CUSTODY_LEDGER_CHECKPOINT_H
#define CUSTODY_LEDGER_CHECKPOINT_H

#include "ledger/note.h"
#include "ledger/tree.h"

#define CHECKPOINT_ORIGIN_BYTES_MAX 255

struct checkpoint {
    struct slice origin; /* borrows from the text */
    uint64_t size;
    struct tree_hash root;
};

/*
 * Parses the signed text of a note. Refuses extension lines (ours have none), leading zeros,
 * and a tree of size 0 whose root is not SHA-256("").
 */
MUST_USE bool checkpoint_parse(struct slice text, struct checkpoint *ret_checkpoint,
                               struct fault *fault);
/* Anyone's log, form only: takes extension lines, and whatever root for size 0. */
MUST_USE bool checkpoint_parse_foreign(struct slice text, struct checkpoint *ret_checkpoint,
                                       struct slice *ret_extensions, struct fault *fault);
/* A number as the formats write it: digits, no leading zero, below TREE_SIZE_MAX. */
MUST_USE bool checkpoint_parse_size(struct slice digits, uint64_t *ret_size);
/* Appends the text. */
MUST_USE bool checkpoint_format(const struct checkpoint *checkpoint, struct buf *ret_text,
                                struct fault *fault);

/* Parses a note, verifies it by `key`, parses its text and compares the origin with the key's
 * name. */
MUST_USE bool checkpoint_open(struct slice note_bytes, const struct note_key *key,
                              struct checkpoint *ret_checkpoint, struct fault *fault);
/* Appends a signed note; the origin is the signer's name. */
MUST_USE bool checkpoint_sign(uint64_t size, const struct tree_hash *root,
                              const struct note_signer *signer, struct buf *ret_note,
                              struct fault *fault);

#endif
