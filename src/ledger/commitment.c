#include "ledger/commitment.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "base/hex.h"
#include "base/scope.h"
#include "wire/base64.h"

#define LABEL "ledger/commit/v1" /* with its NUL */
#define OPENING "commitment-opening/v1"
#define FIELD_BYTES_MAX 64

static const struct {
    enum record_type type;
    const char *field;
} fields[] = {
    {RECORD_RUN_STARTED, "ticket"},
    {RECORD_MODEL_INTENT, "prompt"},
    {RECORD_MODEL_OUTCOME, "answer"},
    {RECORD_MCP_INTENT, "request"},
    {RECORD_MCP_OUTCOME, "server_answer"},
    {RECORD_CHANGE_MADE, "diff"},
    {RECORD_AGENT_OUTPUT, "output"},
};

const char *commitment_field(enum record_type type)
{
    for (size_t i = 0; i < COUNT(fields); i++)
        if (fields[i].type == type)
            return fields[i].field;
    return NULL;
}

bool commitment_named_by(const struct record *record, struct commitment_named *ret_named)
{
    const char *field = commitment_field(record->type);
    enum record_field at = field != NULL ? RECORD_COMMITMENT : RECORD_COMMAND;

    *ret_named = (struct commitment_named){field == NULL ? COMMITMENT_COMMAND : field,
                                           record->field[at].text};
    return record->field[at].set;
}

static bool authenticate(EVP_MAC_CTX *context, const uint8_t *key, struct slice head,
                         struct slice value, uint8_t *ret_commitment)
{
    char digest[] = "SHA256";
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end()};
    size_t len = 0;

    return context != NULL &&
           EVP_MAC_init(context, key, COMMITMENT_KEY_BYTES, parameters) == 1 &&
           EVP_MAC_update(context, head.at, head.len) == 1 &&
           EVP_MAC_update(context, value.at, value.len) == 1 &&
           EVP_MAC_final(context, ret_commitment, &len, COMMITMENT_BYTES) == 1 &&
           len == COMMITMENT_BYTES;
}

bool commitment_make(const uint8_t key[COMMITMENT_KEY_BYTES], const char *field,
                     struct slice value, uint8_t ret_commitment[COMMITMENT_BYTES],
                     struct fault *fault)
{
    AUTO_BUF struct buf head = buf_with_limit(sizeof(LABEL) + 2 + FIELD_BYTES_MAX);
    size_t len = strlen(field);
    EVP_MAC *mac;
    EVP_MAC_CTX *context;
    bool ok;

    if (!buf_add(&head, slice_of_bytes(LABEL, sizeof(LABEL)), fault) ||
        !buf_add_byte(&head, (uint8_t)(len >> 8), fault) ||
        !buf_add_byte(&head, (uint8_t)len, fault) || !buf_add_text(&head, field, fault))
        return false;
    mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    context = mac == NULL ? NULL : EVP_MAC_CTX_new(mac);
    ok = authenticate(context, key, buf_slice(&head), value, ret_commitment);
    EVP_MAC_CTX_free(context);
    EVP_MAC_free(mac);
    return ok ? true : fault_set(fault, FAULT_HOST, "no HMAC-SHA256");
}

bool commitment_text(const uint8_t key[COMMITMENT_KEY_BYTES], const char *field,
                     struct slice value, char ret_text[2 * COMMITMENT_BYTES + 1],
                     struct fault *fault)
{
    uint8_t commitment[COMMITMENT_BYTES];

    if (!commitment_make(key, field, value, commitment, fault))
        return false;
    hex_encode(slice_of_bytes(commitment, sizeof(commitment)), ret_text);
    return true;
}

bool commitment_opening(const uint8_t key[COMMITMENT_KEY_BYTES], struct buf *ret_extra,
                        struct fault *fault)
{
    uint8_t bytes[sizeof(OPENING) + COMMITMENT_KEY_BYTES];

    memcpy(bytes, OPENING, sizeof(OPENING));
    memcpy(bytes + sizeof(OPENING), key, COMMITMENT_KEY_BYTES);
    return base64_encode(slice_of_bytes(bytes, sizeof(bytes)), ret_extra, fault);
}

bool commitment_check(struct slice leaf, struct slice extra, struct slice value,
                      struct fault *fault)
{
    AUTO_BUF struct buf arena = buf_with_limit(RECORD_BYTES_MAX + 1);
    uint8_t opening[sizeof(OPENING) + COMMITMENT_KEY_BYTES];
    uint8_t wanted[COMMITMENT_BYTES], made[COMMITMENT_BYTES];
    struct commitment_named named;
    struct record_header header;
    struct record record;

    if (!record_decode(leaf, &record, &header, &arena, fault))
        return fault_set(fault, FAULT_MISSING, "these bytes are no record of custody's");
    if (!commitment_named_by(&record, &named) ||
        !hex_decode(named.digest, wanted, sizeof(wanted)))
        return fault_set(fault, FAULT_MISSING, "the record commits to no value");
    if (!base64_decode_exactly(extra, opening, sizeof(opening)) ||
        memcmp(opening, OPENING, sizeof(OPENING)) != 0)
        return fault_set(fault, FAULT_MISSING,
                         "the proof has no opening (custody prove --open)");
    if (!commitment_make(opening + sizeof(OPENING), named.field, value, made, fault))
        return false;
    return CRYPTO_memcmp(made, wanted, sizeof(made)) == 0
               ? true
               : fault_set(fault, FAULT_CONFLICT,
                           "the record does not commit to this value under this key");
}
