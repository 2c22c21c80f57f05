#include "keystore/sealed.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include "base/scope.h"
#include "wire/base64.h"

#define KEY_BYTES 32
#define SALT_BYTES 32
#define NONCE_BYTES 12
#define TAG_BYTES 16
#define CIPHER "AES-256-GCM"
#define KDF_RANDOM "hkdf-sha256"
#define KDF_PASSPHRASE "scrypt 17 8 1" /* 128 MiB, half a second: log2(N), r, p */
#define SCRYPT_N (UINT64_C(1) << 17)
#define SCRYPT_R 8
#define SCRYPT_P 1
#define SCRYPT_BYTES_MAX (UINT64_C(256) << 20)
#define INFO "custody-key/v1 sealed"

/* What opens one file: derived, used once, cleansed. */
struct opener {
    uint8_t key[KEY_BYTES], salt[SALT_BYTES], nonce[NONCE_BYTES];
};

static bool lacks(const char *algorithm, struct fault *fault)
{
    return fault_set(fault, FAULT_HOST,
                     "OpenSSL has no %s here (a FIPS provider has no scrypt: seal with 32 "
                     "random bytes instead of a passphrase)",
                     algorithm);
}

static bool derive(const char *algorithm, OSSL_PARAM *params, uint8_t ret_key[KEY_BYTES],
                   struct fault *fault)
{
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, algorithm, NULL);
    EVP_KDF_CTX *context = kdf == NULL ? NULL : EVP_KDF_CTX_new(kdf);
    bool ok = context != NULL && EVP_KDF_derive(context, ret_key, KEY_BYTES, params) == 1;

    EVP_KDF_CTX_free(context);
    EVP_KDF_free(kdf);
    return ok || lacks(algorithm, fault);
}

/* OpenSSL's parameters are not const, though nobody writes there. */
static void *unconst(const void *at)
{
    void *plain;

    memcpy(&plain, &at, sizeof(plain));
    return plain;
}

static bool derive_random(struct slice secret, struct opener *opener, struct fault *fault)
{
    char digest[] = "SHA256", info[] = INFO;
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, unconst(secret.at), secret.len),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, opener->salt, SALT_BYTES),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info, sizeof(info) - 1),
        OSSL_PARAM_construct_end(),
    };

    if (secret.len != SEALED_RANDOM_BYTES)
        return fault_set(fault, FAULT_INVALID,
                         "it was sealed with a key file of %d bytes, "
                         "this one has %zu",
                         SEALED_RANDOM_BYTES, secret.len);
    return derive("HKDF", params, opener->key, fault);
}

/* An editor puts a line end behind a passphrase. */
static struct slice passphrase_of(struct slice secret)
{
    while (secret.len > 0 &&
           (secret.at[secret.len - 1] == '\n' || secret.at[secret.len - 1] == '\r'))
        secret.len--;
    return secret;
}

static bool derive_passphrase(struct slice secret, struct opener *opener, struct fault *fault)
{
    struct slice words = passphrase_of(secret);
    uint64_t n = SCRYPT_N, limit = SCRYPT_BYTES_MAX;
    uint32_t r = SCRYPT_R, p = SCRYPT_P;
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_PASSWORD, unconst(words.at),
                                          words.len),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, opener->salt, SALT_BYTES),
        OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_N, &n),
        OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_R, &r),
        OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_P, &p),
        OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_MAXMEM, &limit),
        OSSL_PARAM_construct_end(),
    };

    if (words.len < SEALED_PASSPHRASE_BYTES)
        return fault_set(fault, FAULT_INVALID,
                         "the secret is neither %d random bytes nor a passphrase of at least "
                         "%d characters: openssl rand -out FILE %d",
                         SEALED_RANDOM_BYTES, SEALED_PASSPHRASE_BYTES, SEALED_RANDOM_BYTES);
    return derive("SCRYPT", params, opener->key, fault);
}

/* The cost is ours, not the file's: no file makes us take more memory or less care. */
static const struct derivation {
    const char *line;
    bool (*derive)(struct slice secret, struct opener *opener, struct fault *fault);
} derivations[] = {
    {KDF_RANDOM, derive_random},
    {KDF_PASSPHRASE, derive_passphrase},
};

static bool is_random(struct slice secret)
{
    for (size_t i = 0; i < secret.len; i++)
        if ((secret.at[i] < 0x20 && secret.at[i] != '\n' && secret.at[i] != '\r') ||
            secret.at[i] >= 0x7f)
            return secret.len == SEALED_RANDOM_BYTES;
    return false;
}

/* Encrypts, or decrypts, `SEALED_SEED_BYTES` and the tag behind them. */
static bool run_cipher(const struct opener *opener, bool encrypt, struct slice head,
                       const uint8_t *in, uint8_t *tag, uint8_t *ret_out, struct fault *fault)
{
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, CIPHER, NULL);
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    int len = 0, rest = 0;
    bool ready, ok;

    ready = cipher != NULL && context != NULL &&
            EVP_CipherInit_ex2(context, cipher, opener->key, opener->nonce, encrypt ? 1 : 0,
                               NULL) == 1;
    ok =
        ready && EVP_CipherUpdate(context, NULL, &len, head.at, (int)head.len) == 1 &&
        EVP_CipherUpdate(context, ret_out, &len, in, SEALED_SEED_BYTES) == 1 &&
        len == SEALED_SEED_BYTES &&
        (encrypt ||
         EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, TAG_BYTES, tag) == 1) &&
        EVP_CipherFinal_ex(context, ret_out + len, &rest) == 1 &&
        (!encrypt || EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, TAG_BYTES, tag) == 1);
    EVP_CIPHER_CTX_free(context);
    EVP_CIPHER_free(cipher);
    if (!ready)
        return lacks(CIPHER, fault);
    return ok || fault_set(fault, FAULT_INVALID,
                           "the secret does not open it: it was sealed with another one, or "
                           "the key file was changed");
}

