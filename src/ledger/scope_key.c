#include "ledger/scope_key.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>

#include "base/scope.h"
#include "ledger/protocol.h"

#define INFO_BYTES_MAX 512

bool scope_name_valid(struct slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        uint8_t byte = name.at[i];

        if (!((byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
              (byte >= '0' && byte <= '9') || byte == '_' || byte == '-' ||
              (byte == '.' && i > 0)))
            return false;
    }
    return name.len > 0 && name.len <= SCOPE_NAME_BYTES_MAX;
}

/* RFC 5869 section 2.3: the scope's key is random already, so nothing is extracted first. */
static bool expand(const uint8_t *key, struct slice info, uint8_t *ret_bytes, size_t len,
                   struct fault *fault)
{
    int mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
    char digest[] = "SHA256";
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)(uintptr_t)key,
                                          SCOPE_KEY_BYTES),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *)(uintptr_t)info.at,
                                          info.len),
        OSSL_PARAM_construct_end()};
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    EVP_KDF_CTX *context = kdf == NULL ? NULL : EVP_KDF_CTX_new(kdf);
    bool ok = context != NULL && EVP_KDF_derive(context, ret_bytes, len, parameters) == 1;

    EVP_KDF_CTX_free(context);
    EVP_KDF_free(kdf);
    return ok ? true : fault_set(fault, FAULT_HOST, "no HKDF with SHA-256");
}

bool scope_key_of_record(const uint8_t scope_key[SCOPE_KEY_BYTES], struct slice src,
                         uint64_t seq, const char *field,
                         uint8_t ret_key[COMMITMENT_KEY_BYTES], struct fault *fault)
{
    AUTO_BUF struct buf info = buf_with_limit(INFO_BYTES_MAX);
    uint8_t number[8];

    ledger_put_u64(number, seq);
    return buf_add(&info, SLICE("rec\0"), fault) &&
           buf_add_byte(&info, (uint8_t)(src.len >> 8), fault) &&
           buf_add_byte(&info, (uint8_t)src.len, fault) && buf_add(&info, src, fault) &&
           buf_add(&info, slice_of_bytes(number, sizeof(number)), fault) &&
           buf_add_text(&info, field, fault) &&
           expand(scope_key, buf_slice(&info), ret_key, COMMITMENT_KEY_BYTES, fault);
}

bool scope_key_of_commands(const uint8_t scope_key[SCOPE_KEY_BYTES],
                           uint8_t ret_key[COMMITMENT_KEY_BYTES], struct fault *fault)
{
    /* No producer is called that: each has its run's name behind it. */
    return scope_key_of_record(scope_key, SLICE("guard"), 0, COMMITMENT_COMMAND, ret_key,
                               fault);
}

bool scope_key_of_redactions(const uint8_t scope_key[SCOPE_KEY_BYTES], const char *who,
                             uint8_t ret_key[COMMITMENT_KEY_BYTES], struct fault *fault)
{
    return scope_key_of_record(scope_key, slice_of(who), 0, COMMITMENT_REDACTION, ret_key,
                               fault);
}

bool scope_key_of_payload(const uint8_t scope_key[SCOPE_KEY_BYTES],
                          const uint8_t id[SCOPE_ID_BYTES],
                          uint8_t ret_key_nonce[SCOPE_CIPHER_KEY_BYTES + SCOPE_NONCE_BYTES],
                          struct fault *fault)
{
    AUTO_BUF struct buf info = buf_with_limit(INFO_BYTES_MAX);

    return buf_add(&info, SLICE("payload\0"), fault) &&
           buf_add(&info, slice_of_bytes(id, SCOPE_ID_BYTES), fault) &&
           expand(scope_key, buf_slice(&info), ret_key_nonce,
                  SCOPE_CIPHER_KEY_BYTES + SCOPE_NONCE_BYTES, fault);
}
