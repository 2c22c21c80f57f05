/* Notes, keys and checkpoints: what parses is what it says, and is written back the same. */
#include <stdlib.h>

#include "base/scope.h"
#include "ledger/checkpoint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void parse_checkpoint(struct slice text)
{
    AUTO_BUF struct buf again = buf_with_limit(1 << 20);
    struct checkpoint checkpoint;
    struct fault fault = {0};

    if (!checkpoint_parse(text, &checkpoint, &fault))
        return;
    if (!checkpoint_format(&checkpoint, &again, &fault) ||
        !slice_equal(buf_slice(&again), text))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct note_key *known;
    struct slice input = slice_of_bytes(data, size);
    struct note_key *key;
    struct note_signer *signer;
    struct note note;
    struct fault fault = {0};

    if (known == NULL &&
        !note_key_parse(
            SLICE("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"),
            &known, &fault))
        abort();
    if (note_parse(input, &note, &fault)) {
        if (note.signature_count == 0 || note.text.at[note.text.len - 1] != '\n')
            abort();
        if (!note_verify(&note, known, &fault) && fault.kind != FAULT_INVALID)
            abort();
        parse_checkpoint(note.text);
    }
    parse_checkpoint(input);
    if (note_key_parse(input, &key, &fault))
        note_key_free(key);
    if (note_signer_parse(input, &signer, &fault))
        note_signer_free(signer);
    return 0;
}
