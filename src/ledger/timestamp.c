#include "ledger/timestamp.h"

#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ts.h>
#include <time.h>

#include "base/scope.h"

#define NONCE_BYTES 8
#define CERTIFICATES_MAX 64

static bool openssl_fault(struct fault *fault, const char *what)
{
    unsigned long code = ERR_peek_last_error();
    const char *why = code == 0 ? NULL : ERR_reason_error_string(code);

    ERR_clear_error();
    return fault_set(fault, FAULT_INVALID, "time stamp: %s%s%s", what, why == NULL ? "" : ": ",
                     why == NULL ? "" : why);
}

/* ---- the request ---- */

static bool set_imprint(TS_REQ *request, struct slice text)
{
    uint8_t hash[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    X509_ALGOR *algorithm = X509_ALGOR_new();
    TS_MSG_IMPRINT *imprint = TS_MSG_IMPRINT_new();
    bool ok = algorithm != NULL && imprint != NULL &&
              EVP_Digest(text.at, text.len, hash, &len, EVP_sha256(), NULL) == 1;

    if (ok)
        X509_ALGOR_set_md(algorithm, EVP_sha256());
    ok = ok && TS_MSG_IMPRINT_set_algo(imprint, algorithm) == 1 &&
         TS_MSG_IMPRINT_set_msg(imprint, hash, (int)len) == 1 &&
         TS_REQ_set_msg_imprint(request, imprint) == 1;
    X509_ALGOR_free(algorithm);
    TS_MSG_IMPRINT_free(imprint);
    return ok;
}

static bool set_nonce(TS_REQ *request)
{
    uint8_t random[NONCE_BYTES];
    ASN1_INTEGER *nonce = NULL;
    BIGNUM *number = NULL;
    bool ok = RAND_bytes(random, sizeof(random)) == 1 &&
              (number = BN_bin2bn(random, sizeof(random), NULL)) != NULL &&
              (nonce = BN_to_ASN1_INTEGER(number, NULL)) != NULL &&
              TS_REQ_set_nonce(request, nonce) == 1;

    ASN1_INTEGER_free(nonce);
    BN_free(number);
    return ok;
}

bool timestamp_request(struct slice text, struct buf *ret_request, struct fault *fault)
{
    TS_REQ *request = TS_REQ_new();
    uint8_t *der = NULL;
    int len = -1;
    bool ok;

    if (request != NULL && TS_REQ_set_version(request, 1) == 1 && set_imprint(request, text) &&
        set_nonce(request) && TS_REQ_set_cert_req(request, 1) == 1)
        len = i2d_TS_REQ(request, &der);
    TS_REQ_free(request);
    if (len <= 0)
        return openssl_fault(fault, "the request cannot be made");
    ok = buf_add(ret_request, slice_of_bytes(der, (size_t)len), fault);
    OPENSSL_free(der);
    return ok;
}

/* ---- the response ---- */

static bool hash_is_strong(TS_TST_INFO *info)
{
    const ASN1_OBJECT *object = NULL;
    int kind;

    X509_ALGOR_get0(&object, NULL, NULL,
                    TS_MSG_IMPRINT_get_algo(TS_TST_INFO_get_msg_imprint(info)));
    kind = OBJ_obj2nid(object);
    return kind == NID_sha256 || kind == NID_sha384 || kind == NID_sha512;
}

static bool time_of(const TS_TST_INFO *info, int64_t *ret_time)
{
    struct tm broken = {0};

    if (ASN1_TIME_to_tm(TS_TST_INFO_get_time(info), &broken) != 1)
        return false;
    *ret_time = (int64_t)timegm(&broken);
    return *ret_time > 0;
}

/* Certificates to trust, at the time of the token: an expired authority has still said it. */
static X509_STORE *store_of(struct slice ca, int64_t when, struct fault *fault)
{
    X509_STORE *store = X509_STORE_new();
    BIO *pem = BIO_new_mem_buf(ca.at, (int)ca.len);
    int count = 0;
    X509 *certificate;

    while (store != NULL && pem != NULL && count < CERTIFICATES_MAX &&
           (certificate = PEM_read_bio_X509(pem, NULL, NULL, NULL)) != NULL) {
        count += X509_STORE_add_cert(store, certificate);
        X509_free(certificate);
    }
    ERR_clear_error(); /* the end of the file is one */
    BIO_free(pem);
    if (count > 0) {
        X509_VERIFY_PARAM_set_time(X509_STORE_get0_param(store), (time_t)when);
        return store;
    }
    X509_STORE_free(store);
    (void)fault_set(fault, FAULT_INVALID, "time stamp: no certificate to trust");
    return NULL;
}

static TS_VERIFY_CTX *context_of(struct slice request_bytes, struct slice text,
                                 X509_STORE *store)
{
    const uint8_t *at = request_bytes.at;
    TS_REQ *request =
        request_bytes.len == 0 ? NULL : d2i_TS_REQ(NULL, &at, (long)request_bytes.len);
    TS_VERIFY_CTX *context =
        request == NULL ? TS_VERIFY_CTX_new() : TS_REQ_to_TS_VERIFY_CTX(request, NULL);
    BIO *data = BIO_new_mem_buf(text.at, (int)text.len);

    TS_REQ_free(request);
    if (context == NULL || data == NULL || (request_bytes.len > 0 && request == NULL)) {
        TS_VERIFY_CTX_free(context);
        BIO_free(data);
        X509_STORE_free(store);
        return NULL;
    }
    (void)TS_VERIFY_CTX_set_store(context, store);
    (void)TS_VERIFY_CTX_set_data(context, data);
    (void)TS_VERIFY_CTX_add_flags(context, TS_VFY_VERSION | TS_VFY_SIGNATURE | TS_VFY_DATA);
    return context;
}

static bool check(TS_RESP *response, struct slice text, struct slice ca, struct slice request,
                  int64_t *ret_time, struct fault *fault)
{
    TS_TST_INFO *info = TS_RESP_get_tst_info(response);
    TS_VERIFY_CTX *context;
    X509_STORE *store;
    int64_t when;
    bool ok;

    if (info == NULL)
        return fault_set(fault, FAULT_INVALID, "time stamp: the authority has refused");
    if (!hash_is_strong(info) || !time_of(info, &when))
        return fault_set(fault, FAULT_INVALID, "time stamp: a weak hash, or no time");
    store = store_of(ca, when, fault);
    if (store == NULL)
        return false;
    context = context_of(request, text, store);
    if (context == NULL)
        return openssl_fault(fault, "it cannot be verified");
    ok = TS_RESP_verify_response(context, response) == 1;
    TS_VERIFY_CTX_free(context);
    if (!ok)
        return openssl_fault(fault, "it does not hold");
    *ret_time = when;
    return true;
}

bool timestamp_check(struct slice response, struct slice text, struct slice ca,
                     struct slice request, int64_t *ret_time, struct fault *fault)
{
    const uint8_t *at = response.at;
    TS_RESP *parsed;
    bool ok;

    if (response.len == 0 || response.len > TIMESTAMP_BYTES_MAX || text.len > INT32_MAX ||
        ca.len > TIMESTAMP_CA_BYTES_MAX || request.len > TIMESTAMP_BYTES_MAX)
        return fault_set(fault, FAULT_INVALID, "time stamp: nothing there, or too much");
    parsed = d2i_TS_RESP(NULL, &at, (long)response.len);
    if (parsed == NULL || at != response.at + response.len) {
        TS_RESP_free(parsed);
        return openssl_fault(fault, "not a response");
    }
    ok = check(parsed, text, ca, request, ret_time, fault);
    TS_RESP_free(parsed);
    return ok;
}
