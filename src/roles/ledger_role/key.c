#include "roles/ledger_role/key.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/scope.h"
#include "keystore/sealed.h"
#include "keystore/secret.h"
#include "keystore/tpm.h"
#include "os/file.h"
#include "roles/keys/aside.h"
#include "roles/keys/signer.h"
#include "wire/base64.h"

#define VKEY_BYTES_MAX 1024

/* Volumes move: the environment says where the secret is now. */
static struct slice secret_now(void)
{
    const char *now = getenv(LEDGER_KEY_SECRET);

    return slice_of(now == NULL ? "" : now);
}

bool ledger_key_parse(struct slice text, struct ledger_key *ret_key, struct fault *fault)
{
    struct ledger_key key = {.text = buf_with_limit(KEYFILE_BYTES_MAX),
                             .secret = secret_now()};

    if (!secret_reserve(&key.text, fault) || !buf_add(&key.text, text, fault) ||
        !keyfile_parse(buf_slice(&key.text), &key.file, fault)) {
        ledger_key_free(&key);
        return false;
    }
    *ret_key = key;
    return true;
}

bool ledger_key_read(int folder, const char *name, struct ledger_key *ret_key,
                     struct fault *fault)
{
    struct ledger_key key = {.text = buf_with_limit(KEYFILE_BYTES_MAX),
                             .secret = secret_now()};
    struct stat stat;

