/* Making key files, of each kind. */
#include <openssl/rand.h>

#include "base/scope.h"
#include "keystore/pkcs11.h"
#include "keystore/sealed.h"
#include "keystore/secret.h"
#include "keystore/tpm.h"
#include "roles/keys/aside.h"
#include "roles/ledger_role/key.h"
#include "wire/base64.h"

#define VKEY_BYTES_MAX 1024

static bool write_plain(const struct key_storage *storage, struct slice vkey,
                        const uint8_t *seed, struct buf *ret_text, struct fault *fault)
{
    AUTO_BUF struct buf made = buf_with_limit(VKEY_BYTES_MAX);
    struct note_key *key;
    bool ok;

    (void)storage;
    if (!note_key_parse(vkey, &key, fault))
        return false;
    ok = note_key_texts(slice_of(note_key_name(key)), seed, ret_text, &made, fault) &&
         buf_add_byte(ret_text, '\n', fault);
    note_key_free(key);
    return ok;
}

static bool write_sealed(const struct key_storage *storage, struct slice vkey,
                         const uint8_t *seed, struct buf *ret_text, struct fault *fault)
{
    AUTO_BUF_SECRET struct buf secret = buf_with_limit(SECRET_BYTES_MAX);

    return secret_read(storage->secret, &secret, fault) &&
           sealed_write(vkey, storage->place, buf_slice(&secret), seed, ret_text, fault);
}

/* What a TPM is asked for in a process of its own; its two parts come back, in base64. */
struct sealing {
    struct slice pcrs;
    const uint8_t *seed;
};

static bool seal_aside(void *self, struct buf *ret_bytes, struct fault *fault)
{
    const struct sealing *sealing = self;
    AUTO_BUF struct buf public_part = buf_with_limit(TPM_PART_BYTES_MAX);
    AUTO_BUF struct buf private_part = buf_with_limit(TPM_PART_BYTES_MAX);

    return tpm_seal(getenv(LEDGER_KEY_TPM), sealing->pcrs, sealing->seed, &public_part,
                    &private_part, fault) &&
           base64_encode(buf_slice(&public_part), ret_bytes, fault) &&
           buf_add_byte(ret_bytes, ' ', fault) &&
           base64_encode(buf_slice(&private_part), ret_bytes, fault);
}

static bool write_tpm2(const struct key_storage *storage, struct slice vkey,
                       const uint8_t *seed, struct buf *ret_text, struct fault *fault)
{
    AUTO_BUF struct buf parts = buf_with_limit(ASIDE_BYTES_MAX);
    struct keyfile file = {.kind = KEYFILE_TPM2};
    struct sealing sealing = {.pcrs = storage->pcrs, .seed = seed};
    const struct aside aside = {
        .name = "custody-tpm", .act = seal_aside, .self = &sealing, .keep = -1};
    struct slice rest;

    if (!aside_run(&aside, &parts, fault))
        return false;
    rest = buf_slice(&parts);
    file.line[KEYFILE_VKEY] = vkey;
    file.line[KEYFILE_PCRS] = sealing.pcrs;
    (void)slice_cut(&rest, ' ', &file.line[KEYFILE_PUBLIC]);
    file.line[KEYFILE_PRIVATE] = rest;
    return keyfile_write(&file, false, ret_text, fault);
}

static bool write_handle(struct slice vkey, struct slice uri, struct buf *ret_text,
                         struct fault *fault)
{
    struct keyfile file = {.kind = KEYFILE_PKCS11};

    file.line[KEYFILE_VKEY] = vkey;
    file.line[KEYFILE_URI] = uri;
    return keyfile_write(&file, false, ret_text, fault);
}

/* What a token is asked for in a process of its own; the public key comes back. */
struct placing {
    struct pkcs11_uri uri;
    const uint8_t *seed, *public_key; /* NULL: the token makes a key */
};

static bool place_aside(void *self, struct buf *ret_bytes, struct fault *fault)
{
    const struct placing *placing = self;
    uint8_t public_key[PKCS11_PUBLIC_BYTES];
    struct pkcs11_token *token;
    bool ok;

    if (!pkcs11_open(&placing->uri, &token, fault))
        return false;
    ok = pkcs11_find(token, public_key, fault);
    if (!ok && fault->kind == FAULT_MISSING)
        ok = (placing->seed == NULL
                  ? pkcs11_make(token, fault)
                  : pkcs11_bring(token, placing->seed, placing->public_key, fault)) &&
             pkcs11_find(token, public_key, fault);
    pkcs11_close(token);
    return ok && buf_add(ret_bytes, slice_of_bytes(public_key, sizeof(public_key)), fault);
}

/* Gives the public key of the key that the token has under the URI's name then. */
static bool place(struct slice uri, const uint8_t *seed, const uint8_t *public_key,
                  struct buf *ret_public, struct fault *fault)
{
    struct placing placing = {.seed = seed, .public_key = public_key};
    const struct aside aside = {
        .name = "custody-token", .act = place_aside, .self = &placing, .keep = -1};

