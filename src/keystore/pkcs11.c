#include "keystore/pkcs11.h"

#include <dlfcn.h>
#include <p11-kit/pkcs11.h>

#include "base/scope.h"
#include "keystore/secret.h"

#define SLOTS_MAX 64
#define MECHANISMS_MAX 512

struct pkcs11_token {
    const struct pkcs11_uri *uri;
    void *module;
    CK_FUNCTION_LIST *calls;
    bool initialized, opened;
    CK_SLOT_ID slot;
    CK_SESSION_HANDLE session;
    CK_OBJECT_HANDLE key;
};

/* Ed25519 as a token wants it named: by its object id, or, some, by its name. */
static CK_BYTE curve_id[] = {0x06, 0x03, 0x2b, 0x65, 0x70};
static CK_BYTE curve_name[] = {0x13, 0x0c, 'e', 'd', 'w', 'a', 'r',
                               'd',  's',  '2', '5', '5', '1', '9'};
static CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
static CK_OBJECT_CLASS class_private = CKO_PRIVATE_KEY, class_public = CKO_PUBLIC_KEY;
static CK_KEY_TYPE type_edwards = CKK_EC_EDWARDS;

static const struct answer {
    CK_RV code;
    enum fault_kind kind;
    const char *words;
} answers[] = {
    {CKR_PIN_INCORRECT, FAULT_INVALID,
     "the token refuses the PIN; look at pin-source before you try again: it locks itself "
     "soon"},
    {CKR_PIN_LEN_RANGE, FAULT_INVALID, "the PIN is too short or too long for the token"},
    {CKR_PIN_LOCKED, FAULT_HOST, "the PIN is locked: its security officer unlocks it"},
    {CKR_USER_PIN_NOT_INITIALIZED, FAULT_HOST, "the token has no PIN yet: initialise it"},
    {CKR_TOKEN_NOT_PRESENT, FAULT_HOST, "the token is not there any more"},
    {CKR_DEVICE_REMOVED, FAULT_HOST, "the token is not there any more"},
    {CKR_MECHANISM_INVALID, FAULT_HOST, "the token does not sign Ed25519 (CKM_EDDSA)"},
    {CKR_SESSION_READ_ONLY, FAULT_HOST, "the token is read-only"},
    {CKR_TOKEN_WRITE_PROTECTED, FAULT_HOST, "the token is read-only"},
    {CKR_DEVICE_MEMORY, FAULT_HOST, "the token is full"},
};

static bool refused(CK_RV code, const char *doing, struct fault *fault)
{
    for (size_t i = 0; i < COUNT(answers); i++)
        if (code == answers[i].code)
            return fault_set(fault, answers[i].kind, "%s: %s", doing, answers[i].words);
    return fault_set(fault, FAULT_HOST, "%s: PKCS#11 code 0x%lx", doing, code);
}

/* "PKCS#11" pads its texts with blanks, to a fixed length. */
static bool text_is(const char *wanted, const CK_UTF8CHAR *padded, size_t room)
{
    size_t len = strlen(wanted);

    if (len > room || memcmp(padded, wanted, len) != 0)
        return false;
    for (size_t i = len; i < room; i++)
        if (padded[i] != ' ' && padded[i] != 0)
            return false;
    return true;
}

static bool load_module(struct pkcs11_token *token, struct fault *fault)
{
    CK_C_GetFunctionList get_list;
    void *found;
    CK_RV code;

    token->module = dlopen(token->uri->module_path, RTLD_NOW | RTLD_LOCAL);
    if (token->module == NULL)
        return fault_set(fault, FAULT_HOST,
                         "load the PKCS#11 module: %.200s; install it, or correct module-path",
                         dlerror());
    found = dlsym(token->module, "C_GetFunctionList");
    if (found == NULL)
        return fault_set(fault, FAULT_HOST, "%.200s is not a PKCS#11 module",
                         token->uri->module_path);
    memcpy(&get_list, &found, sizeof(get_list));
    code = get_list(&token->calls);
    if (code == CKR_OK)
        code = token->calls->C_Initialize(NULL);
    if (code != CKR_OK)
        return refused(code, "begin with the PKCS#11 module", fault);
    token->initialized = true;
    return true;
}

