#include "gateway/upstream/tls.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/hex.h"
#include "gateway/libssl.h"

#define HOST_BYTES_MAX 254

struct tls {
    SSL_CTX *context;
    char host[HOST_BYTES_MAX + 1];
    bool by_address;
    uint8_t pins[TLS_PINS_MAX][TLS_DIGEST_BYTES];
    size_t pin_count;
    SSL_SESSION *session; /* of a peer that was trusted; or NULL */
};

struct tls_stream {
    struct tls *tls;
    SSL *handle;
    bool trusted;         /* handshake and pins are behind us */
    SSL_SESSION *session; /* came before that */
    char certificate[2 * TLS_DIGEST_BYTES + 1];
};

/* The first thing that OpenSSL complains of, and no more of it. */
static const char *complaint(void)
{
    unsigned long code = ERR_get_error();
    const char *text = code == 0 ? NULL : ERR_reason_error_string(code);

    ERR_clear_error();
    return text == NULL ? "no reason given" : text;
}

static void keep_session(struct tls *tls, SSL_SESSION *session)
{
    if (tls->session != NULL)
        libssl.SSL_SESSION_free(tls->session);
    tls->session = session;
}

/* 1: the session is ours now. One of a peer whose pins have not been looked at yet waits. */
static int on_session(SSL *handle, SSL_SESSION *session)
{
    struct tls_stream *stream = libssl.SSL_get_ex_data(handle, 0);

    if (stream == NULL || !libssl.SSL_SESSION_is_resumable(session))
        return 0;
    if (stream->trusted) {
        keep_session(stream->tls, session);
        return 1;
    }
    if (stream->session != NULL)
        libssl.SSL_SESSION_free(stream->session);
    stream->session = session;
    return 1;
}

