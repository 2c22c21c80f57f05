/*
 * roles/toolchain/unpacker.h - reads an image layout, and unpacks it.
 *
 *   user       the user; as root: config->uid, keeping only CAP_DAC_READ_SEARCH (the layout may
 *              be root's alone)
 *   network    none                         may read   the layout
 *   may write  config->root, nothing else   holds      nothing
 *   talks to   core (one answer)            lives      until the answer
 */
#ifndef CUSTODY_ROLES_TOOLCHAIN_UNPACKER_H
#define CUSTODY_ROLES_TOOLCHAIN_UNPACKER_H

#include <sys/types.h>

#include "toolchain/image.h"

struct unpacker_config {
    int layout; /* the folder */
    int root;   /* empty folder to unpack into; -1: only say which image it is */
    int control;
    struct image_wish wish;
    const char *pinned; /* the digest that it must have, or NULL */
    bool drop_user;
    uid_t uid;
};

/* For spawn_role; keep layout, root and control. */
int unpacker_role(void *config);

/* core's side: waits for the answer. FAULT_LIMIT: not yet. */
struct unpacker_answer {
    char digest[IMAGE_HEX_BYTES];
    struct buf environment;
};
MUST_USE bool unpacker_hear(int control, int timeout_ms, bool *ret_is_there,
                            struct unpacker_answer *ret_answer, struct fault *fault);

#endif
