/*
 * wire/client_hello.h - the first message of a TLS connection (RFC 8446 section 4.1.2), as far
 * as it says whom the client wants: server_name (RFC 6066 section 3).
 *
 * Stricter than the standard: a name is LDH labels without a dot at its end, one name only, no
 * extension twice, nothing in the record behind the message. An encrypted ClientHello names
 * somebody else than it means; the caller is told of it.
 */
#ifndef CUSTODY_WIRE_CLIENT_HELLO_H
#define CUSTODY_WIRE_CLIENT_HELLO_H

#include "base/bytes.h"
#include "base/fault.h"

#define CLIENT_HELLO_BYTES_MAX 16384 /* of the message, over all its records */

struct client_hello {
    char name[256];    /* in small letters; "": none was given */
    bool is_encrypted; /* a name that is hidden in it counts, not this one */
};

/*
 * Reads from the connection's first byte on.
 *   ret_whole  false: more bytes are needed, and ret_hello is not set
 * FAULT_INVALID, FAULT_LIMIT: not TLS, or not a ClientHello that is understood here.
 */
MUST_USE bool client_hello_read(struct slice bytes, struct client_hello *ret_hello,
                                bool *ret_whole, struct fault *fault);

#endif
