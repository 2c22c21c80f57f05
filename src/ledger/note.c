#include "ledger/note.h"

#include <openssl/evp.h>

#include "base/hex.h"
#include "base/scope.h"
#include "base/utf8.h"
#include "ledger/note_parts.h"
#include "ledger/tree.h"
#include "wire/base64.h"
#include "wire/jcs.h"

#define PUBLIC_BYTES NOTE_PUBLIC_BYTES
#define SIGNATURE_BYTES NOTE_SIGNATURE_BYTES
#define DASH NOTE_DASH
/* In two parts, so that no scanner takes this source for a key. */
#define SKEY_HEAD                                                                             \
    "PRIVATE"                                                                                 \
    "+KEY+"

struct note_key {
    char name[NOTE_NAME_BYTES_MAX + 1];
    uint8_t id[NOTE_ID_BYTES];
    uint8_t raw[PUBLIC_BYTES];
    EVP_PKEY *public_key;
};

struct note_signer {
    char name[NOTE_NAME_BYTES_MAX + 1];
    uint8_t id[NOTE_ID_BYTES];
    uint8_t public_key[PUBLIC_BYTES];
    struct note_signing signing;
    struct note_key *check; /* of signatures that are made elsewhere; else NULL */
};

/* Unicode's white space beyond ASCII, as UTF-8. */
static const char *const wide_spaces[] = {
    "\xc2\x85",     "\xc2\xa0",     "\xe1\x9a\x80", "\xe2\x80\x80", "\xe2\x80\x81",
    "\xe2\x80\x82", "\xe2\x80\x83", "\xe2\x80\x84", "\xe2\x80\x85", "\xe2\x80\x86",
    "\xe2\x80\x87", "\xe2\x80\x88", "\xe2\x80\x89", "\xe2\x80\x8a", "\xe2\x80\xa8",
    "\xe2\x80\xa9", "\xe2\x80\xaf", "\xe2\x81\x9f", "\xe3\x80\x80",
};

static bool name_is_allowed(struct slice name)
{
    if (name.len == 0 || name.len > NOTE_NAME_BYTES_MAX || !utf8_is_printable(name) ||
        slice_find_byte(name, ' ', 0) != SIZE_MAX || slice_find_byte(name, '+', 0) != SIZE_MAX)
        return false;
    for (size_t i = 0; i < COUNT(wide_spaces); i++)
        if (slice_find(name, slice_of(wide_spaces[i]), 0) != SIZE_MAX)
            return false;
    return true;
}

/* Our own keys have plainer names still. */
static bool own_name_is_allowed(struct slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        uint8_t byte = name.at[i];

        if (!((byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') || byte == '.' ||
              byte == '/' || byte == '_' || byte == '-'))
            return false;
    }
    return name.len > 0 && name.len <= NOTE_NAME_BYTES_MAX;
}

/* SHA-256(name || LF || type || public key)[0:4] */
static void key_id(struct slice name, struct slice typed_key, uint8_t ret_id[NOTE_ID_BYTES])
{
    uint8_t hash[EVP_MAX_MD_SIZE];
    uint8_t bytes[NOTE_NAME_BYTES_MAX + 1 + 1 + PUBLIC_BYTES];

    memcpy(bytes, name.at, name.len);
    bytes[name.len] = '\n';
    memcpy(bytes + name.len + 1, typed_key.at, typed_key.len);
    if (EVP_Digest(bytes, name.len + 1 + typed_key.len, hash, NULL, EVP_sha256(), NULL) != 1)
        abort();
    memcpy(ret_id, hash, NOTE_ID_BYTES);
}

static bool parse_signature(struct slice line, struct note_signature *ret_signature,
                            struct fault *fault)
{
    AUTO_BUF struct buf bytes = buf_with_limit(8192);
    struct slice rest;
    struct slice name;

    if (!slice_starts_with(line, SLICE(DASH)))
        return fault_set(fault, FAULT_INVALID, "note: a signature line without its dash");
    rest = slice_part(line, sizeof(DASH) - 1, line.len);
    if (!slice_cut(&rest, ' ', &name) || !name_is_allowed(name))
        return fault_set(fault, FAULT_INVALID, "note: a signature without a good name");
    if (rest.len == 0 || !base64_decode(rest, &bytes, fault) || bytes.len <= NOTE_ID_BYTES)
        return fault_set(fault, FAULT_INVALID,
                         "note: a signature that is not canonical base64");
    ret_signature->name = name;
    ret_signature->base64 = rest;
    memcpy(ret_signature->id, bytes.at, NOTE_ID_BYTES);
    return true;
}

