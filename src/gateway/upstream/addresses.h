/* gateway/upstream/addresses.h - where a host is: IPv4 and IPv6 addresses, without a port. */
#ifndef CUSTODY_GATEWAY_ADDRESSES_H
#define CUSTODY_GATEWAY_ADDRESSES_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "base/bytes.h"

#define ADDRESSES_MAX 16

struct address {
    uint32_t scope;    /* IPv6 link-local: the interface; else 0 */
    uint8_t family;    /* 4 or 6 */
    uint8_t bytes[16]; /* network order; IPv4 uses the first four */
};

struct addresses {
    uint32_t count;
    struct address at[ADDRESSES_MAX];
};

/* True where `host` is an address itself: then there is nothing to resolve. */
bool addresses_literal(struct slice host, struct addresses *ret_addresses);
bool address_is_loopback(const struct address *address);
/* Keeps those that are; the order stays. */
void addresses_keep_loopback(struct addresses *addresses);
/* Of the two families one after the other, beginning with the first one's (RFC 8305, section 4). */
void addresses_interleave(struct addresses *addresses);
/* Returns the length of what was written. */
socklen_t address_socket(const struct address *address, uint16_t port,
                         struct sockaddr_storage *ret_socket);
bool address_of_socket(const struct sockaddr *socket, struct address *ret_address);

#endif
