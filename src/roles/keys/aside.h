/*
 * roles/keys/aside.h - an act in a process of its own, which ends with it.
 *
 * For foreign libraries (tpm2-tss, PKCS#11 modules): what they load, start and leave in memory
 * is gone with the process, and one that hangs is killed. They can start no program.
 */
#ifndef CUSTODY_ROLES_ASIDE_H
#define CUSTODY_ROLES_ASIDE_H

#include "base/bytes.h"

struct aside {
    const char *name; /* of the process, for ps */
    /* Runs in the child; what it appends to `ret_bytes` comes back. */
    bool (*act)(void *self, struct buf *ret_bytes, struct fault *fault);
    void *self;
    int keep; /* a descriptor that the child needs, or -1 */
};

#define ASIDE_BYTES_MAX 8192

/* A fault of `act` is the caller's. FAULT_HOST: it ended without a word, or took too long. */
MUST_USE bool aside_run(const struct aside *aside, struct buf *ret_bytes, struct fault *fault);

/* The two halves, for a process that goes on: its first packet is a fault, then bytes. */
MUST_USE bool aside_report(int socket, const struct fault *outcome, struct slice bytes);
MUST_USE bool aside_hear(int socket, int timeout_ms, struct buf *ret_bytes,
                         struct fault *fault);

#endif
