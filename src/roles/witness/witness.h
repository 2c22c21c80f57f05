/*
 * roles/witness/witness.h - a witness of other people's ledgers: its key, its HTTP server.
 *
 * Plain HTTP/1.1, one request a connection; TLS is a proxy's matter.
 */
#ifndef CUSTODY_ROLES_WITNESS_H
#define CUSTODY_ROLES_WITNESS_H

#include "base/bytes.h"
#include "base/fault.h"

struct witness_role {
    const char *listen; /* "127.0.0.1:8080"; without a port: any free one */
    const char *key;    /* file with its signed-note key, 0600 */
    const char *state;  /* folder, made where it is missing */
    struct slice logs;  /* vkeys, one a line; empty lines and # comments are skipped */
    void (*ready)(void *self, struct slice name, unsigned port, size_t log_count);
    void *self;
};

/* Makes a key in `path` (0600) and `path`.vkey; appends the vkey. FAULT_CONFLICT: it is there.
 */
MUST_USE bool witness_role_make_key(const char *path, const char *name, struct buf *ret_vkey,
                                    struct fault *fault);
/* Serves until SIGTERM or SIGINT. */
MUST_USE bool witness_role_serve(const struct witness_role *role, struct fault *fault);

#endif
