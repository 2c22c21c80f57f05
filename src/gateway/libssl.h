/*
 * gateway/libssl.h - what is used of libssl, loaded when it is first needed: a run with a model on
 * this machine and without egress has no use for it, and a start no time (libcrypto is linked).
 */
#ifndef CUSTODY_GATEWAY_LIBSSL_H
#define CUSTODY_GATEWAY_LIBSSL_H

#include <openssl/ssl.h>

#include "base/fault.h"

/* clang-format off */
#define LIBSSL_SYMBOLS(use)                                                                \
    use(TLS_client_method) use(TLS_server_method) use(SSL_CTX_ctrl) use(SSL_CTX_free)      \
    use(SSL_CTX_get_cert_store) use(SSL_CTX_load_verify_dir) use(SSL_CTX_load_verify_file) \
    use(SSL_CTX_new) use(SSL_CTX_sess_set_new_cb) use(SSL_CTX_set_alpn_protos)             \
    use(SSL_CTX_set_alpn_select_cb)\
    use(SSL_CTX_set_num_tickets) use(SSL_CTX_set_options) use(SSL_CTX_set_verify)          \
    use(SSL_CTX_up_ref) use(SSL_CTX_use_PrivateKey) use(SSL_CTX_use_certificate)           \
    use(SSL_ctrl) use(SSL_do_handshake) use(SSL_free) use(SSL_get0_alpn_selected)          \
    use(SSL_get0_param) use(SSL_get0_verified_chain) use(SSL_get1_peer_certificate)        \
    use(SSL_get_error) use(SSL_get_ex_data) use(SSL_get_verify_result)                     \
    use(SSL_is_init_finished) use(SSL_new) use(SSL_read) use(SSL_read_ex)                  \
    use(SSL_select_next_proto) use(SSL_session_reused) use(SSL_set1_host)                  \
    use(SSL_set_accept_state) use(SSL_set_bio) use(SSL_set_connect_state)                  \
    use(SSL_set_ex_data) use(SSL_set_fd) use(SSL_set_hostflags) use(SSL_set_session)       \
    use(SSL_shutdown) use(SSL_write) use(SSL_write_ex) use(SSL_SESSION_free)               \
    use(SSL_SESSION_is_resumable)
/* clang-format on */
#define LIBSSL_MEMBER(name) __typeof__(name) *name;

struct libssl {
    LIBSSL_SYMBOLS(LIBSSL_MEMBER)
};
extern struct libssl libssl;

/* Before anything of it is called, and before files are confined. FAULT_HOST: there is none. */
MUST_USE bool libssl_load(struct fault *fault);

#endif