bool note_parse(struct slice bytes, struct note *ret_note, struct fault *fault)
{
    size_t split = SIZE_MAX;
    struct slice lines, line;

    if (bytes.len > NOTE_BYTES_MAX)
        return fault_set(fault, FAULT_LIMIT, "note of %zu bytes", bytes.len);
    for (size_t i = 0; i < bytes.len; i++) {
        if (bytes.at[i] < 0x20 && bytes.at[i] != '\n')
            return fault_set(fault, FAULT_INVALID, "note: a control character at byte %zu", i);
        if (bytes.at[i] == '\n' && i > 0 && bytes.at[i - 1] == '\n')
            split = i;
    }
    if (!utf8_is_valid(bytes))
        return fault_set(fault, FAULT_INVALID, "note: not UTF-8");
    if (split == SIZE_MAX || split + 1 >= bytes.len || bytes.at[bytes.len - 1] != '\n')
        return fault_set(fault, FAULT_INVALID, "note: no signature lines");
    ret_note->text = slice_part(bytes, 0, split);
    ret_note->signature_count = 0;
    lines = slice_part(bytes, split + 1, bytes.len - 1);
    while (slice_cut(&lines, '\n', &line)) {
        if (ret_note->signature_count == NOTE_LINES_MAX)
            return fault_set(fault, FAULT_LIMIT, "note: more than %d signatures",
                             NOTE_LINES_MAX);
        if (!parse_signature(line, &ret_note->signatures[ret_note->signature_count++], fault))
            return false;
    }
    return true;
}

/*
 * Takes "name+hex8" off the front of a key's text; the rest is base64, in which a '+' may be.
 */
static bool take_name_and_id(struct slice *rest, struct slice *ret_name,
                             uint8_t ret_id[NOTE_ID_BYTES], struct fault *fault)
{
    struct slice hex;

    if (!slice_cut(rest, '+', ret_name) || !name_is_allowed(*ret_name) ||
        !slice_cut(rest, '+', &hex) || !hex_decode(hex, ret_id, NOTE_ID_BYTES) ||
        rest->len == 0)
        return fault_set(fault, FAULT_INVALID, "key: not of the form name+id+key");
    return true;
}

bool note_key_parse_as(struct slice vkey, uint8_t type, struct note_key **ret_key,
                       struct fault *fault)
{
    uint8_t typed[1 + PUBLIC_BYTES];
    uint8_t said[NOTE_ID_BYTES], id[NOTE_ID_BYTES];
    struct slice name;
    struct note_key *key;
    EVP_PKEY *public_key;

    if (!take_name_and_id(&vkey, &name, said, fault))
        return false;
    if (!base64_decode_exactly(vkey, typed, sizeof(typed)) || typed[0] != type)
        return fault_set(fault, FAULT_INVALID, "key %.*s: not an Ed25519 key of type %02x",
                         SLICE_ARGS(name), type);
    key_id(name, slice_of_bytes(typed, sizeof(typed)), id);
    if (memcmp(id, said, sizeof(id)) != 0)
        return fault_set(fault, FAULT_INVALID, "key %.*s: its id is not that of its bytes",
                         SLICE_ARGS(name));
    public_key =
        EVP_PKEY_new_raw_public_key_ex(NULL, "ED25519", NULL, typed + 1, PUBLIC_BYTES);
    if (public_key == NULL)
        return fault_set(fault, FAULT_INVALID, "key %.*s: OpenSSL refuses it",
                         SLICE_ARGS(name));
    key = xalloc(sizeof(*key));
    memcpy(key->name, name.at, name.len);
    memcpy(key->id, id, sizeof(id));
    memcpy(key->raw, typed + 1, PUBLIC_BYTES);
    key->public_key = public_key;
    *ret_key = key;
    return true;
}

bool note_key_parse(struct slice vkey, struct note_key **ret_key, struct fault *fault)
{
    return note_key_parse_as(vkey, NOTE_TYPE_ED25519, ret_key, fault);
}

void note_key_free(struct note_key *key)
{
    if (key == NULL)
        return;
    EVP_PKEY_free(key->public_key);
    free(key);
}

const char *note_key_name(const struct note_key *key)
{
    return key->name;
}

const uint8_t *note_key_public(const struct note_key *key)
{
    return key->raw;
}

bool note_key_made(const struct note_key *key, const struct note_signature *signature)
{
    return slice_equal(signature->name, slice_of(key->name)) &&
           memcmp(signature->id, key->id, NOTE_ID_BYTES) == 0;
}

