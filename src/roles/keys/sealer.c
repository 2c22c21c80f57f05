#include "roles/keys/sealer.h"

#include <sys/random.h>

#include <openssl/crypto.h>

#include "base/scope.h"

bool sealer_keep(const struct sealer *sealer, enum record_type type, struct slice value,
                 struct record_seal *seal, struct fault *fault)
{
    AUTO_BUF struct buf file = buf_with_limit(PAYLOAD_FILE_BYTES_MAX);
    uint8_t id[SCOPE_ID_BYTES];

    if (sealer->scope == NULL || sealer->folder < 0)
        return true;
    if (getrandom(id, sizeof(id), 0) != sizeof(id))
        return fault_errno(fault, "draw random bytes");
    return payload_seal(sealer->key, sealer->scope, type, id, value, &file, fault) &&
           (sealer->is_settled_later
                ? scope_files_put_soon(sealer->folder, buf_slice(&file), seal->payload, fault)
                : scope_files_put(sealer->folder, buf_slice(&file), seal->payload, fault));
}

bool sealer_sync(const struct sealer *sealer, struct fault *fault)
{
    return sealer->scope == NULL || sealer->folder < 0 ||
           scope_files_sync(sealer->folder, fault);
}

bool sealer_commit(const struct sealer *sealer, enum record_type type, struct slice value,
                   struct record_seal *seal, struct fault *fault)
{
    const char *src, *field = commitment_field(type);
    uint8_t key[COMMITMENT_KEY_BYTES];
    uint64_t seq;
    bool ok;

    if (sealer->scope == NULL)
        return true;
    if (!ledger_next(sealer->ledger, &src, &seq, fault) ||
        !scope_key_of_record(sealer->key, slice_of(src), seq, field, key, fault))
        return false;
    ok = commitment_text(key, field, value, seal->commitment, fault);
    OPENSSL_cleanse(key, sizeof(key));
    seal->scope = sealer->scope;
    return ok;
}

bool sealer_seal(const struct sealer *sealer, enum record_type type, struct slice value,
                 struct record_seal *seal, struct fault *fault)
{
    return sealer_keep(sealer, type, value, seal, fault) && sealer_sync(sealer, fault) &&
           sealer_commit(sealer, type, value, seal, fault);
}
