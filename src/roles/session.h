/*
 * roles/session.h - what a command needs of the state folder, opened when it is first asked
 * for.
 */
#ifndef CUSTODY_ROLES_SESSION_H
#define CUSTODY_ROLES_SESSION_H

#include "flow/home.h"
#include "ledger/ledger.h"
#include "policy/policy.h"
#include "store/store.h"

struct session {
    struct home home;
    struct ledger_client *ledger; /* core's producer */
    struct store *store;
    struct policy_settings
        *organisation; /* policy.yaml of the state folder, else of /etc/custody */
};

/* FAULT_MISSING: there is no state folder; says to run `custody init`. */
MUST_USE bool session_open(struct session *ret_session, struct fault *fault);
void session_close(struct session *session);

/* Each opens its part where that has not been done, and gives it out. It stays the session's.
 */
MUST_USE bool session_ledger(struct session *session, struct ledger_client **ret_ledger,
                             struct fault *fault);
MUST_USE bool session_store(struct session *session, struct store **ret_store,
                            struct fault *fault);
MUST_USE bool session_organisation(struct session *session,
                                   const struct policy_settings **ret_settings,
                                   struct fault *fault);

/*
 * Who asks: `named` (must be in the policy's people where there are any), else the person
 * whose id is the caller's login name, else "uid-N". The result is the caller's to free.
 */
MUST_USE bool session_requester(const struct policy *policy, const char *named, char **ret_id,
                                struct fault *fault);

#endif
