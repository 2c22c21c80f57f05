#include "ledger/payload.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "base/scope.h"
#include "ledger/protocol.h"

#define MAGIC "CUSTPAY1"
#define MAGIC_BYTES 8
#define KIND_AT MAGIC_BYTES
#define ID_AT (KIND_AT + 1)
#define SIZE_AT (ID_AT + SCOPE_ID_BYTES)

_Static_assert(SIZE_AT + 8 == PAYLOAD_HEAD_BYTES, "the head is what its parts are");
_Static_assert(PAYLOAD_FILE_BYTES_MAX < INT32_MAX, "OpenSSL counts in int");

struct cipher_key {
    uint8_t bytes[SCOPE_CIPHER_KEY_BYTES + SCOPE_NONCE_BYTES];
};

/* The field's first letter; 0: such a record has none. */
static uint8_t kind_of(enum record_type type)
{
    const char *field = commitment_field(type);

    return field == NULL ? 0 : (uint8_t)field[0];
}

static bool type_of(uint8_t kind, enum record_type *ret_type)
{
    for (unsigned i = 0; kind != 0 && i < RECORD_TYPE_COUNT; i++)
        if (kind_of((enum record_type)i) == kind) {
            *ret_type = (enum record_type)i;
            return true;
        }
    return false;
}

bool payload_parse(struct slice file, struct payload *ret_payload, struct fault *fault)
{
    struct payload payload;

    if (file.len < PAYLOAD_HEAD_BYTES + PAYLOAD_TAG_BYTES ||
        memcmp(file.at, MAGIC, MAGIC_BYTES) != 0)
        return fault_set(fault, FAULT_INVALID, "not a payload, or cut off in its head");
    if (!type_of(file.at[KIND_AT], &payload.type))
        return fault_set(fault, FAULT_INVALID, "a payload of an unknown kind");
    if (ledger_get_u64(file.at + SIZE_AT) !=
            file.len - PAYLOAD_HEAD_BYTES - PAYLOAD_TAG_BYTES ||
        file.len > PAYLOAD_FILE_BYTES_MAX)
        return fault_set(fault, FAULT_INVALID,
                         "a payload that is shorter or longer than it says");
    payload.id = file.at + ID_AT;
    payload.sealed = slice_part(file, PAYLOAD_HEAD_BYTES, file.len - PAYLOAD_TAG_BYTES);
    payload.tag = file.at + file.len - PAYLOAD_TAG_BYTES;
    *ret_payload = payload;
    return true;
}

/* Both directions begin alike: key, nonce, associated data. */
static bool begin(EVP_CIPHER_CTX *context, const struct cipher_key *key, struct slice head,
                  const char *scope, bool encrypts)
{
    int len;

    return context != NULL &&
           EVP_CipherInit_ex2(context, EVP_aes_256_gcm(), key->bytes,
                              key->bytes + SCOPE_CIPHER_KEY_BYTES, encrypts, NULL) == 1 &&
           EVP_CipherUpdate(context, NULL, &len, head.at, (int)head.len) == 1 &&
           EVP_CipherUpdate(context, NULL, &len, (const uint8_t *)scope, (int)strlen(scope)) ==
               1;
}

/* `to` has room for as much as `from` has. */
static bool run(EVP_CIPHER_CTX *context, struct slice from, uint8_t *to)
{
    uint8_t none[EVP_MAX_BLOCK_LENGTH];
    int len = 0;

    return (from.len == 0 ||
            EVP_CipherUpdate(context, to, &len, from.at, (int)from.len) == 1) &&
           EVP_CipherFinal_ex(context, none, &len) == 1;
}

static bool encrypt(const struct cipher_key *key, const char *scope, struct slice value,
                    uint8_t *file)
{
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    bool ok = begin(context, key, slice_of_bytes(file, PAYLOAD_HEAD_BYTES), scope, true) &&
              run(context, value, file + PAYLOAD_HEAD_BYTES) &&
              EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, PAYLOAD_TAG_BYTES,
                                  file + PAYLOAD_HEAD_BYTES + value.len) == 1;

    EVP_CIPHER_CTX_free(context);
    return ok;
}

static bool decrypt(const struct cipher_key *key, const char *scope, struct slice file,
                    const struct payload *payload, uint8_t *value)
{
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    bool ok = begin(context, key, slice_part(file, 0, PAYLOAD_HEAD_BYTES), scope, false) &&
              EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, PAYLOAD_TAG_BYTES,
                                  (void *)(uintptr_t)payload->tag) == 1 &&
              run(context, payload->sealed, value);

    EVP_CIPHER_CTX_free(context);
    return ok;
}

bool payload_seal(const uint8_t scope_key[SCOPE_KEY_BYTES], const char *scope,
                  enum record_type type, const uint8_t id[SCOPE_ID_BYTES], struct slice value,
                  struct buf *ret_file, struct fault *fault)
{
    struct cipher_key key;
    uint8_t *file;
    bool ok;

    if (kind_of(type) == 0)
        return fault_set(fault, FAULT_INVALID, "a record of %s names no payload",
                         record_type_name(type));
    if (value.len > PAYLOAD_BYTES_MAX)
        return fault_set(fault, FAULT_LIMIT, "a payload of more than %lu bytes",
                         PAYLOAD_BYTES_MAX);
    if (!scope_key_of_payload(scope_key, id, key.bytes, fault) ||
        !buf_reserve(ret_file, PAYLOAD_HEAD_BYTES + value.len + PAYLOAD_TAG_BYTES, fault))
        return false;
    file = ret_file->at + ret_file->len;
    memcpy(file, MAGIC, MAGIC_BYTES);
    file[KIND_AT] = kind_of(type);
    memcpy(file + ID_AT, id, SCOPE_ID_BYTES);
    ledger_put_u64(file + SIZE_AT, value.len);
    ok = encrypt(&key, scope, value, file);
    OPENSSL_cleanse(&key, sizeof(key));
    if (!ok)
        return fault_set(fault, FAULT_HOST, "no AES-256-GCM");
    ret_file->len += PAYLOAD_HEAD_BYTES + value.len + PAYLOAD_TAG_BYTES;
    return true;
}

bool payload_open(const uint8_t scope_key[SCOPE_KEY_BYTES], const char *scope,
                  enum record_type type, struct slice file, struct buf *ret_value,
                  struct fault *fault)
{
    struct payload payload;
    struct cipher_key key;
    bool ok;

    if (!payload_parse(file, &payload, fault))
        return false;
    if (payload.type != type)
        return fault_set(fault, FAULT_INVALID, "the payload is a %s, the record names a %s",
                         commitment_field(payload.type), commitment_field(type));
    if (!scope_key_of_payload(scope_key, payload.id, key.bytes, fault) ||
        !buf_reserve(ret_value, payload.sealed.len, fault))
        return false;
    ok = decrypt(&key, scope, file, &payload, ret_value->at + ret_value->len);
    OPENSSL_cleanse(&key, sizeof(key));
    if (!ok) {
        if (payload.sealed.len > 0)
            OPENSSL_cleanse(ret_value->at + ret_value->len, payload.sealed.len);
        return fault_set(fault, FAULT_CONFLICT,
                         "the payload is of another scope or key, or was changed");
    }
    ret_value->len += payload.sealed.len;
    return true;
}
