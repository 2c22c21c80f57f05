/* roles/ledger_role/policy.h - what the organisation's policy says about its ledger. */
#ifndef CUSTODY_ROLES_LEDGER_POLICY_H
#define CUSTODY_ROLES_LEDGER_POLICY_H

#include "policy/policy.h"

/* policy.yaml of the state folder, else of /etc/custody. FAULT_MISSING: there is none. */
MUST_USE bool ledger_policy(int home_fd, struct policy **ret_policy, struct fault *fault);

#endif