static bool is_wanted(const struct pkcs11_token *token, const CK_TOKEN_INFO *info)
{
    const struct pkcs11_uri *uri = token->uri;

    return (uri->token[0] == 0 || text_is(uri->token, info->label, sizeof(info->label))) &&
           (uri->serial[0] == 0 ||
            text_is(uri->serial, info->serialNumber, sizeof(info->serialNumber)));
}

static bool find_slot(struct pkcs11_token *token, CK_FLAGS *ret_flags, struct fault *fault)
{
    CK_SLOT_ID slots[SLOTS_MAX];
    CK_ULONG count = SLOTS_MAX;
    size_t found = 0;
    CK_RV code = token->calls->C_GetSlotList(CK_TRUE, slots, &count);

    if (code != CKR_OK)
        return refused(code, "list tokens", fault);
    for (CK_ULONG i = 0; i < count; i++) {
        CK_TOKEN_INFO info;

        if (token->calls->C_GetTokenInfo(slots[i], &info) != CKR_OK ||
            !is_wanted(token, &info))
            continue;
        token->slot = slots[i];
        *ret_flags = info.flags;
        found++;
    }
    if (found > 1)
        return fault_set(fault, FAULT_INVALID,
                         "%zu tokens are called %.100s: add ;serial= to the URI", found,
                         token->uri->token);
    return found == 1 ||
           fault_set(fault, FAULT_HOST,
                     "the module has no token %.100s%.100s: is it plugged in, and may this "
                     "user reach it?",
                     token->uri->token, token->uri->serial);
}

static bool check_mechanism(struct pkcs11_token *token, struct fault *fault)
{
    CK_MECHANISM_TYPE types[MECHANISMS_MAX];
    CK_ULONG count = MECHANISMS_MAX;
    CK_RV code = token->calls->C_GetMechanismList(token->slot, types, &count);

    if (code != CKR_OK)
        return refused(code, "ask the token what it can do", fault);
    for (CK_ULONG i = 0; i < count; i++)
        if (types[i] == CKM_EDDSA)
            return true;
    return refused(CKR_MECHANISM_INVALID, "ask the token what it can do", fault);
}

static bool log_in(struct pkcs11_token *token, CK_FLAGS flags, struct fault *fault)
{
    AUTO_BUF_SECRET struct buf pin = buf_with_limit(SECRET_BYTES_MAX);
    CK_RV code = token->calls->C_OpenSession(token->slot, CKF_SERIAL_SESSION | CKF_RW_SESSION,
                                             NULL, NULL, &token->session);

    if (code != CKR_OK)
        return refused(code, "open a session with the token", fault);
    token->opened = true;
    if ((flags & CKF_USER_PIN_LOCKED) != 0)
        return refused(CKR_PIN_LOCKED, "log in", fault);
    if ((flags & CKF_USER_PIN_FINAL_TRY) != 0)
        return fault_set(fault, FAULT_HOST,
                         "one wrong PIN more locks the token: log in by hand (pkcs11-tool "
                         "--login), that counts anew");
    if (!secret_read(slice_of(token->uri->pin_source), &pin, fault))
        return fault_in(fault, "the token's PIN");
    while (pin.len > 0 && (pin.at[pin.len - 1] == '\n' || pin.at[pin.len - 1] == '\r'))
        pin.len--;
    code = token->calls->C_Login(token->session, CKU_USER, pin.at, pin.len);
    return code == CKR_OK || refused(code, "log in", fault);
}

bool pkcs11_open(const struct pkcs11_uri *uri, struct pkcs11_token **ret_token,
                 struct fault *fault)
{
    struct pkcs11_token *token = xalloc(sizeof(*token));
    CK_FLAGS flags = 0;

    token->uri = uri;
    if (!load_module(token, fault) || !find_slot(token, &flags, fault) ||
        !check_mechanism(token, fault) || !log_in(token, flags, fault)) {
        pkcs11_close(token);
        return false;
    }
    *ret_token = token;
    return true;
}

/* The module stays loaded: many do not survive being unloaded. */
void pkcs11_close(struct pkcs11_token *token)
{
    if (token == NULL)
        return;
    if (token->opened)
        (void)token->calls->C_CloseSession(token->session);
    if (token->initialized)
        (void)token->calls->C_Finalize(NULL);
    free(token);
}

