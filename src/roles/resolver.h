/*
 * roles/resolver.h - resolver: asks the system for the addresses of names, for one gateway.
 *
 *   user       the user; as root: the gateway's   network    the system's name servers
 *   may read   /etc, /usr, systemd's resolver     may write  nothing
 *   holds      nothing                            talks to   its gateway
 *
 * A process of its own, since getaddrinfo blocks and reads what anybody may have sent, and the
 * gateway holds keys. It is forked before those are read, and ends with its gateway.
 */
#ifndef CUSTODY_ROLES_RESOLVER_H
#define CUSTODY_ROLES_RESOLVER_H

#include <sys/types.h>

#include "base/fault.h"

/* ret_socket: for resolver_new; the caller's. */
MUST_USE bool resolver_role_start(bool drop_user, uid_t uid, gid_t gid, int *ret_socket,
                                  struct fault *fault);

#endif
