#include "ledger/cosignature.h"

#include <stdlib.h>

#include "base/scope.h"
#include "ledger/note_parts.h"
#include "wire/base64.h"

#define TIME_BYTES 8
#define BLOB_BYTES (NOTE_ID_BYTES + TIME_BYTES + NOTE_SIGNATURE_BYTES)
#define HEAD_BYTES_MAX 64 /* "cosignature/v1\ntime 9223372036854775807\n" */

struct cosignature_key {
    struct note_key *key;
};

bool cosignature_key_parse(struct slice vkey, struct cosignature_key **ret_key,
                           struct fault *fault)
{
    struct cosignature_key *key;
    struct note_key *inner;

    if (!note_key_parse_as(vkey, NOTE_TYPE_COSIGNATURE, &inner, fault))
        return false;
    key = xalloc(sizeof(*key));
    key->key = inner;
    *ret_key = key;
    return true;
}

void cosignature_key_free(struct cosignature_key *key)
{
    if (key == NULL)
        return;
    note_key_free(key->key);
    free(key);
}

const char *cosignature_key_name(const struct cosignature_key *key)
{
    return note_key_name(key->key);
}

const uint8_t *cosignature_key_public(const struct cosignature_key *key)
{
    return note_key_public(key->key);
}

bool cosignature_message(struct slice text, uint64_t time, struct buf *ret_message,
                         struct fault *fault)
{
    return buf_add_format(ret_message, fault, "cosignature/v1\ntime %llu\n",
                          (unsigned long long)time) &&
           buf_add(ret_message, text, fault);
}

static uint64_t get_u64(const uint8_t *at)
{
    uint64_t value = 0;

    for (int i = 0; i < TIME_BYTES; i++)
        value = value << 8 | at[i];
    return value;
}

static void put_u64(uint8_t *at, uint64_t value)
{
    for (int i = 0; i < TIME_BYTES; i++)
        at[i] = (uint8_t)(value >> (8 * (TIME_BYTES - 1 - i)));
}

static bool is_good(const struct note *note, const struct note_signature *signature,
                    const struct note_key *key, uint64_t *ret_time)
{
    AUTO_BUF struct buf message = buf_with_limit(HEAD_BYTES_MAX + NOTE_BYTES_MAX);
    uint8_t blob[BLOB_BYTES];
    struct fault ignored = {0};
    uint64_t time;

    if (!base64_decode_exactly(signature->base64, blob, sizeof(blob)))
        return false;
    time = get_u64(blob + NOTE_ID_BYTES);
    if (time == 0 || time > COSIGNATURE_TIME_MAX ||
        !cosignature_message(note->text, time, &message, &ignored) ||
        !note_key_check(key, buf_slice(&message), blob + NOTE_ID_BYTES + TIME_BYTES))
        return false;
    *ret_time = time;
    return true;
}

bool cosignature_verify(const struct note *note, const struct cosignature_key *key,
                        uint64_t *ret_time, struct fault *fault)
{
    uint64_t latest = 0, time;

    for (size_t i = 0; i < note->signature_count; i++) {
        const struct note_signature *signature = &note->signatures[i];

        if (!note_key_made(key->key, signature))
            continue;
        if (!is_good(note, signature, key->key, &time))
            return fault_set(fault, FAULT_INVALID, "note: the cosignature of %s is wrong",
                             cosignature_key_name(key));
        latest = time > latest ? time : latest;
    }
    if (latest == 0)
        return fault_set(fault, FAULT_MISSING, "note: no cosignature of %s",
                         cosignature_key_name(key));
    if (ret_time != NULL)
        *ret_time = latest;
    return true;
}

bool cosignature_copy(const struct note *note, const struct cosignature_key *key,
                      struct buf *ret_lines, struct fault *fault)
{
    for (size_t i = 0; i < note->signature_count; i++)
        if (note_key_made(key->key, &note->signatures[i]) &&
            !note_signature_write(&note->signatures[i], ret_lines, fault))
            return false;
    return true;
}

bool cosignature_sign(const struct note_signer *signer, struct slice text, uint64_t time,
                      struct buf *ret_line, struct fault *fault)
{
    AUTO_BUF struct buf message = buf_with_limit(HEAD_BYTES_MAX + NOTE_BYTES_MAX);
    uint8_t blob[BLOB_BYTES];

    if (text.len == 0 || text.at[text.len - 1] != '\n' || time == 0 ||
        time > COSIGNATURE_TIME_MAX)
        return fault_set(fault, FAULT_INVALID, "cosign: not a note's text, or no time");
    note_signer_id_as(signer, NOTE_TYPE_COSIGNATURE, blob);
    put_u64(blob + NOTE_ID_BYTES, time);
    return cosignature_message(text, time, &message, fault) &&
           note_signer_sign(signer, buf_slice(&message), blob + NOTE_ID_BYTES + TIME_BYTES,
                            fault) &&
           buf_add_text(ret_line, NOTE_DASH, fault) &&
           buf_add_text(ret_line, note_signer_name(signer), fault) &&
           buf_add_byte(ret_line, ' ', fault) &&
           base64_encode(slice_of_bytes(blob, sizeof(blob)), ret_line, fault) &&
           buf_add_byte(ret_line, '\n', fault);
}

bool cosignature_vkey(const struct note_signer *signer, struct buf *ret_vkey,
                      struct fault *fault)
{
    return note_signer_vkey_as(signer, NOTE_TYPE_COSIGNATURE, ret_vkey, fault);
}
