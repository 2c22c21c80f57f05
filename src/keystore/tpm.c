#include "keystore/tpm.h"

#include "base/scope.h"
#include "keystore/tpm_library.h"

#define PCR_COUNT 24
#define PCR_BYTES 3
#define NONE3 ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE

/* An opened TPM, and what was made in it. */
struct tpm {
    const struct tpm_library *library;
    TSS2_TCTI_CONTEXT *tcti;
    ESYS_CONTEXT *esys;
    ESYS_TR primary, session, object;
    TPML_PCR_SELECTION pcrs;
};

static const struct bank {
    const char *name;
    TPMI_ALG_HASH hash;
} banks[] = {
    {"sha256", TPM2_ALG_SHA256}, {"sha384", TPM2_ALG_SHA384}, {"sha1", TPM2_ALG_SHA1}};

/* `cmd:` would have a shell run its words, a path would load any library. */
static const char *const reaches[] = {"device", "swtpm", "mssim", "tabrmd"};

static bool bad_pcrs(struct fault *fault)
{
    return fault_set(fault, FAULT_INVALID,
                     "PCRs are written sha256:0,7: numbers below %d, ascending", PCR_COUNT);
}

static bool parse_number(struct slice digits, int *ret_number)
{
    int number = 0;

    if (digits.len == 0 || digits.len > 2 || (digits.at[0] == '0' && digits.len > 1))
        return false;
    for (size_t i = 0; i < digits.len; i++) {
        if (digits.at[i] < '0' || digits.at[i] > '9')
            return false;
        number = number * 10 + (digits.at[i] - '0');
    }
    *ret_number = number;
    return number < PCR_COUNT;
}

static bool parse_pcrs(struct slice text, TPML_PCR_SELECTION *ret_pcrs, struct fault *fault)
{
    TPMS_PCR_SELECTION *selection = &ret_pcrs->pcrSelections[0];
    struct slice name, digits;
    int number, last = -1;

    *ret_pcrs = (TPML_PCR_SELECTION){0};
    if (slice_equal(text, SLICE(TPM_PCRS_NONE)))
        return true;
    if (!slice_cut(&text, ':', &name))
        return bad_pcrs(fault);
    for (size_t i = 0; i < COUNT(banks); i++)
        if (slice_equal(name, slice_of(banks[i].name)))
            *selection =
                (TPMS_PCR_SELECTION){.hash = banks[i].hash, .sizeofSelect = PCR_BYTES};
    if (selection->sizeofSelect == 0)
        return bad_pcrs(fault);
    while (slice_cut(&text, ',', &digits)) {
        if (!parse_number(digits, &number) || number <= last)
            return bad_pcrs(fault);
        selection->pcrSelect[number / 8] |= (BYTE)(1 << number % 8);
        last = number;
    }
    ret_pcrs->count = 1;
    return last >= 0 || bad_pcrs(fault);
}

bool tpm_pcrs_check(struct slice pcrs, struct fault *fault)
{
    TPML_PCR_SELECTION ignored;

    return parse_pcrs(pcrs, &ignored, fault);
}

static const struct answer {
    TPM2_RC code;
    const char *words;
} answers[] = {
    {TPM2_RC_POLICY_FAIL,
     "the PCRs are not what they were when the key was sealed: boot as then, or bring back a "
     "copy of the key, or begin a new shard"},
    {TPM2_RC_PCR_CHANGED, "a PCR has changed meanwhile: try again"},
    {TPM2_RC_INTEGRITY, "the key was sealed by another TPM (or this one was cleared, or "
                        "keys/ledger.key was changed)"},
    {TPM2_RC_AUTH_FAIL, "the owner's authorisation is set: it must be empty"},
    {TPM2_RC_BAD_AUTH, "the owner's authorisation is set: it must be empty"},
    {TPM2_RC_LOCKOUT, "it is locked out after wrong authorisations: wait"},
};

/* Without the number of the parameter or session that a format-one code names. */
static TPM2_RC plain_code(TSS2_RC code)
{
    return (code & TPM2_RC_FMT1) != 0 ? code & (TPM2_RC_FMT1 | 0x3f) : code & 0xffff;
}