    return pkcs11_uri_parse(uri, &placing.uri, fault) &&
           aside_run(&aside, ret_public, fault) &&
           (ret_public->len == PKCS11_PUBLIC_BYTES ||
            fault_set(fault, FAULT_HOST, "the token gave no public key"));
}

static bool write_token(const struct key_storage *storage, struct slice vkey,
                        const uint8_t *seed, struct buf *ret_text, struct fault *fault)
{
    AUTO_BUF struct buf placed = buf_with_limit(ASIDE_BYTES_MAX);
    struct note_key *key;
    bool ok;

    if (!note_key_parse(vkey, &key, fault))
        return false;
    ok = place(storage->uri, seed, note_key_public(key), &placed, fault) &&
         (slice_equal(buf_slice(&placed),
                      slice_of_bytes(note_key_public(key), NOTE_PUBLIC_BYTES)) ||
          fault_set(fault, FAULT_INVALID,
                    "the token has another key of that name: name this one otherwise"));
    note_key_free(key);
    return ok && write_handle(vkey, storage->uri, ret_text, fault);
}

static bool (*const writers[KEYFILE_KIND_COUNT])(const struct key_storage *storage,
                                                 struct slice vkey, const uint8_t *seed,
                                                 struct buf *ret_text, struct fault *fault) = {
    [KEYFILE_PLAIN] = write_plain,
    [KEYFILE_SEALED] = write_sealed,
    [KEYFILE_TPM2] = write_tpm2,
    [KEYFILE_PKCS11] = write_token,
};

/* At the next start there is no descriptor, unless the environment names one. */
static bool place_lasts(struct slice place, struct fault *fault)
{
    return secret_place_check(place, fault) &&
           (secret_place_fd(place) < 0 ||
            fault_set(fault, FAULT_INVALID,
                      "a descriptor is not there at the next start: name a file or a "
                      "credential, and start with " LEDGER_KEY_SECRET "=%.*s",
                      SLICE_ARGS(place)));
}

bool key_storage_check(const struct key_storage *storage, struct fault *fault)
{
    struct pkcs11_uri uri;

    switch (storage->kind) {
    case KEYFILE_SEALED:
        return secret_place_check(storage->secret, fault) &&
               place_lasts(storage->place, fault);
    case KEYFILE_TPM2:
        return tpm_pcrs_check(storage->pcrs, fault);
    case KEYFILE_PKCS11:
        return pkcs11_uri_parse(storage->uri, &uri, fault) &&
               place_lasts(slice_of(uri.pin_source), fault);
    case KEYFILE_PLAIN:
    case KEYFILE_KIND_COUNT:
        break;
    }
    return true;
}

bool key_storage_like(const struct ledger_key *key, struct slice name, struct buf *ret_uri,
                      struct key_storage *ret_storage, struct fault *fault)
{
    const struct keyfile *file = &key->file;
    struct pkcs11_uri uri;

    if (file->kind == KEYFILE_PKCS11 &&
        (!pkcs11_uri_parse(file->line[KEYFILE_URI], &uri, fault) ||
         !pkcs11_uri_write_for(&uri, name, ret_uri, fault)))
        return false;
    *ret_storage = (struct key_storage){
        .kind = file->kind,
        .secret = key->secret.len > 0 ? key->secret : file->line[KEYFILE_SECRET],
        .place = file->line[KEYFILE_SECRET],
        .pcrs = file->line[KEYFILE_PCRS],
        .uri = buf_slice(ret_uri),
    };
    return true;
}

bool key_storage_write(const struct key_storage *storage, struct slice vkey,
                       const uint8_t seed[NOTE_SEED_BYTES], struct buf *ret_text,
                       struct fault *fault)
{
    return writers[storage->kind](storage, vkey, seed, ret_text, fault);
}

static bool make_in_token(const struct key_storage *storage, const char *name,
                          struct buf *ret_text, struct buf *ret_vkey, struct fault *fault)
{
    AUTO_BUF struct buf placed = buf_with_limit(ASIDE_BYTES_MAX);

    return place(storage->uri, NULL, NULL, &placed, fault) &&
           note_vkey_of(slice_of(name), placed.at, ret_vkey, fault) &&
           write_handle(buf_slice(ret_vkey), storage->uri, ret_text, fault);
}

bool key_storage_make(const struct key_storage *storage, const char *name,
                      struct buf *ret_text, struct buf *ret_vkey, struct fault *fault)
{
    AUTO_BUF_SECRET struct buf skey = buf_with_limit(VKEY_BYTES_MAX);
    uint8_t seed[NOTE_SEED_BYTES];
    bool ok;

    if (storage->kind == KEYFILE_PKCS11)
        return make_in_token(storage, name, ret_text, ret_vkey, fault);
    if (RAND_priv_bytes(seed, sizeof(seed)) != 1)
        return fault_set(fault, FAULT_IO, "make a signing key: no randomness");
    ok = note_key_texts(slice_of(name), seed, &skey, ret_vkey, fault) &&
         key_storage_write(storage, buf_slice(ret_vkey), seed, ret_text, fault);
    explicit_bzero(seed, sizeof(seed));
    return ok;
}
