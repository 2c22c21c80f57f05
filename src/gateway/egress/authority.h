/*
 * gateway/egress/authority.h - the run's certificate authority: made in memory, never written
 * anywhere, gone with the process. Only the run's cell is told to trust it.
 */
#ifndef CUSTODY_GATEWAY_EGRESS_AUTHORITY_H
#define CUSTODY_GATEWAY_EGRESS_AUTHORITY_H

#include "base/bytes.h"
#include "base/clock.h"
#include "base/fault.h"
#include "gateway/libssl.h"

struct authority;

/* `run` is part of its name. FAULT_IO: the crypto library failed. */
MUST_USE bool authority_new(const char *run, const struct clock *clock,
                            struct authority **ret_authority, struct fault *fault);
void authority_free(struct authority *authority); /* NULL is fine */
/* PEM; lives as long as `authority`. */
struct slice authority_certificate(const struct authority *authority);
/*
 * A server's context that proves to be `host`, a name or an IPv4 address: TLS 1.2 and 1.3,
 * HTTP/1.1 alone. The caller frees it (libssl.SSL_CTX_free).
 */
MUST_USE bool authority_context(struct authority *authority, const char *host,
                                SSL_CTX **ret_context, struct fault *fault);

/*
 * A client's context that trusts what `ca_file` holds (PEM), and nothing else. FAULT_MISSING,
 * FAULT_INVALID: the file is not there, or holds no certificate.
 */
MUST_USE bool authority_of_servers(const char *ca_file, SSL_CTX **ret_context,
                                   struct fault *fault);

#endif