static bool refused(TSS2_RC code, const char *doing, struct fault *fault)
{
    if ((code & TSS2_RC_LAYER_MASK) == 0)
        for (size_t i = 0; i < COUNT(answers); i++)
            if (plain_code(code) == answers[i].code)
                return fault_set(fault, FAULT_HOST, "TPM: %s", answers[i].words);
    return fault_set(fault, FAULT_HOST, "TPM: %s: code %08x (see tpm2_rc_decode)", doing,
                     (unsigned)code);
}

static bool tcti_is_known(const char *tcti)
{
    for (size_t i = 0; i < COUNT(reaches); i++) {
        size_t len = strlen(reaches[i]);

        if (strncmp(tcti, reaches[i], len) == 0 && (tcti[len] == 0 || tcti[len] == ':'))
            return true;
    }
    return false;
}

static void tpm_close(struct tpm *tpm)
{
    const ESYS_TR made[] = {tpm->object, tpm->session, tpm->primary};

    for (size_t i = 0; i < COUNT(made) && tpm->esys != NULL; i++)
        if (made[i] != ESYS_TR_NONE)
            (void)tpm->library->flush(tpm->esys, made[i]);
    if (tpm->esys != NULL)
        tpm->library->finalize(&tpm->esys);
    if (tpm->tcti != NULL)
        tpm->library->tcti_finalize(&tpm->tcti);
}

/* The storage key that every TPM derives from its own seed, the same each time. */
static bool make_primary(struct tpm *tpm, struct fault *fault)
{
    const TPM2B_SENSITIVE_CREATE sensitive = {0};
    const TPM2B_DATA outside = {0};
    const TPML_PCR_SELECTION none = {0};
    const TPM2B_PUBLIC template = {
        .publicArea = {.type = TPM2_ALG_ECC,
                       .nameAlg = TPM2_ALG_SHA256,
                       .objectAttributes = TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT |
                                           TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                                           TPMA_OBJECT_SENSITIVEDATAORIGIN |
                                           TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_NODA,
                       .parameters.eccDetail = {.symmetric = {.algorithm = TPM2_ALG_AES,
                                                              .keyBits.aes = 128,
                                                              .mode.aes = TPM2_ALG_CFB},
                                                .scheme.scheme = TPM2_ALG_NULL,
                                                .curveID = TPM2_ECC_NIST_P256,
                                                .kdf.scheme = TPM2_ALG_NULL}}};
    TSS2_RC code = tpm->library->create_primary(
        tpm->esys, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &sensitive,
        &template, &outside, &none, &tpm->primary, NULL, NULL, NULL, NULL);

    return code == TSS2_RC_SUCCESS || refused(code, "make its primary key", fault);
}

static bool tpm_open(const char *tcti, struct slice pcrs, struct tpm *tpm, struct fault *fault)
{
    TSS2_RC code;

    *tpm =
        (struct tpm){.primary = ESYS_TR_NONE, .session = ESYS_TR_NONE, .object = ESYS_TR_NONE};
    if (!parse_pcrs(pcrs, &tpm->pcrs, fault))
        return false;
    if (tcti != NULL && !tcti_is_known(tcti))
        return fault_set(fault, FAULT_INVALID,
                         "a TPM is reached by device:, swtpm:, mssim: or tabrmd:, not %.80s",
                         tcti);
    if (!tpm_library_load(&tpm->library, fault))
        return false;
    code = tpm->library->tcti_initialize(tcti, &tpm->tcti);
    if (code == TSS2_RC_SUCCESS)
        code = tpm->library->initialize(&tpm->esys, tpm->tcti, NULL);
    if (code != TSS2_RC_SUCCESS)
        return fault_set(fault, FAULT_HOST,
                         "no TPM 2.0 answers at %.80s (code %08x): look for /dev/tpmrm0, and "
                         "whether this user may open it (group tss), or set CUSTODY_TPM",
                         tcti == NULL ? "/dev/tpmrm0" : tcti, (unsigned)code);
    return make_primary(tpm, fault);
}

