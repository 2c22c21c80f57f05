/*
 * wire/url.h - http and https URLs of a configuration, strictly (RFC 3986, a subset).
 *
 * No user part, no fragment; a host is LDH labels (RFC 1123), an IPv4 address or an IPv6
 * address in brackets. What other parsers read differently (back slashes, control characters,
 * "0x7f.1", percent signs in a host) is refused.
 */
#ifndef CUSTODY_WIRE_URL_H
#define CUSTODY_WIRE_URL_H

#include "base/bytes.h"
#include "base/fault.h"

#define URL_BYTES_MAX 2048

/* All borrow from the parsed text. */
struct url {
    bool tls;
    struct slice host; /* without brackets */
    uint16_t port;
    struct slice path;  /* as written; may be empty */
    struct slice query; /* without "?" */
};

MUST_USE bool url_parse(struct slice text, struct url *ret_url, struct fault *fault);
/* "host", "host:port", "[::1]:port"; port 0 where none is given. */
MUST_USE bool url_authority_parse(struct slice text, struct slice *ret_host,
                                  uint16_t *ret_port, struct fault *fault);
/* LDH labels of 1 to 63 bytes, at most 253 in all, the last one not all digits. */
bool url_host_is_name(struct slice host);
/* 127.0.0.0/8, ::1 or "localhost". */
bool url_host_is_loopback(struct slice host);

#endif
