/* commands/breakglass.h - what break-glass's verbs share: where its statements are kept. */
#ifndef CUSTODY_COMMANDS_BREAKGLASS_H
#define CUSTODY_COMMANDS_BREAKGLASS_H

#include "change/approval.h"
#include "change/breakglass.h"
#include "policy/policy.h"

/*
 * $CUSTODY_HOME/breakglass: DIGEST.json is a statement, DIGEST.first.sig and DIGEST.second.sig
 * are its signatures; DIGEST is the statement's, as in the record.
 */
#define BREAKGLASS_FOLDER "breakglass"

/* FAULT_INVALID: not in the policy's people. FAULT_DENIED: without a key there. */
MUST_USE bool breakglass_person(const struct policy *policy, const char *id,
                                struct approval_person *ret_person, struct fault *fault);
/*
 * Two people, each with a key of their own, have signed these bytes. FAULT_DENIED.
 *   scratch  a private folder for the moment
 */
MUST_USE bool breakglass_check(const struct policy *policy,
                               const struct breakglass_statement *statement, struct slice text,
                               const struct slice signatures[2], const char *scratch,
                               struct fault *fault);

#endif
