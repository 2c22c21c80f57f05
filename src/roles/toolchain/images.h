/*
 * roles/toolchain/images.h - the images that were unpacked: who uses one, and when it may go.
 * In the state folder: cache/toolchains/DIGEST, its time that of its last use.
 */
#ifndef CUSTODY_ROLES_TOOLCHAIN_IMAGES_H
#define CUSTODY_ROLES_TOOLCHAIN_IMAGES_H

#include "base/fault.h"

#define IMAGES_FOLDER "toolchains" /* below cache/ */
#define IMAGES_UNUSED_DAYS 30

/*
 * Holds one for as long as the descriptor is open, and notes that it is used.
 * FAULT_CONFLICT: it is being removed.
 */
MUST_USE bool image_hold(int folder, int *ret_hold, struct fault *fault);
/* Removes those that no run holds: all, or what was not used for IMAGES_UNUSED_DAYS. */
MUST_USE bool images_sweep(int home_fd, bool all, int64_t now_us, size_t *ret_removed,
                           struct fault *fault);

#endif