static bool encode(const uint8_t *bytes, size_t len, struct buf *ret_text, struct fault *fault)
{
    return base64_encode(slice_of_bytes(bytes, len), ret_text, fault);
}

static bool write_sealed(struct keyfile *file, struct opener *opener, struct slice secret,
                         const struct derivation *derivation, const uint8_t *seed,
                         struct buf *ret_text, struct fault *fault)
{
    AUTO_BUF struct buf salt = buf_with_limit(64), nonce = buf_with_limit(64);
    AUTO_BUF struct buf head = buf_with_limit(KEYFILE_BYTES_MAX), sealed = buf_with_limit(128);
    uint8_t bytes[SEALED_SEED_BYTES + TAG_BYTES];

    if (!encode(opener->salt, SALT_BYTES, &salt, fault) ||
        !encode(opener->nonce, NONCE_BYTES, &nonce, fault))
        return false;
    file->line[KEYFILE_SALT] = buf_slice(&salt);
    file->line[KEYFILE_NONCE] = buf_slice(&nonce);
    if (!keyfile_write(file, true, &head, fault) ||
        !derivation->derive(secret, opener, fault) ||
        !run_cipher(opener, true, buf_slice(&head), seed, bytes + SEALED_SEED_BYTES, bytes,
                    fault) ||
        !encode(bytes, sizeof(bytes), &sealed, fault))
        return false;
    file->line[KEYFILE_CIPHERTEXT] = buf_slice(&sealed);
    return keyfile_write(file, false, ret_text, fault);
}

bool sealed_write(struct slice vkey, struct slice place, struct slice secret,
                  const uint8_t seed[SEALED_SEED_BYTES], struct buf *ret_text,
                  struct fault *fault)
{
    const struct derivation *derivation = &derivations[is_random(secret) ? 0 : 1];
    struct keyfile file = {.kind = KEYFILE_SEALED};
    struct opener opener;
    bool ok;

    file.line[KEYFILE_VKEY] = vkey;
    file.line[KEYFILE_SECRET] = place;
    file.line[KEYFILE_KDF] = slice_of(derivation->line);
    file.line[KEYFILE_CIPHER] = SLICE(CIPHER);
    if (RAND_bytes(opener.salt, SALT_BYTES) != 1 || RAND_bytes(opener.nonce, NONCE_BYTES) != 1)
        return fault_set(fault, FAULT_IO, "seal a key: no randomness");
    ok = write_sealed(&file, &opener, secret, derivation, seed, ret_text, fault);
    explicit_bzero(&opener, sizeof(opener));
    return ok;
}

static bool open_sealed(const struct keyfile *file, struct opener *opener, struct slice secret,
                        uint8_t *ret_seed, struct fault *fault)
{
    uint8_t bytes[SEALED_SEED_BYTES + TAG_BYTES];

    if (!slice_equal(file->line[KEYFILE_CIPHER], SLICE(CIPHER)) ||
        !base64_decode_exactly(file->line[KEYFILE_SALT], opener->salt, SALT_BYTES) ||
        !base64_decode_exactly(file->line[KEYFILE_NONCE], opener->nonce, NONCE_BYTES) ||
        !base64_decode_exactly(file->line[KEYFILE_CIPHERTEXT], bytes, sizeof(bytes)))
        return fault_set(fault, FAULT_INVALID, "key file: not as this version seals");
    for (size_t i = 0; i < COUNT(derivations); i++)
        if (slice_equal(file->line[KEYFILE_KDF], slice_of(derivations[i].line)))
            return derivations[i].derive(secret, opener, fault) &&
                   run_cipher(opener, false, file->head, bytes, bytes + SEALED_SEED_BYTES,
                              ret_seed, fault);
    return fault_set(fault, FAULT_INVALID, "key file: `kdf %.*s` is not one of ours",
                     SLICE_ARGS(slice_part(file->line[KEYFILE_KDF], 0, 40)));
}

bool sealed_open(const struct keyfile *file, struct slice secret,
                 uint8_t ret_seed[SEALED_SEED_BYTES], struct fault *fault)
{
    uint8_t seed[SEALED_SEED_BYTES] = {0};
    struct opener opener;
    bool ok = open_sealed(file, &opener, secret, seed, fault);

    if (ok)
        memcpy(ret_seed, seed, sizeof(seed));
    explicit_bzero(seed, sizeof(seed)); /* not authenticated where it failed */
    explicit_bzero(&opener, sizeof(opener));
    return ok;
}

bool sealed_has_passphrase(const struct keyfile *file)
{
    return slice_equal(file->line[KEYFILE_KDF], SLICE(KDF_PASSPHRASE));
}
