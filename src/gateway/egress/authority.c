#include "gateway/egress/authority.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include "base/scope.h"
#include "wire/url.h"

#define BACK_S 3600              /* clocks differ */
#define AHEAD_S (8L * 24 * 3600) /* a run lasts a week at most */
#define SERIAL_BYTES 16
#define PEM_BYTES_MAX 4096

struct authority {
    const struct clock *clock;
    EVP_PKEY *key;
    X509 *certificate;
    EVP_PKEY *leaf_key; /* of all hosts */
    struct buf pem;
};

static bool failed(struct fault *fault, const char *what)
{
    const char *why = ERR_reason_error_string(ERR_peek_last_error());

    ERR_clear_error();
    return fault_set(fault, FAULT_IO, "%s: %s", what, why == NULL ? "failed" : why);
}

static bool set_serial(X509 *certificate)
{
    uint8_t bytes[SERIAL_BYTES];
    BIGNUM *number = NULL;
    bool ok = RAND_bytes(bytes, sizeof(bytes)) == 1;

    bytes[0] = (bytes[0] & 0x7f) | 0x40; /* positive, and always as long */
    number = ok ? BN_bin2bn(bytes, sizeof(bytes), NULL) : NULL;
    ok = number != NULL &&
         BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != NULL;
    BN_free(number);
    return ok;
}

static bool set_names(X509 *certificate, const char *subject, const X509_NAME *issuer)
{
    X509_NAME *name = X509_NAME_new();
    bool ok = name != NULL &&
              X509_NAME_add_entry_by_txt(name, "O", MBSTRING_ASC,
                                         (const unsigned char *)"custody", -1, -1, 0) == 1 &&
              X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                         (const unsigned char *)subject, -1, -1, 0) == 1 &&
              X509_set_subject_name(certificate, name) == 1 &&
              X509_set_issuer_name(certificate, issuer == NULL ? name : issuer) == 1;

    X509_NAME_free(name);
    return ok;
}

static bool add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
    X509_EXTENSION *extension;
    X509V3_CTX context;
    bool ok;

    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    ok = extension != NULL && X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return ok;
}

/* Everything but the extensions and the signature. */
static X509 *begin(struct authority *authority, const char *subject, EVP_PKEY *key)
{
    X509 *certificate = X509_new();
    time_t now = (time_t)(clock_now_us(authority->clock) / 1000000);

    if (certificate != NULL && X509_set_version(certificate, X509_VERSION_3) == 1 &&
        set_serial(certificate) &&
        set_names(certificate, subject,
                  authority->certificate == NULL
                      ? NULL
                      : X509_get_subject_name(authority->certificate)) &&
        X509_time_adj_ex(X509_getm_notBefore(certificate), 0, -BACK_S, &now) != NULL &&
        X509_time_adj_ex(X509_getm_notAfter(certificate), 0, AHEAD_S, &now) != NULL &&
        X509_set_pubkey(certificate, key) == 1)
        return certificate;
    X509_free(certificate);
    return NULL;
}

static bool make_certificate(struct authority *authority, const char *run, struct fault *fault)
{
    AUTO_FREE char *subject = xformat("custody run %.40s", run);
    X509 *certificate = begin(authority, subject, authority->key);
    char *bytes = NULL;
    BIO *pem;
    bool ok;

    authority->certificate = certificate;
    if (certificate == NULL ||
        !add_extension(certificate, certificate, NID_basic_constraints,
                       "critical,CA:TRUE,pathlen:0") ||
        !add_extension(certificate, certificate, NID_key_usage,
                       "critical,keyCertSign,cRLSign") ||
        !add_extension(certificate, certificate, NID_subject_key_identifier, "hash") ||
        X509_sign(certificate, authority->key, EVP_sha256()) == 0)
        return failed(fault, "make the run's CA");
    pem = BIO_new(BIO_s_mem());
    ok = pem != NULL && PEM_write_bio_X509(pem, certificate) == 1;
    if (ok) {
        long len = BIO_get_mem_data(pem, &bytes);

        ok = buf_add(&authority->pem, slice_of_bytes(bytes, (size_t)len), fault);
    }
    BIO_free(pem);
    return ok || failed(fault, "write the run's CA");
}

bool authority_new(const char *run, const struct clock *clock,
                   struct authority **ret_authority, struct fault *fault)
{
    struct authority *authority = xalloc(sizeof(*authority));

