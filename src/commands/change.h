/* commands/change.h - what the change verbs share: one change, opened to be decided over. */
#ifndef CUSTODY_COMMANDS_CHANGE_H
#define CUSTODY_COMMANDS_CHANGE_H

#include "change/approval.h"
#include "commands/command.h"
#include "flow/flow.h"
#include "roles/collect/collect.h"
#include "roles/session.h"
#include "wire/record.h"

/* A change with everything that deciding over it needs. Texts are copies, never NULL. */
struct deciding {
    struct session session;
    struct store *store;
    struct ledger_client *ledger;
    struct collect *collect;
    struct policy *policy;
    struct policy_settings *narrowing;
    struct gitdoor_landing landing; /* what would land; set by deciding_landing */
    bool found;
    enum change_state state;
    char *id, *run, *repository, *branch, *into, *base, *head, *tree, *requester,
        *policy_digest, *diff, *zones, *reasons, *landed;
    int64_t needed, files, lines, made_us;
};

/* Reads the row; a unique beginning of the id is enough. FAULT_MISSING. Close it in every
 * case. */
MUST_USE bool deciding_open(const char *id, struct deciding *d, struct fault *fault);
/*
 * Opens the repository and the rules: those of the branch that the change is for, not those
 * that it brings. `into` (may be NULL) is another branch to land in.
 */
MUST_USE bool deciding_repository(struct deciding *d, const char *into, bool lands,
                                  struct fault *fault);
/* FAULT_CONFLICT: it does not merge, or the patch is not the one that the run made. */
MUST_USE bool deciding_landing(struct deciding *d, struct fault *fault);
void deciding_close(struct deciding *d);

/* Moves the change to its next state and tells the store; `landed` is a commit or NULL. */
MUST_USE bool deciding_step(struct deciding *d, enum change_event event, const char *landed,
                            struct fault *fault);
/* A record about this change. */
void deciding_record(const struct deciding *d, struct record *record, enum record_type type);
/*
 * How many approvals are valid of what would land now: the signature, the person, the tree,
 * each looked at anew. `each` (may be NULL) is told of every one there is, and why it does not
 * count.
 */
MUST_USE bool deciding_count(struct deciding *d,
                             void (*each)(void *self, const struct store_approval *row,
                                          const char *why),
                             void *self, size_t *ret_valid, struct fault *fault);
/* A person of the policy as signatures are checked; texts borrow. */
struct approval_person person_who_signs(const struct policy_person *person);
/* The person, when policy lets them approve this change; `people` has policy->people_count
 * rows. */
MUST_USE bool deciding_approver(const struct deciding *d, const char *who,
                                struct approval_person *people,
                                const struct approval_person **ret_person,
                                struct fault *fault);

/* Prints {id, state, ...} for --json, or `line` for people. */
void deciding_print(const struct invocation *invocation, const struct deciding *d,
                    const char *line);

#endif
