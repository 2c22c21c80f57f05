/*
 * roles/toolchain/toolchain.h - programs for a cell from elsewhere than the host's /usr: a
 * root file system in a folder, or an OCI image layout.
 *
 * An image is unpacked once, by a process of its own, into the state folder:
 *
 *   cache/toolchains/lock
 *   cache/toolchains/DIGEST/root/         of the manifest; what is mounted, read-only
 *   cache/toolchains/DIGEST/environment   the image's variables, a line each
 */
#ifndef CUSTODY_ROLES_TOOLCHAIN_H
#define CUSTODY_ROLES_TOOLCHAIN_H

#include <sys/types.h>

#include "base/bytes.h"
#include "base/fault.h"
#include "policy/policy.h"

enum toolchain_kind { TOOLCHAIN_HOST, TOOLCHAIN_ROOT, TOOLCHAIN_IMAGE };

struct toolchain {
    enum toolchain_kind kind;
    char *root;      /* of the file system; NULL: the host's */
    char digest[65]; /* of the manifest; of a folder: of names, modes, sizes and times */
    int hold;        /* nobody removes it while this is open; -1: it is no image */
    struct buf environment; /* NAME=value, a line each */
};

struct toolchain_request {
    const struct policy *policy;
    int home_fd;                    /* the state folder */
    const char *home;               /* its path */
    uid_t uid;                      /* as root: who unpacks */
    bool (*is_stopped)(void *self); /* asked now and then while it is unpacked */
    void (*say)(void *self, const char *line);
    void *self;
};

/* What the policy names, ready to be mounted. Free it in any case. */
MUST_USE bool toolchain_open(const struct toolchain_request *request,
                             struct toolchain *ret_toolchain, struct fault *fault);
void toolchain_free(struct toolchain *toolchain);

#endif