/* Salted by the primary key, so that nobody on the bus reads what goes over it. */
static bool start_session(struct tpm *tpm, TPM2_SE type, struct fault *fault)
{
    const TPMT_SYM_DEF cipher = {
        .algorithm = TPM2_ALG_AES, .keyBits.aes = 128, .mode.aes = TPM2_ALG_CFB};
    const TPMA_SESSION attributes =
        TPMA_SESSION_DECRYPT | TPMA_SESSION_ENCRYPT | TPMA_SESSION_CONTINUESESSION;
    TSS2_RC code;

    if (tpm->session != ESYS_TR_NONE)
        (void)tpm->library->flush(tpm->esys, tpm->session);
    tpm->session = ESYS_TR_NONE;
    code = tpm->library->start_session(tpm->esys, tpm->primary, ESYS_TR_NONE, NONE3, NULL,
                                       type, &cipher, TPM2_ALG_SHA256, &tpm->session);
    if (code == TSS2_RC_SUCCESS && type != TPM2_SE_TRIAL)
        code = tpm->library->set_attributes(tpm->esys, tpm->session, attributes, 0xff);
    if (code == TSS2_RC_SUCCESS && type != TPM2_SE_HMAC) {
        const TPM2B_DIGEST as_they_are = {0};

        code =
            tpm->library->policy_pcr(tpm->esys, tpm->session, NONE3, &as_they_are, &tpm->pcrs);
    }
    return code == TSS2_RC_SUCCESS || refused(code, "begin a session", fault);
}

/* What Unseal will ask for; empty without PCRs. */
static bool find_policy(struct tpm *tpm, TPM2B_DIGEST *ret_policy, struct fault *fault)
{
    TPM2B_DIGEST *digest = NULL;
    TSS2_RC code;

    *ret_policy = (TPM2B_DIGEST){0};
    if (tpm->pcrs.count == 0)
        return true;
    if (!start_session(tpm, TPM2_SE_TRIAL, fault))
        return false;
    code = tpm->library->policy_digest(tpm->esys, tpm->session, NONE3, &digest);
    if (code != TSS2_RC_SUCCESS)
        return refused(code, "compute a policy", fault);
    *ret_policy = *digest;
    tpm->library->free(digest);
    return true;
}

static bool put_parts(const struct tpm *tpm, const TPM2B_PUBLIC *public_part,
                      const TPM2B_PRIVATE *private_part, struct buf *ret_public,
                      struct buf *ret_private, struct fault *fault)
{
    uint8_t bytes[2][TPM_PART_BYTES_MAX];
    size_t len[2] = {0, 0};

    if (tpm->library->put_public(public_part, bytes[0], sizeof(bytes[0]), &len[0]) !=
            TSS2_RC_SUCCESS ||
        tpm->library->put_private(private_part, bytes[1], sizeof(bytes[1]), &len[1]) !=
            TSS2_RC_SUCCESS)
        return fault_set(fault, FAULT_HOST, "TPM: what it made is too long");
    return buf_add(ret_public, slice_of_bytes(bytes[0], len[0]), fault) &&
           buf_add(ret_private, slice_of_bytes(bytes[1], len[1]), fault);
}

static bool create(struct tpm *tpm, const uint8_t *seed, const TPM2B_DIGEST *policy,
                   struct buf *ret_public, struct buf *ret_private, struct fault *fault)
{
    const TPM2B_DATA outside = {0};
    const TPML_PCR_SELECTION none = {0};
    TPM2B_SENSITIVE_CREATE sensitive = {.sensitive.data.size = TPM_SEED_BYTES};
    const TPM2B_PUBLIC template = {
        .publicArea = {.type = TPM2_ALG_KEYEDHASH,
                       .nameAlg = TPM2_ALG_SHA256,
                       .objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                                           TPMA_OBJECT_NODA |
                                           (policy->size == 0 ? TPMA_OBJECT_USERWITHAUTH : 0),
                       .authPolicy = *policy,
                       .parameters.keyedHashDetail.scheme.scheme = TPM2_ALG_NULL}};
    TPM2B_PRIVATE *private_part = NULL;
    TPM2B_PUBLIC *public_part = NULL;
    TSS2_RC code;
    bool ok;

