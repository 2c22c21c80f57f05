/* gateway/upstream/provider.h - a model entry, ready to be called: its URL checked, its key and CA
 * read.
 */
#ifndef CUSTODY_GATEWAY_PROVIDER_H
#define CUSTODY_GATEWAY_PROVIDER_H

#include "gateway/gateway.h"
#include "wire/url.h"

struct provider {
    const struct gateway_model *model;
    struct url url;        /* borrows from the model */
    struct buf origin;     /* "https://host:port", NUL-terminated; empty: could not be opened */
    struct buf key_header; /* "x-api-key: ...", NUL-terminated; empty without a key */
    struct buf ca;         /* PEM; empty: the system's */
};

/* FAULT_MISSING: no such key file, variable or CA file. FAULT_INVALID: what they hold is
 * unfit. */
MUST_USE bool provider_open(const struct gateway_model *model, struct provider *ret_provider,
                            struct fault *fault);
void provider_close(struct provider *provider); /* overwrites the key */

#endif
