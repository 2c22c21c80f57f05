/*
 * gateway/egress/address.h - what kind of address a name has led to. No I/O inside.
 *
 * The kinds are those of the registries of special addresses (RFC 6890, IANA); what is in no
 * row of IPv6's and outside of 2000::/3 is not public either.
 */
#ifndef CUSTODY_GATEWAY_EGRESS_ADDRESS_H
#define CUSTODY_GATEWAY_EGRESS_ADDRESS_H

#include "base/fault.h"
#include "gateway/upstream/addresses.h"

enum address_kind {
    ADDRESS_PUBLIC,
    ADDRESS_PRIVATE, /* private, loopback, link-local, shared, reserved: only where it is meant */
    ADDRESS_METADATA, /* where clouds hand out credentials: only where policy names the address */
    ADDRESS_NEVER,    /* no single host's, or another address in disguise */
};

enum address_kind address_kind_of(const struct address *address);
/*
 * May a connection be made? `is_private`: policy means private addresses there; `named`: it
 * names this very address. FAULT_DENIED says what kind it is.
 */
MUST_USE bool address_check(const struct address *address, bool is_private, bool named,
                            struct fault *fault);

#endif
