/* gateway/upstream/provider.h - a model entry, ready to be called: its URL checked, its key, CA
 * and the proxy's credentials read, its connections.
 */
#ifndef CUSTODY_GATEWAY_PROVIDER_H
#define CUSTODY_GATEWAY_PROVIDER_H

#include "gateway/dialect/sign.h"
#include "gateway/gateway.h"
#include "gateway/upstream/client.h"
#include "wire/url.h"

struct provider {
    const struct gateway_model *model;
    struct url url;    /* borrows from the model */
    struct buf origin; /* "https://host:port", NUL-terminated; empty: could not be opened */
    struct buf key_header;   /* "x-api-key: ...", NUL-terminated; empty without a key */
    struct buf signing;      /* text that `keys` borrow from, a secret; empty: nothing is signed */
    struct sign_keys keys;
    struct buf ca;           /* PEM; empty: the system's */
    struct buf proxy_header; /* a line with its CR LF; empty: no credentials */
    struct buf fields;   /* lines of every request's head: host, key; each with its CR LF */
    struct tls *tls;     /* NULL: plain */
    struct origin *pool; /* its connections; NULL before provider_connect */
};

/* FAULT_MISSING: no such key file, variable or CA file. FAULT_INVALID: what they hold is
 * unfit. */
MUST_USE bool provider_open(const struct gateway_model *model, struct provider *ret_provider,
                            struct fault *fault);
/* Loads what TLS needs: before files are confined. The client must outlive the provider's use.
 */
MUST_USE bool provider_connect(struct provider *provider, struct client *client,
                               uint64_t answer_limit, struct fault *fault);
/* Appends the lines that sign a request (each with its CR LF), where this provider wants that. */
MUST_USE bool provider_sign(const struct provider *provider, struct slice target,
                            struct slice body, int64_t now_us, struct buf *head,
                            struct fault *fault);
void provider_close(struct provider *provider); /* overwrites the key */

#endif
