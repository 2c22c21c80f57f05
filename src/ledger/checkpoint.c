#include "ledger/checkpoint.h"

#include "base/scope.h"
#include "base/utf8.h"

#include "wire/base64.h"
#include "wire/jcs.h"

bool checkpoint_parse_size(struct slice digits, uint64_t *ret_size)
{
    uint64_t size = 0;

    if (digits.len == 0 || digits.len > 19 || (digits.at[0] == '0' && digits.len > 1))
        return false;
    for (size_t i = 0; i < digits.len; i++) {
        if (digits.at[i] < '0' || digits.at[i] > '9')
            return false;
        size = size * 10 + (uint64_t)(digits.at[i] - '0');
    }
    *ret_size = size;
    return size < TREE_SIZE_MAX;
}

bool checkpoint_parse_foreign(struct slice text, struct checkpoint *ret_checkpoint,
                              struct slice *ret_extensions, struct fault *fault)
{
    struct checkpoint checkpoint;
    struct slice size = {0}, root = {0}, rest = text;

    if (!slice_cut(&rest, '\n', &checkpoint.origin) || !slice_cut(&rest, '\n', &size) ||
        !slice_cut(&rest, '\n', &root) || rest.at == NULL)
        return fault_set(fault, FAULT_INVALID, "checkpoint: fewer than three lines");
    if (checkpoint.origin.len == 0 || checkpoint.origin.len > CHECKPOINT_ORIGIN_BYTES_MAX ||
        !utf8_is_printable(checkpoint.origin))
        return fault_set(fault, FAULT_INVALID, "checkpoint: no origin");
    if (!checkpoint_parse_size(size, &checkpoint.size))
        return fault_set(fault, FAULT_INVALID, "checkpoint: the size is not a number");
    if (!base64_decode_exactly(root, checkpoint.root.at, TREE_HASH_BYTES))
        return fault_set(fault, FAULT_INVALID,
                         "checkpoint: the root is not 32 bytes in base64");
    *ret_checkpoint = checkpoint;
    *ret_extensions = rest;
    return true;
}

bool checkpoint_parse(struct slice text, struct checkpoint *ret_checkpoint,
                      struct fault *fault)
{
    struct checkpoint checkpoint;
    struct tree_hash empty = tree_root(&(struct tree_range){0});
    struct slice extensions;

    if (!checkpoint_parse_foreign(text, &checkpoint, &extensions, fault))
        return false;
    if (extensions.len != 0)
        return fault_set(fault, FAULT_INVALID, "checkpoint: extension lines");
    if (checkpoint.size == 0 && !tree_hash_equal(&checkpoint.root, &empty))
        return fault_set(fault, FAULT_INVALID, "checkpoint: an empty tree with another root");
    *ret_checkpoint = checkpoint;
    return true;
}

bool checkpoint_format(const struct checkpoint *checkpoint, struct buf *ret_text,
                       struct fault *fault)
{
    return buf_add(ret_text, checkpoint->origin, fault) &&
           buf_add_format(ret_text, fault, "\n%llu\n", (unsigned long long)checkpoint->size) &&
           base64_encode(slice_of_bytes(checkpoint->root.at, TREE_HASH_BYTES), ret_text,
                         fault) &&
           buf_add_byte(ret_text, '\n', fault);
}

bool checkpoint_open(struct slice note_bytes, const struct note_key *key,
                     struct checkpoint *ret_checkpoint, struct fault *fault)
{
    struct checkpoint checkpoint;
    struct note note;

    if (!note_parse(note_bytes, &note, fault) || !note_verify(&note, key, fault) ||
        !checkpoint_parse(note.text, &checkpoint, fault))
        return false;
    if (!slice_equal(checkpoint.origin, slice_of(note_key_name(key))))
        return fault_set(fault, FAULT_INVALID, "checkpoint: the origin is %.*s, the key is %s",
                         SLICE_ARGS(slice_part(checkpoint.origin, 0, 80)), note_key_name(key));
    *ret_checkpoint = checkpoint;
    return true;
}

bool checkpoint_sign(uint64_t size, const struct tree_hash *root,
                     const struct note_signer *signer, struct buf *ret_note,
                     struct fault *fault)
{
    AUTO_BUF struct buf text = buf_with_limit(1024);
    struct checkpoint checkpoint = {
        .origin = slice_of(note_signer_name(signer)), .size = size, .root = *root};

    return checkpoint_format(&checkpoint, &text, fault) &&
           note_sign(signer, buf_slice(&text), ret_note, fault);
}