    *authority = (struct authority){.clock = clock, .pem = buf_with_limit(PEM_BYTES_MAX)};
    authority->key = EVP_EC_gen("P-256");
    authority->leaf_key = EVP_EC_gen("P-256");
    if ((authority->key != NULL && authority->leaf_key != NULL) ||
        failed(fault, "make the run's keys"))
        if (make_certificate(authority, run, fault)) {
            *ret_authority = authority;
            return true;
        }
    authority_free(authority);
    return false;
}

void authority_free(struct authority *authority)
{
    if (authority == NULL)
        return;
    EVP_PKEY_free(authority->key);
    EVP_PKEY_free(authority->leaf_key);
    X509_free(authority->certificate);
    buf_free(&authority->pem);
    free(authority);
}

struct slice authority_certificate(const struct authority *authority)
{
    return buf_slice(&authority->pem);
}

static X509 *leaf(struct authority *authority, const char *host)
{
    bool is_name = url_host_is_name(slice_of(host));
    AUTO_FREE char *alternative = xformat("%s:%s", is_name ? "DNS" : "IP", host);
    X509 *issuer = authority->certificate;
    X509 *certificate =
        begin(authority, strlen(host) > 64 ? "host" : host, authority->leaf_key);

    if (certificate != NULL &&
        add_extension(certificate, issuer, NID_basic_constraints, "critical,CA:FALSE") &&
        add_extension(certificate, issuer, NID_key_usage, "critical,digitalSignature") &&
        add_extension(certificate, issuer, NID_ext_key_usage, "serverAuth") &&
        add_extension(certificate, issuer, NID_subject_key_identifier, "hash") &&
        add_extension(certificate, issuer, NID_authority_key_identifier, "keyid") &&
        add_extension(certificate, issuer, NID_subject_alt_name, alternative) &&
        X509_sign(certificate, authority->key, EVP_sha256()) != 0)
        return certificate;
    X509_free(certificate);
    return NULL;
}

/* HTTP/1.1, whatever else is offered. */
static int choose_protocol(SSL *tls, const unsigned char **ret_chosen, unsigned char *ret_len,
                           const unsigned char *offered, unsigned len, void *self)
{
    static const unsigned char ours[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
    unsigned char *chosen = NULL;

    (void)tls;
    (void)self;
    if (libssl.SSL_select_next_proto(&chosen, ret_len, ours, sizeof(ours), offered, len) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_NOACK;
    *ret_chosen = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static SSL_CTX *new_context(const SSL_METHOD *method)
{
    SSL_CTX *context = libssl.SSL_CTX_new(method);

    if (context == NULL)
        return NULL;
    (void)libssl.SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                                  SSL_OP_NO_TICKET);
    (void)libssl.SSL_CTX_ctrl(context, SSL_CTRL_SET_SESS_CACHE_MODE, SSL_SESS_CACHE_OFF, NULL);
    (void)libssl.SSL_CTX_ctrl(context, SSL_CTRL_MODE, SSL_MODE_RELEASE_BUFFERS, NULL);
    if (libssl.SSL_CTX_ctrl(context, SSL_CTRL_SET_MIN_PROTO_VERSION, TLS1_2_VERSION, NULL) ==
        1)
        return context;
    libssl.SSL_CTX_free(context);
    return NULL;
}

bool authority_context(struct authority *authority, const char *host, SSL_CTX **ret_context,
                       struct fault *fault)
{
    SSL_CTX *context = new_context(libssl.TLS_server_method());
    X509 *certificate = context == NULL ? NULL : leaf(authority, host);
    bool ok = certificate != NULL &&
              libssl.SSL_CTX_use_certificate(context, certificate) == 1 &&
              libssl.SSL_CTX_use_PrivateKey(context, authority->leaf_key) == 1 &&
              libssl.SSL_CTX_set_num_tickets(context, 0) == 1;

    X509_free(certificate);
    if (!ok) {
        libssl.SSL_CTX_free(context);
        return failed(fault, "make a certificate for a host");
    }
    libssl.SSL_CTX_set_alpn_select_cb(context, choose_protocol, NULL);
    *ret_context = context;
    return true;
}

bool authority_of_servers(const char *ca_file, SSL_CTX **ret_context, struct fault *fault)
{
    static const unsigned char protocol[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
    SSL_CTX *context = new_context(libssl.TLS_client_method());

    if (context == NULL ||
        libssl.SSL_CTX_set_alpn_protos(context, protocol, sizeof(protocol)) != 0) {
        libssl.SSL_CTX_free(context);
        return failed(fault, "make a context of TLS");
    }
    if (libssl.SSL_CTX_load_verify_file(context, ca_file) != 1) {
        libssl.SSL_CTX_free(context);
        return failed(fault, "read certificates") || fault_in(fault, "%s", ca_file);
    }
    libssl.SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    *ret_context = context;
    return true;
}