static bool add_ca(SSL_CTX *context, struct slice pem, struct fault *fault)
{
    X509_STORE *store = libssl.SSL_CTX_get_cert_store(context);
    BIO *bio = BIO_new_mem_buf(pem.at, pem.len > INT32_MAX ? 0 : (int)pem.len);
    size_t count = 0;
    X509 *certificate;

    if (bio == NULL)
        abort();
    while ((certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
        count += X509_STORE_add_cert(store, certificate) == 1;
        X509_free(certificate);
    }
    BIO_free(bio);
    ERR_clear_error(); /* the end of the text is one */
    return count > 0 || fault_set(fault, FAULT_INVALID, "the CA file holds no certificate");
}

/* Not SSL_CTX_set_default_verify_paths: that one asks the environment. */
static void add_system_ca(SSL_CTX *context)
{
    (void)libssl.SSL_CTX_load_verify_dir(context, X509_get_default_cert_dir());
    if (access(X509_get_default_cert_file(), R_OK) == 0)
        (void)libssl.SSL_CTX_load_verify_file(context, X509_get_default_cert_file());
    ERR_clear_error();
}

static bool set_up(SSL_CTX *context, const struct tls_config *config, struct fault *fault)
{
    static const unsigned char protocols[] = "\x08http/1.1";

    (void)libssl.SSL_CTX_ctrl(context, SSL_CTRL_SET_MIN_PROTO_VERSION, TLS1_2_VERSION, NULL);
    (void)libssl.SSL_CTX_ctrl(context, SSL_CTRL_MODE,
                              SSL_MODE_ENABLE_PARTIAL_WRITE |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS,
                              NULL);
    (void)libssl.SSL_CTX_ctrl(context, SSL_CTRL_SET_READ_AHEAD, 1, NULL);
    (void)libssl.SSL_CTX_ctrl(context, SSL_CTRL_SET_SESS_CACHE_MODE,
                              SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL, NULL);
    (void)libssl.SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    libssl.SSL_CTX_sess_set_new_cb(context, on_session);
    libssl.SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    if (libssl.SSL_CTX_set_alpn_protos(context, protocols, sizeof(protocols) - 1) != 0)
        return fault_set(fault, FAULT_HOST, "OpenSSL: %s", complaint());
    if (config->ca.len > 0)
        return add_ca(context, config->ca, fault);
    add_system_ca(context);
    return true;
}

static bool is_address(const char *host)
{
    uint8_t room[16];

    return inet_pton(AF_INET, host, room) == 1 || inet_pton(AF_INET6, host, room) == 1;
}

bool tls_new(const struct tls_config *config, struct tls **ret_tls, struct fault *fault)
{
    struct tls *tls;

    if (config->host.len > HOST_BYTES_MAX || config->pin_count > TLS_PINS_MAX)
        return fault_set(fault, FAULT_LIMIT, "more than %d bytes of host or %d pins",
                         HOST_BYTES_MAX, TLS_PINS_MAX);
    if (!libssl_load(fault))
        return false;
    tls = xalloc(sizeof(*tls));
    memcpy(tls->host, config->host.at, config->host.len);
    tls->by_address = is_address(tls->host);
    tls->pin_count = config->pin_count;
    if (config->pin_count > 0)
        memcpy(tls->pins, config->pins, config->pin_count * TLS_DIGEST_BYTES);
    tls->context = libssl.SSL_CTX_new(libssl.TLS_client_method());
    if (tls->context == NULL)
        (void)fault_set(fault, FAULT_HOST, "OpenSSL: %s", complaint());
    if (tls->context == NULL || !set_up(tls->context, config, fault)) {
        tls_free(tls);
        return false;
    }
    *ret_tls = tls;
    return true;
}

void tls_free(struct tls *tls)
{
    if (tls == NULL)
        return;
    if (tls->session != NULL)
        libssl.SSL_SESSION_free(tls->session);
    if (tls->context != NULL)
        libssl.SSL_CTX_free(tls->context);
    free(tls);
}

/* The name that we ask for, and that the certificate must be for. */
static bool name_peer(SSL *handle, const struct tls *tls)
{
    X509_VERIFY_PARAM *param = libssl.SSL_get0_param(handle);

    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (tls->by_address)
        return X509_VERIFY_PARAM_set1_ip_asc(param, tls->host) == 1;
    return X509_VERIFY_PARAM_set1_host(param, tls->host, 0) == 1 &&
           libssl.SSL_ctrl(handle, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                           (void *)(uintptr_t)tls->host) == 1;
}

bool tls_open(struct tls *tls, int socket, struct tls_stream **ret_stream, struct fault *fault)
{
    struct tls_stream *stream = xalloc(sizeof(*stream));

    stream->tls = tls;
    stream->handle = libssl.SSL_new(tls->context);
    if (stream->handle == NULL || !name_peer(stream->handle, tls) ||
        libssl.SSL_set_fd(stream->handle, socket) != 1 ||
        libssl.SSL_set_ex_data(stream->handle, 0, stream) != 1) {
        tls_close(stream);
        return fault_set(fault, FAULT_IO, "OpenSSL: %s", complaint());
    }
    if (tls->session != NULL)
        (void)libssl.SSL_set_session(stream->handle, tls->session);
    libssl.SSL_set_connect_state(stream->handle);
    *ret_stream = stream;
    return true;
}

static bool digest(const uint8_t *bytes, size_t len, uint8_t ret_digest[TLS_DIGEST_BYTES])
{
    return EVP_Digest(bytes, len, ret_digest, NULL, EVP_sha256(), NULL) == 1;
}

static bool pin_of(X509 *certificate, uint8_t ret_pin[TLS_DIGEST_BYTES])
{
    unsigned char *der = NULL;
    int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
    bool ok = len > 0 && digest(der, (size_t)len, ret_pin);

    OPENSSL_free(der);
    return ok;
}

static bool is_pinned(const struct tls *tls, X509 *certificate)
{
    uint8_t pin[TLS_DIGEST_BYTES];

    if (!pin_of(certificate, pin))
        return false;
    for (size_t i = 0; i < tls->pin_count; i++)
        if (memcmp(tls->pins[i], pin, sizeof(pin)) == 0)
            return true;
    return false;
}

/* A resumed session brings no chain, but it was kept of a peer whose chain was pinned. */
static bool pins_hold(const struct tls_stream *stream, X509 *leaf)
{
    STACK_OF(X509) *chain = libssl.SSL_get0_verified_chain(stream->handle);

    if (stream->tls->pin_count == 0 || is_pinned(stream->tls, leaf))
        return true;
    if (chain == NULL)
        return libssl.SSL_session_reused(stream->handle) == 1;
    for (int i = 0; i < sk_X509_num(chain); i++)
        if (is_pinned(stream->tls, sk_X509_value(chain, i)))
            return true;
    return false;
}

static bool name_certificate(struct tls_stream *stream, X509 *leaf)
{
    uint8_t found[TLS_DIGEST_BYTES];
    unsigned char *der = NULL;
    int len = i2d_X509(leaf, &der);
    bool ok = len > 0 && digest(der, (size_t)len, found);

    OPENSSL_free(der);
    if (ok)
        hex_encode(slice_of_bytes(found, sizeof(found)), stream->certificate);
    return ok;
}

static bool in_time(X509 *leaf)
{
    return X509_cmp_current_time(X509_get0_notBefore(leaf)) < 0 &&
           X509_cmp_current_time(X509_get0_notAfter(leaf)) > 0;
}

/* What OpenSSL has verified by now: the chain and the name. */
static bool trust(struct tls_stream *stream, struct fault *fault)
{
    X509 *leaf = libssl.SSL_get1_peer_certificate(stream->handle);
    const unsigned char *protocol = NULL;
    unsigned protocol_len = 0;
    bool ok = false;

    libssl.SSL_get0_alpn_selected(stream->handle, &protocol, &protocol_len);
    if (leaf == NULL || !name_certificate(stream, leaf) || !in_time(leaf) ||
        libssl.SSL_get_verify_result(stream->handle) != X509_V_OK)
        (void)fault_set(fault, FAULT_DENIED, "the certificate cannot be verified");
    else if (!pins_hold(stream, leaf))
        (void)fault_set(fault, FAULT_DENIED, "no key of the certificate's chain is pinned");
    else if (protocol_len > 0 &&
             !slice_equal(slice_of_bytes(protocol, protocol_len), SLICE("http/1.1")))
        (void)fault_set(fault, FAULT_DENIED, "the peer speaks another protocol");
    else
        ok = true;
    X509_free(leaf);
    return ok;
}

static enum tls_result result_of(struct tls_stream *stream, int returned)
{
    switch (libssl.SSL_get_error(stream->handle, returned)) {
    case SSL_ERROR_WANT_READ:
        return TLS_WANTS_READ;
    case SSL_ERROR_WANT_WRITE:
        return TLS_WANTS_WRITE;
    case SSL_ERROR_ZERO_RETURN:
        return TLS_END;
    default:
        return TLS_BROKEN;
    }
}

static enum tls_result handshake_failed(struct tls_stream *stream, int returned,
                                        struct fault *fault)
{
    enum tls_result result = result_of(stream, returned);
    long verified = libssl.SSL_get_verify_result(stream->handle);

    if (result == TLS_WANTS_READ || result == TLS_WANTS_WRITE)
        return result;
    if (verified != X509_V_OK)
        (void)fault_set(fault, FAULT_DENIED, "the certificate cannot be verified: %s",
                        X509_verify_cert_error_string(verified));
    else
        (void)fault_set(fault, FAULT_IO, "TLS handshake: %s", complaint());
    ERR_clear_error();
    return TLS_BROKEN;
}

enum tls_result tls_handshake(struct tls_stream *stream, struct fault *fault)
{
    int returned;

    ERR_clear_error();
    returned = libssl.SSL_do_handshake(stream->handle);
    if (returned != 1)
        return handshake_failed(stream, returned, fault);
    if (!trust(stream, fault))
        return TLS_BROKEN;
    stream->trusted = true;
    if (stream->session != NULL)
        keep_session(stream->tls, stream->session);
    stream->session = NULL;
    return TLS_DONE;
}

enum tls_result tls_read(struct tls_stream *stream, uint8_t *room, size_t room_len,
                         size_t *ret_got)
{
    int returned;

    ERR_clear_error();
    returned = libssl.SSL_read_ex(stream->handle, room, room_len, ret_got);
    return returned == 1 ? TLS_DONE : result_of(stream, returned);
}

enum tls_result tls_write(struct tls_stream *stream, struct slice bytes, size_t *ret_put)
{
    int returned;

    ERR_clear_error();
    returned = libssl.SSL_write_ex(stream->handle, bytes.at, bytes.len, ret_put);
    return returned == 1 ? TLS_DONE : result_of(stream, returned);
}

const char *tls_certificate(const struct tls_stream *stream)
{
    return stream->certificate;
}

void tls_close(struct tls_stream *stream)
{
    if (stream == NULL)
        return;
    ERR_clear_error();
    if (stream->trusted)
        (void)libssl.SSL_shutdown(stream->handle);
    ERR_clear_error();
    if (stream->session != NULL)
        libssl.SSL_SESSION_free(stream->session);
    if (stream->handle != NULL)
        libssl.SSL_free(stream->handle);
    free(stream);
}

bool tls_pin_parse(struct slice text, uint8_t ret_pin[TLS_DIGEST_BYTES], struct fault *fault)
{
    return hex_decode(text, ret_pin, TLS_DIGEST_BYTES) ||
           fault_set(fault, FAULT_INVALID,
                     "a pin that is not 64 hexadecimal digits in lower case");
}