bool note_signature_write(const struct note_signature *signature, struct buf *ret_line,
                          struct fault *fault)
{
    return buf_add_text(ret_line, DASH, fault) && buf_add(ret_line, signature->name, fault) &&
           buf_add_byte(ret_line, ' ', fault) && buf_add(ret_line, signature->base64, fault) &&
           buf_add_byte(ret_line, '\n', fault);
}

bool note_key_check(const struct note_key *key, struct slice message, const uint8_t *signature)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool good =
        context != NULL &&
        EVP_DigestVerifyInit(context, NULL, NULL, NULL, key->public_key) == 1 &&
        EVP_DigestVerify(context, signature, SIGNATURE_BYTES, message.at, message.len) == 1;

    EVP_MD_CTX_free(context);
    return good;
}

bool note_signature_bytes(const struct note_signature *signature,
                          uint8_t ret_bytes[SIGNATURE_BYTES])
{
    uint8_t bytes[NOTE_ID_BYTES + SIGNATURE_BYTES];

    if (!base64_decode_exactly(signature->base64, bytes, sizeof(bytes)))
        return false;
    memcpy(ret_bytes, bytes + NOTE_ID_BYTES, SIGNATURE_BYTES);
    return true;
}

bool note_key_line(const struct note_key *key, const uint8_t signature[SIGNATURE_BYTES],
                   struct buf *ret_line, struct fault *fault)
{
    uint8_t bytes[NOTE_ID_BYTES + SIGNATURE_BYTES];

    memcpy(bytes, key->id, NOTE_ID_BYTES);
    memcpy(bytes + NOTE_ID_BYTES, signature, SIGNATURE_BYTES);
    return buf_add_format(ret_line, fault, DASH "%s ", key->name) &&
           base64_encode(slice_of_bytes(bytes, sizeof(bytes)), ret_line, fault) &&
           buf_add_byte(ret_line, '\n', fault);
}

static bool signature_is_good(const struct note *note, const struct note_signature *signature,
                              const struct note_key *key)
{
    uint8_t bytes[SIGNATURE_BYTES];

    return note_signature_bytes(signature, bytes) && note_key_check(key, note->text, bytes);
}

bool note_verify(const struct note *note, const struct note_key *key, struct fault *fault)
{
    size_t good = 0;

    for (size_t i = 0; i < note->signature_count; i++) {
        const struct note_signature *signature = &note->signatures[i];

        if (!note_key_made(key, signature))
            continue;
        if (!signature_is_good(note, signature, key))
            return fault_set(fault, FAULT_INVALID, "note: the signature of %s is wrong",
                             key->name);
        good++;
    }
    if (good == 0)
        return fault_set(fault, FAULT_INVALID, "note: no signature of %s", key->name);
    return true;
}

static EVP_PKEY *secret_of_seed(const uint8_t *seed, uint8_t ret_public[PUBLIC_BYTES])
{
    size_t len = PUBLIC_BYTES;
    EVP_PKEY *secret =
        EVP_PKEY_new_raw_private_key_ex(NULL, "ED25519", NULL, seed, NOTE_SEED_BYTES);

    if (secret != NULL && EVP_PKEY_get_raw_public_key(secret, ret_public, &len) != 1) {
        EVP_PKEY_free(secret);
        return NULL;
    }
    return secret;
}

static void typed_public(uint8_t type, const uint8_t public_key[PUBLIC_BYTES],
                         uint8_t ret_typed[1 + PUBLIC_BYTES])
{
    ret_typed[0] = type;
    memcpy(ret_typed + 1, public_key, PUBLIC_BYTES);
}

static bool sign_by_secret(void *self, struct slice message,
                           uint8_t ret_signature[SIGNATURE_BYTES], struct fault *fault)
{
    size_t len = SIGNATURE_BYTES;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool ok = context != NULL && EVP_DigestSignInit(context, NULL, NULL, NULL, self) == 1 &&
              EVP_DigestSign(context, ret_signature, &len, message.at, message.len) == 1 &&
              len == SIGNATURE_BYTES;

    EVP_MD_CTX_free(context);
    return ok || fault_set(fault, FAULT_IO, "sign a note: OpenSSL failed");
}

static void free_secret(void *self)
{
    EVP_PKEY_free(self); /* cleanses */
}

/* Why a seed gives no key: 32 bytes of any value are one, so it is the library. */
static bool no_secret(struct fault *fault)
{
    return fault_set(fault, FAULT_HOST,
                     "OpenSSL has no Ed25519 here: a FIPS provider has it when it is of FIPS "
                     "186-5; see `openssl list -signature-algorithms`");
}

