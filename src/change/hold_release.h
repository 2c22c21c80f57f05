/*
 * change/hold_release.h - what a person signs who ends a legal hold (SSHSIG, namespace
 * "custody-hold"): what it kept may be gone for ever a moment later.
 */
#ifndef CUSTODY_CHANGE_HOLD_RELEASE_H
#define CUSTODY_CHANGE_HOLD_RELEASE_H

#include "base/bytes.h"
#include "base/fault.h"

#define HOLD_RELEASE_NAMESPACE "custody-hold"
#define HOLD_RELEASE_BYTES_MAX 8192

struct hold_release {
    const char *hold; /* id */
    const char *person;
    const char *policy; /* digest */
    const char *reason;
    const char *time; /* RFC 3339, UTC */
};

/* Appends the canonical bytes. FAULT_INVALID: a field is not plain UTF-8 text. */
MUST_USE bool hold_release_encode(const struct hold_release *release, struct buf *ret_text,
                                  struct fault *fault);

#endif