    if (!start_session(tpm, TPM2_SE_HMAC, fault))
        return false;
    memcpy(sensitive.sensitive.data.buffer, seed, TPM_SEED_BYTES);
    code = tpm->library->create(tpm->esys, tpm->primary, tpm->session, ESYS_TR_NONE,
                                ESYS_TR_NONE, &sensitive, &template, &outside, &none,
                                &private_part, &public_part, NULL, NULL, NULL);
    explicit_bzero(&sensitive, sizeof(sensitive));
    if (code != TSS2_RC_SUCCESS)
        return refused(code, "seal", fault);
    ok = put_parts(tpm, public_part, private_part, ret_public, ret_private, fault);
    tpm->library->free(private_part);
    tpm->library->free(public_part);
    return ok;
}

bool tpm_seal(const char *tcti, struct slice pcrs, const uint8_t seed[TPM_SEED_BYTES],
              struct buf *ret_public, struct buf *ret_private, struct fault *fault)
{
    TPM2B_DIGEST policy;
    struct tpm tpm;
    bool ok = tpm_open(tcti, pcrs, &tpm, fault) && find_policy(&tpm, &policy, fault) &&
              create(&tpm, seed, &policy, ret_public, ret_private, fault);

    tpm_close(&tpm);
    return ok;
}

static bool load(struct tpm *tpm, struct slice public_part, struct slice private_part,
                 struct fault *fault)
{
    TPM2B_PUBLIC public_object = {0};
    TPM2B_PRIVATE private_object = {0};
    size_t at[2] = {0, 0};
    TSS2_RC code;

    if (tpm->library->get_public(public_part.at, public_part.len, &at[0], &public_object) !=
            TSS2_RC_SUCCESS ||
        tpm->library->get_private(private_part.at, private_part.len, &at[1],
                                  &private_object) != TSS2_RC_SUCCESS ||
        at[0] != public_part.len || at[1] != private_part.len)
        return fault_set(fault, FAULT_INVALID, "key file: not what a TPM has sealed");
    code = tpm->library->load(tpm->esys, tpm->primary, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                              ESYS_TR_NONE, &private_object, &public_object, &tpm->object);
    return code == TSS2_RC_SUCCESS || refused(code, "load the sealed key", fault);
}

static bool take_seed(TPM2B_SENSITIVE_DATA *data, uint8_t *ret_seed, struct fault *fault)
{
    bool ok = data->size == TPM_SEED_BYTES;

    if (ok)
        memcpy(ret_seed, data->buffer, TPM_SEED_BYTES);
    explicit_bzero(data->buffer, sizeof(data->buffer));
    return ok || fault_set(fault, FAULT_INVALID, "what the TPM has sealed is not a seed");
}

static bool unseal(struct tpm *tpm, uint8_t *ret_seed, struct fault *fault)
{
    TPM2B_SENSITIVE_DATA *data = NULL;
    TSS2_RC code;
    bool ok;

    if (!start_session(tpm, tpm->pcrs.count == 0 ? TPM2_SE_HMAC : TPM2_SE_POLICY, fault))
        return false;
    code = tpm->library->unseal(tpm->esys, tpm->object, tpm->session, ESYS_TR_NONE,
                                ESYS_TR_NONE, &data);
    if (code != TSS2_RC_SUCCESS)
        return refused(code, "unseal", fault);
    ok = take_seed(data, ret_seed, fault);
    tpm->library->free(data);
    return ok;
}

bool tpm_unseal(const char *tcti, struct slice pcrs, struct slice public_part,
                struct slice private_part, uint8_t ret_seed[TPM_SEED_BYTES],
                struct fault *fault)
{
    struct tpm tpm;
    bool ok = tpm_open(tcti, pcrs, &tpm, fault) &&
              load(&tpm, public_part, private_part, fault) && unseal(&tpm, ret_seed, fault);

    tpm_close(&tpm);
    return ok;
}