    if (fstatat(folder, name, &stat, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? fault_set(fault, FAULT_MISSING,
                                           "there is no signing key: run `custody init` first")
                               : fault_errno(fault, "%s", name);
    if ((stat.st_mode & 077) != 0)
        return fault_set(fault, FAULT_INVALID, "%s can be read by others: chmod 600 it", name);
    if (!secret_reserve(&key.text, fault) || !file_read(folder, name, &key.text, fault) ||
        !keyfile_parse(buf_slice(&key.text), &key.file, fault)) {
        ledger_key_free(&key);
        return fault_in(fault, "%s", name);
    }
    *ret_key = key;
    return true;
}

void ledger_key_free(struct ledger_key *key)
{
    buf_free_secret(&key->text);
}

bool ledger_key_vkey(const struct ledger_key *key, struct buf *ret_vkey, struct fault *fault)
{
    struct note_signer *signer;
    bool ok;

    if (key->file.kind != KEYFILE_PLAIN)
        return buf_add(ret_vkey, key->file.line[KEYFILE_VKEY], fault);
    if (!note_signer_parse(key->file.skey, &signer, fault))
        return false;
    ok = note_signer_vkey(signer, ret_vkey, fault);
    note_signer_free(signer);
    return ok;
}

static bool seed_of_plain(const struct ledger_key *key, uint8_t *ret_seed, struct fault *fault)
{
    return note_skey_seed(key->file.skey, ret_seed, fault);
}

static bool seed_of_sealed(const struct ledger_key *key, uint8_t *ret_seed,
                           struct fault *fault)
{
    AUTO_BUF_SECRET struct buf secret = buf_with_limit(SECRET_BYTES_MAX);
    struct slice place = key->secret.len > 0 ? key->secret : key->file.line[KEYFILE_SECRET];

    return (secret_read(place, &secret, fault) &&
            sealed_open(&key->file, buf_slice(&secret), ret_seed, fault)) ||
           fault_in(fault, "open the sealed key");
}

static bool unseal_aside(void *self, struct buf *ret_bytes, struct fault *fault)
{
    const struct keyfile *file = self;
    AUTO_BUF struct buf public_part = buf_with_limit(TPM_PART_BYTES_MAX);
    AUTO_BUF struct buf private_part = buf_with_limit(TPM_PART_BYTES_MAX);
    uint8_t seed[TPM_SEED_BYTES];
    bool ok = base64_decode(file->line[KEYFILE_PUBLIC], &public_part, fault) &&
              base64_decode(file->line[KEYFILE_PRIVATE], &private_part, fault) &&
              tpm_unseal(getenv(LEDGER_KEY_TPM), file->line[KEYFILE_PCRS],
                         buf_slice(&public_part), buf_slice(&private_part), seed, fault) &&
              buf_add(ret_bytes, slice_of_bytes(seed, sizeof(seed)), fault);

    explicit_bzero(seed, sizeof(seed));
    return ok;
}

static bool seed_of_tpm2(const struct ledger_key *key, uint8_t *ret_seed, struct fault *fault)
{
    AUTO_BUF_SECRET struct buf seed = buf_with_limit(ASIDE_BYTES_MAX);
    struct keyfile copy = key->file;
    const struct aside aside = {
        .name = "custody-tpm", .act = unseal_aside, .self = &copy, .keep = -1};

    if (!secret_reserve(&seed, fault) || !aside_run(&aside, &seed, fault))
        return fault_in(fault, "open the sealed key");
    if (seed.len != NOTE_SEED_BYTES)
        return fault_set(fault, FAULT_INVALID, "what the TPM has sealed is not a seed");
    memcpy(ret_seed, seed.at, NOTE_SEED_BYTES);
    return true;
}

static bool seed_of_token(const struct ledger_key *key, uint8_t *ret_seed, struct fault *fault)
{
    (void)key;
    (void)ret_seed;
    return fault_set(fault, FAULT_INVALID,
                     "the key is in a token, which it never leaves: to sign by another one, "
                     "begin a new shard");
}

static bool (*const seed_of[KEYFILE_KIND_COUNT])(const struct ledger_key *key,
                                                 uint8_t *ret_seed, struct fault *fault) = {
    [KEYFILE_PLAIN] = seed_of_plain,
    [KEYFILE_SEALED] = seed_of_sealed,
    [KEYFILE_TPM2] = seed_of_tpm2,
    [KEYFILE_PKCS11] = seed_of_token,
};

/* A signer by `seed`, under the name that `vkey` has; its vkey must be that one. */
static bool signer_of_seed(struct slice vkey, const uint8_t *seed,
                           struct note_signer **ret_signer, struct fault *fault)
{
    AUTO_BUF_SECRET struct buf skey = buf_with_limit(VKEY_BYTES_MAX);
    AUTO_BUF struct buf made = buf_with_limit(VKEY_BYTES_MAX);
    struct note_key *key;
    bool ok;

    if (!note_key_parse(vkey, &key, fault))
        return false;
    ok = secret_reserve(&skey, fault) &&
         note_key_texts(slice_of(note_key_name(key)), seed, &skey, &made, fault);
    note_key_free(key);
    if (!ok)
        return false;
    if (!slice_equal(buf_slice(&made), vkey))
        return fault_set(fault, FAULT_INVALID,
                         "the vkey in the key file is not that of the key that is sealed in "
                         "it: the file was put together from two");
    return note_signer_parse(buf_slice(&skey), ret_signer, fault);
}

bool ledger_key_seed(const struct ledger_key *key, uint8_t ret_seed[NOTE_SEED_BYTES],
                     struct fault *fault)
{
    AUTO_BUF struct buf vkey = buf_with_limit(VKEY_BYTES_MAX);
    uint8_t seed[NOTE_SEED_BYTES];
    struct note_signer *signer = NULL;
    bool ok = ledger_key_vkey(key, &vkey, fault) &&
              seed_of[key->file.kind](key, seed, fault) &&
              signer_of_seed(buf_slice(&vkey), seed, &signer, fault);

    note_signer_free(signer);
    if (ok)
        memcpy(ret_seed, seed, sizeof(seed));
    explicit_bzero(seed, sizeof(seed));
    return ok;
}

bool ledger_key_signer(const struct ledger_key *key, int home_fd,
                       struct note_signer **ret_signer, struct fault *fault)
{
    uint8_t seed[NOTE_SEED_BYTES];
    bool ok;

    if (key->file.kind == KEYFILE_PLAIN)
        return note_signer_parse(key->file.skey, ret_signer, fault);
    if (key->file.kind == KEYFILE_PKCS11)
        return signer_start(&key->file, key->secret, home_fd, ret_signer, fault);
    ok = seed_of[key->file.kind](key, seed, fault) &&
         signer_of_seed(key->file.line[KEYFILE_VKEY], seed, ret_signer, fault);
    explicit_bzero(seed, sizeof(seed));
    return ok;
}

bool ledger_key_published(int home_fd, const struct note_signer *signer, struct fault *fault)
{
    AUTO_BUF struct buf vkey = buf_with_limit(VKEY_BYTES_MAX),
                        published = buf_with_limit(VKEY_BYTES_MAX);

    if (!file_exists(home_fd, LEDGER_VKEY_NAME))
        return true;
    if (!file_read(home_fd, LEDGER_VKEY_NAME, &published, fault) ||
        !note_signer_vkey(signer, &vkey, fault))
        return false;
    return slice_equal(slice_trim(buf_slice(&published)), buf_slice(&vkey)) ||
           fault_set(fault, FAULT_INVALID,
                     LEDGER_VKEY_NAME " is not the key's that signs (%.100s): bring back the "
                                      "two that belong together",
                     buf_text(&vkey));
}