/* What names a key of ours, by the URI; gives how many attributes it has written. */
static CK_ULONG add_names(const struct pkcs11_uri *uri, CK_ATTRIBUTE *ret_attributes)
{
    struct pkcs11_uri *words;
    CK_ULONG count = 0;

    memcpy(&words, &uri, sizeof(words)); /* PKCS#11 has no const; nobody writes there */
    if (uri->object[0] != 0)
        ret_attributes[count++] =
            (CK_ATTRIBUTE){CKA_LABEL, words->object, strlen(words->object)};
    if (uri->id_len > 0)
        ret_attributes[count++] = (CK_ATTRIBUTE){CKA_ID, words->id, words->id_len};
    return count;
}

static bool find_one(struct pkcs11_token *token, CK_OBJECT_CLASS *class,
                     CK_OBJECT_HANDLE *ret_object, struct fault *fault)
{
    CK_ATTRIBUTE wanted[4] = {{CKA_CLASS, class, sizeof(*class)}};
    CK_OBJECT_HANDLE found[2];
    CK_ULONG count = 0, names = add_names(token->uri, wanted + 1);
    CK_RV code = token->calls->C_FindObjectsInit(token->session, wanted, 1 + names);

    if (code == CKR_OK) {
        code = token->calls->C_FindObjects(token->session, found, 2, &count);
        (void)token->calls->C_FindObjectsFinal(token->session);
    }
    if (code != CKR_OK)
        return refused(code, "look for the key", fault);
    if (count == 0)
        return fault_set(fault, FAULT_MISSING, "the token has no %s key of that name",
                         *class == CKO_PRIVATE_KEY ? "private" : "public");
    if (count > 1)
        return fault_set(fault, FAULT_INVALID,
                         "the token has several keys of that name: add ;id= to the URI");
    *ret_object = found[0];
    return true;
}

/* 32 bytes, alone or as a DER OCTET STRING or BIT STRING: versions of PKCS#11 differ. */
static bool take_point(const CK_BYTE *point, CK_ULONG len, uint8_t *ret_public)
{
    static const struct {
        uint8_t head[3];
        CK_ULONG len;
    } forms[] = {{{0}, 0}, {{0x04, 0x20}, 2}, {{0x03, 0x21, 0x00}, 3}};

    for (size_t i = 0; i < COUNT(forms); i++)
        if (len == forms[i].len + PKCS11_PUBLIC_BYTES &&
            memcmp(point, forms[i].head, forms[i].len) == 0) {
            memcpy(ret_public, point + forms[i].len, PKCS11_PUBLIC_BYTES);
            return true;
        }
    return false;
}

bool pkcs11_find(struct pkcs11_token *token, uint8_t ret_public[PKCS11_PUBLIC_BYTES],
                 struct fault *fault)
{
    CK_KEY_TYPE type = 0;
    CK_BYTE point[128];
    CK_ATTRIBUTE about[] = {{CKA_KEY_TYPE, &type, sizeof(type)},
                            {CKA_EC_POINT, point, sizeof(point)}};
    CK_OBJECT_HANDLE public_key;
    CK_RV code;

    if (!find_one(token, &class_private, &token->key, fault) ||
        !find_one(token, &class_public, &public_key, fault))
        return false;
    code = token->calls->C_GetAttributeValue(token->session, public_key, about, COUNT(about));
    if (code != CKR_OK || type != CKK_EC_EDWARDS ||
        !take_point(point, about[1].ulValueLen, ret_public))
        return fault_set(fault, FAULT_INVALID, "the token's key is not an Ed25519 key");
    return true;
}

