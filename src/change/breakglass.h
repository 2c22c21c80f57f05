/*
 * change/breakglass.h - two people let the ledger's refusals be passed over for some hours.
 *
 * Both sign the same statement (SSHSIG, namespace "custody-breakglass"): for which ledger,
 * why, until when. The signatures are kept beside it, so that anyone with ssh-keygen checks
 * them.
 */
#ifndef CUSTODY_CHANGE_BREAKGLASS_H
#define CUSTODY_CHANGE_BREAKGLASS_H

#include "base/bytes.h"
#include "base/fault.h"

#define BREAKGLASS_NAMESPACE "custody-breakglass"
#define BREAKGLASS_STATEMENT_BYTES_MAX 8192

struct breakglass_statement {
    const char *first, *second; /* ids of people */
    const char *reason;         /* a word */
    const char *ledger;         /* origin */
    const char *time, *expires; /* RFC 3339, UTC */
};

/* As approval_encode and approval_decode. */
MUST_USE bool breakglass_encode(const struct breakglass_statement *statement,
                                struct buf *ret_text, struct fault *fault);
MUST_USE bool breakglass_decode(struct slice text, struct buf *arena,
                                struct breakglass_statement *ret_statement,
                                struct fault *fault);

#endif
