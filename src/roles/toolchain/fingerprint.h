/* roles/toolchain/fingerprint.h - which root file system is it? Private to roles/toolchain/. */
#ifndef CUSTODY_ROLES_TOOLCHAIN_FINGERPRINT_H
#define CUSTODY_ROLES_TOOLCHAIN_FINGERPRINT_H

#include "base/fault.h"

/*
 * SHA-256, hex, over every name below `folder` in order, with its type, mode, size, time of
 * change and link text. Not over contents: that would take longer than a run's start may. Who
 * can set the clock can change a file unnoticed.
 */
MUST_USE bool fingerprint_of(int folder, char ret_digest[65], struct fault *fault);

#endif
