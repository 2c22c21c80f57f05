#include "ledger/handover.h"

#include "base/scope.h"
#include "ledger/note_parts.h"

bool handover_write(struct slice bytes, const struct note_signer *old, struct buf *ret_bytes,
                    struct fault *fault)
{
    AUTO_BUF struct buf own = buf_with_limit(NOTE_BYTES_MAX);
    struct note note, by_old;

    return note_parse(bytes, &note, fault) && note_sign(old, note.text, &own, fault) &&
           note_parse(buf_slice(&own), &by_old, fault) && buf_add(ret_bytes, bytes, fault) &&
           note_signature_write(&by_old.signatures[0], ret_bytes, fault);
}

bool handover_open(struct slice bytes, const struct note_key *new_key,
                   const struct note_key *old_key, struct checkpoint *ret_checkpoint,
                   struct fault *fault)
{
    struct note note;

    return note_parse(bytes, &note, fault) && note_verify(&note, old_key, fault) &&
           checkpoint_open(bytes, new_key, ret_checkpoint, fault);
}
