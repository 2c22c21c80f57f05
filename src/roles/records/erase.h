/*
 * roles/records/erase.h - erasure: a scope's key is destroyed, and with it what the key opens.
 *
 * In this order, each step durable before the next: a note that it is to happen (who, why),
 * the record `erasure` with outcome intended, the key (overwritten, removed), the payloads,
 * the record with outcome ok, the note goes. So a crash leaves either everything or a note,
 * and whoever comes next finishes. No record changes: every proof and checkpoint stays valid,
 * and the commitments can be opened no more.
 */
#ifndef CUSTODY_ROLES_ERASE_H
#define CUSTODY_ROLES_ERASE_H

#include "roles/session.h"

struct erase_request {
    const char *scope;
    const char *person; /* NULL: the policy's retention has run out */
    const char *reason; /* a word: [a-z0-9_.-] */
};

struct erase_result {
    bool was_erased; /* before; nothing was done */
    size_t payloads; /* how many files went */
};

/*
 * FAULT_DENIED: under a legal hold. FAULT_CONFLICT: the run is under way. FAULT_MISSING: there
 * is no such scope. Otherwise it is gone, durably, and so is the record that says so.
 */
MUST_USE bool erase_scope(struct session *session, const struct erase_request *request,
                          struct erase_result *ret_result, struct fault *fault);
/* Finishes what a crash has interrupted. */
MUST_USE bool erase_resume(struct session *session, struct fault *fault);
/*
 * Erases again what has come back after its erasure: a backup of the keys was restored.
 *   ret_erased  how many scopes; those that are held by now stay
 */
MUST_USE bool erase_returned(struct session *session, size_t *ret_erased, struct fault *fault);
/*
 * Erases the scopes that are older than the policy's retention.payloads, but for those that
 * are held or of a run that lives. Nothing where the policy names no time. ret_erased  how
 * many scopes
 */
MUST_USE bool erase_expired(struct session *session, size_t *ret_erased, struct fault *fault);

#endif
