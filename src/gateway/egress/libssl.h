/*
 * gateway/egress/libssl.h - what egress uses of libssl, loaded when it is needed: runs without
 * egress have no use for it, and a start no time (libcrypto is linked).
 */
#ifndef CUSTODY_GATEWAY_EGRESS_LIBSSL_H
#define CUSTODY_GATEWAY_EGRESS_LIBSSL_H

#include <openssl/ssl.h>

#include "base/fault.h"

/* clang-format off */
#define LIBSSL_SYMBOLS(use)                                                              \
    use(TLS_client_method) use(TLS_server_method) use(SSL_CTX_new) use(SSL_CTX_free)     \
    use(SSL_CTX_up_ref) use(SSL_CTX_ctrl) use(SSL_CTX_set_options)                       \
    use(SSL_CTX_set_verify) use(SSL_CTX_load_verify_file) use(SSL_CTX_set_alpn_protos)   \
    use(SSL_CTX_set_alpn_select_cb) use(SSL_CTX_use_certificate)                         \
    use(SSL_CTX_use_PrivateKey) use(SSL_CTX_set_num_tickets) use(SSL_select_next_proto)  \
    use(SSL_new) use(SSL_free) use(SSL_ctrl) use(SSL_set_bio) use(SSL_set_accept_state)  \
    use(SSL_set_connect_state) use(SSL_read) use(SSL_write) use(SSL_shutdown)            \
    use(SSL_get_error) use(SSL_get_verify_result) use(SSL_is_init_finished)              \
    use(SSL_get1_peer_certificate) use(SSL_set_hostflags) use(SSL_set1_host)             \
    use(SSL_get0_param)
/* clang-format on */
#define LIBSSL_MEMBER(name) __typeof__(name) *name;

struct libssl {
    LIBSSL_SYMBOLS(LIBSSL_MEMBER)
};
extern struct libssl libssl;

/* Before anything of it is called, and before files are confined. FAULT_HOST: there is none. */
MUST_USE bool libssl_load(struct fault *fault);

#endif