bool pkcs11_make(struct pkcs11_token *token, struct fault *fault)
{
    const struct {
        CK_BYTE *at;
        CK_ULONG len;
    } curves[] = {{curve_id, sizeof(curve_id)}, {curve_name, sizeof(curve_name)}};
    CK_MECHANISM mechanism = {CKM_EC_EDWARDS_KEY_PAIR_GEN, NULL, 0};
    CK_RV code = CKR_OK;

    for (size_t i = 0; i < COUNT(curves); i++) {
        CK_ATTRIBUTE public_part[5] = {{CKA_EC_PARAMS, curves[i].at, curves[i].len},
                                       {CKA_TOKEN, &yes, sizeof(yes)},
                                       {CKA_VERIFY, &yes, sizeof(yes)}};
        CK_ATTRIBUTE private_part[7] = {{CKA_TOKEN, &yes, sizeof(yes)},
                                        {CKA_PRIVATE, &yes, sizeof(yes)},
                                        {CKA_SIGN, &yes, sizeof(yes)},
                                        {CKA_SENSITIVE, &yes, sizeof(yes)},
                                        {CKA_EXTRACTABLE, &no, sizeof(no)}};
        CK_ULONG names = add_names(token->uri, public_part + 3);
        CK_OBJECT_HANDLE made[2];

        (void)add_names(token->uri, private_part + 5);
        code =
            token->calls->C_GenerateKeyPair(token->session, &mechanism, public_part, 3 + names,
                                            private_part, 5 + names, &made[0], &made[1]);
        if (code == CKR_OK)
            return true;
    }
    return refused(code, "make a key in the token", fault);
}

bool pkcs11_bring(struct pkcs11_token *token, const uint8_t seed[PKCS11_SEED_BYTES],
                  const uint8_t public_key[PKCS11_PUBLIC_BYTES], struct fault *fault)
{
    CK_BYTE value[PKCS11_SEED_BYTES], point[2 + PKCS11_PUBLIC_BYTES] = {0x04, 0x20};
    CK_ATTRIBUTE private_part[10] = {{CKA_CLASS, &class_private, sizeof(class_private)},
                                     {CKA_KEY_TYPE, &type_edwards, sizeof(type_edwards)},
                                     {CKA_TOKEN, &yes, sizeof(yes)},
                                     {CKA_PRIVATE, &yes, sizeof(yes)},
                                     {CKA_SIGN, &yes, sizeof(yes)},
                                     {CKA_SENSITIVE, &yes, sizeof(yes)},
                                     {CKA_EC_PARAMS, curve_id, sizeof(curve_id)},
                                     {CKA_VALUE, value, sizeof(value)}};
    CK_ATTRIBUTE public_part[8] = {{CKA_CLASS, &class_public, sizeof(class_public)},
                                   {CKA_KEY_TYPE, &type_edwards, sizeof(type_edwards)},
                                   {CKA_TOKEN, &yes, sizeof(yes)},
                                   {CKA_VERIFY, &yes, sizeof(yes)},
                                   {CKA_EC_PARAMS, curve_id, sizeof(curve_id)},
                                   {CKA_EC_POINT, point, sizeof(point)}};
    CK_ULONG names = add_names(token->uri, private_part + 8);
    CK_OBJECT_HANDLE made[2];
    CK_RV code;

    (void)add_names(token->uri, public_part + 6);
    memcpy(value, seed, sizeof(value));
    memcpy(point + 2, public_key, PKCS11_PUBLIC_BYTES);
    code = token->calls->C_CreateObject(token->session, public_part, 6 + names, &made[0]);
    if (code == CKR_OK) {
        code = token->calls->C_CreateObject(token->session, private_part, 8 + names, &made[1]);
        if (code != CKR_OK)
            (void)token->calls->C_DestroyObject(token->session, made[0]);
    }
    explicit_bzero(value, sizeof(value));
    return code == CKR_OK || refused(code, "bring the key into the token", fault);
}

bool pkcs11_sign(struct pkcs11_token *token, struct slice message,
                 uint8_t ret_signature[PKCS11_SIGNATURE_BYTES], struct fault *fault)
{
    CK_MECHANISM mechanism = {CKM_EDDSA, NULL, 0};
    CK_ULONG len = PKCS11_SIGNATURE_BYTES;
    CK_BYTE *words;
    CK_RV code = token->calls->C_SignInit(token->session, &mechanism, token->key);

    memcpy(&words, &message.at, sizeof(words));
    if (code == CKR_OK)
        code = token->calls->C_Sign(token->session, words, message.len, ret_signature, &len);
    if (code != CKR_OK)
        return refused(code, "sign", fault);
    return len == PKCS11_SIGNATURE_BYTES ||
           fault_set(fault, FAULT_HOST, "sign: the token makes signatures of %lu bytes", len);
}