static bool signer_of_seed(struct slice name, const uint8_t said[NOTE_ID_BYTES],
                           const uint8_t *seed, struct note_signer **ret_signer,
                           struct fault *fault)
{
    struct note_signer *signer = xalloc(sizeof(*signer));
    uint8_t typed[1 + PUBLIC_BYTES];

    signer->signing = (struct note_signing){
        .sign = sign_by_secret,
        .end = free_secret,
        .self = secret_of_seed(seed, signer->public_key),
    };
    if (signer->signing.self == NULL) {
        note_signer_free(signer);
        return no_secret(fault);
    }
    memcpy(signer->name, name.at, name.len);
    typed_public(NOTE_TYPE_ED25519, signer->public_key, typed);
    key_id(name, slice_of_bytes(typed, sizeof(typed)), signer->id);
    if (memcmp(signer->id, said, NOTE_ID_BYTES) != 0) {
        note_signer_free(signer);
        return fault_set(fault, FAULT_INVALID, "signing key: its id is not that of its bytes");
    }
    *ret_signer = signer;
    return true;
}

bool note_signer_of(struct slice vkey, const struct note_signing *signing,
                    struct note_signer **ret_signer, struct fault *fault)
{
    struct note_signer *signer = xalloc(sizeof(*signer));

    signer->signing = *signing;
    if (!note_key_parse(vkey, &signer->check, fault)) {
        note_signer_free(signer);
        return false;
    }
    memcpy(signer->name, signer->check->name, sizeof(signer->name));
    memcpy(signer->id, signer->check->id, sizeof(signer->id));
    memcpy(signer->public_key, signer->check->raw, sizeof(signer->public_key));
    *ret_signer = signer;
    return true;
}

/* `ret_typed`: the type, then the seed. */
static bool skey_parse(struct slice skey, struct slice *ret_name,
                       uint8_t ret_id[NOTE_ID_BYTES], uint8_t ret_typed[1 + NOTE_SEED_BYTES],
                       struct fault *fault)
{
    if (!slice_starts_with(skey, SLICE(SKEY_HEAD)))
        return fault_set(fault, FAULT_INVALID, "signing key: not a signed-note key");
    skey = slice_part(skey, sizeof(SKEY_HEAD) - 1, skey.len);
    if (!take_name_and_id(&skey, ret_name, ret_id, fault))
        return fault_in(fault, "signing key");
    return (base64_decode_exactly(skey, ret_typed, 1 + NOTE_SEED_BYTES) &&
            ret_typed[0] == NOTE_TYPE_ED25519) ||
           fault_set(fault, FAULT_INVALID, "signing key: not an Ed25519 seed");
}

bool note_signer_parse(struct slice skey, struct note_signer **ret_signer, struct fault *fault)
{
    uint8_t typed[1 + NOTE_SEED_BYTES], id[NOTE_ID_BYTES];
    struct slice name;
    bool ok = skey_parse(skey, &name, id, typed, fault) &&
              signer_of_seed(name, id, typed + 1, ret_signer, fault);

    explicit_bzero(typed, sizeof(typed));
    return ok;
}

bool note_skey_seed(struct slice skey, uint8_t ret_seed[NOTE_SEED_BYTES], struct fault *fault)
{
    uint8_t typed[1 + NOTE_SEED_BYTES], id[NOTE_ID_BYTES];
    struct slice name;
    bool ok = skey_parse(skey, &name, id, typed, fault);

    if (ok)
        memcpy(ret_seed, typed + 1, NOTE_SEED_BYTES);
    explicit_bzero(typed, sizeof(typed));
    return ok;
}

void note_signer_free(struct note_signer *signer)
{
    if (signer == NULL)
        return;
    signer->signing.end(signer->signing.self);
    note_key_free(signer->check);
    free(signer);
}

const struct note_signing *note_signer_signing(const struct note_signer *signer)
{
    return &signer->signing;
}

const char *note_signer_name(const struct note_signer *signer)
{
    return signer->name;
}

static bool add_key_text(struct slice name, const uint8_t id[NOTE_ID_BYTES],
                         struct slice typed, struct buf *ret_text, struct fault *fault)
{
    char hex[2 * NOTE_ID_BYTES + 1];

    hex_encode(slice_of_bytes(id, NOTE_ID_BYTES), hex);
    return buf_add(ret_text, name, fault) && buf_add_byte(ret_text, '+', fault) &&
           buf_add_text(ret_text, hex, fault) && buf_add_byte(ret_text, '+', fault) &&
           base64_encode(typed, ret_text, fault);
}

static bool own_name_check(struct slice name, struct fault *fault)
{
    return own_name_is_allowed(name) ||
           fault_set(fault, FAULT_INVALID, "key name: only [a-z0-9./_-], at most %d",
                     NOTE_NAME_BYTES_MAX);
}

bool note_vkey_of(struct slice name, const uint8_t public_key[PUBLIC_BYTES],
                  struct buf *ret_vkey, struct fault *fault)
{
    uint8_t typed[1 + PUBLIC_BYTES], id[NOTE_ID_BYTES];

    if (!own_name_check(name, fault))
        return false;
    typed_public(NOTE_TYPE_ED25519, public_key, typed);
    key_id(name, slice_of_bytes(typed, sizeof(typed)), id);
    return add_key_text(name, id, slice_of_bytes(typed, sizeof(typed)), ret_vkey, fault);
}

bool note_key_texts(struct slice name, const uint8_t seed[NOTE_SEED_BYTES],
                    struct buf *ret_skey, struct buf *ret_vkey, struct fault *fault)
{
    uint8_t public_key[PUBLIC_BYTES], typed[1 + PUBLIC_BYTES], typed_seed[1 + NOTE_SEED_BYTES];
    uint8_t id[NOTE_ID_BYTES];
    EVP_PKEY *secret;
    bool ok;

    if (!own_name_check(name, fault))
        return false;
    secret = secret_of_seed(seed, public_key);
    if (secret == NULL)
        return no_secret(fault);
    EVP_PKEY_free(secret);
    typed_public(NOTE_TYPE_ED25519, public_key, typed);
    key_id(name, slice_of_bytes(typed, sizeof(typed)), id);
    typed_seed[0] = NOTE_TYPE_ED25519;
    memcpy(typed_seed + 1, seed, NOTE_SEED_BYTES);
    ok = buf_add_text(ret_skey, SKEY_HEAD, fault) &&
         add_key_text(name, id, slice_of_bytes(typed_seed, sizeof(typed_seed)), ret_skey,
                      fault) &&
         add_key_text(name, id, slice_of_bytes(typed, sizeof(typed)), ret_vkey, fault);
    explicit_bzero(typed_seed, sizeof(typed_seed));
    return ok;
}

void note_signer_id_as(const struct note_signer *signer, uint8_t type,
                       uint8_t ret_id[NOTE_ID_BYTES])
{
    uint8_t typed[1 + PUBLIC_BYTES];

    typed_public(type, signer->public_key, typed);
    key_id(slice_of(signer->name), slice_of_bytes(typed, sizeof(typed)), ret_id);
}

bool note_signer_vkey_as(const struct note_signer *signer, uint8_t type, struct buf *ret_vkey,
                         struct fault *fault)
{
    uint8_t typed[1 + PUBLIC_BYTES], id[NOTE_ID_BYTES];

    typed_public(type, signer->public_key, typed);
    note_signer_id_as(signer, type, id);
    return add_key_text(slice_of(signer->name), id, slice_of_bytes(typed, sizeof(typed)),
                        ret_vkey, fault);
}

bool note_signer_vkey(const struct note_signer *signer, struct buf *ret_vkey,
                      struct fault *fault)
{
    return note_signer_vkey_as(signer, NOTE_TYPE_ED25519, ret_vkey, fault);
}

bool note_signer_sign(const struct note_signer *signer, struct slice message,
                      uint8_t ret_signature[SIGNATURE_BYTES], struct fault *fault)
{
    if (!signer->signing.sign(signer->signing.self, message, ret_signature, fault))
        return false;
    if (signer->check != NULL && !note_key_check(signer->check, message, ret_signature))
        return fault_set(fault, FAULT_IO, "sign a note: the signature is not one of %s",
                         signer->name);
    return true;
}

bool note_sign(const struct note_signer *signer, struct slice text, struct buf *ret_note,
               struct fault *fault)
{
    uint8_t bytes[NOTE_ID_BYTES + SIGNATURE_BYTES];

    if (text.len == 0 || text.at[text.len - 1] != '\n')
        return fault_set(fault, FAULT_INVALID, "note: the text does not end with a line end");
    memcpy(bytes, signer->id, NOTE_ID_BYTES);
    if (!note_signer_sign(signer, text, bytes + NOTE_ID_BYTES, fault))
        return false;
    return buf_add(ret_note, text, fault) && buf_add_text(ret_note, "\n" DASH, fault) &&
           buf_add_text(ret_note, signer->name, fault) && buf_add_byte(ret_note, ' ', fault) &&
           base64_encode(slice_of_bytes(bytes, sizeof(bytes)), ret_note, fault) &&
           buf_add_byte(ret_note, '\n', fault);
}
