/*
 * roles/keys/sealer.h - seals what one run says: puts it, encrypted, on disk, and commits to
 * it in the record that names it. Whoever has the bytes seals them: core (tickets, diffs) and
 * the gateway (prompts, answers); both under the run's own scope key.
 */
#ifndef CUSTODY_ROLES_SEALER_H
#define CUSTODY_ROLES_SEALER_H

#include "ledger/ledger.h"
#include "ledger/scope_files.h"

struct sealer {
    const char *scope; /* the run; NULL: nothing is sealed */
    uint8_t key[SCOPE_KEY_BYTES];
    int folder;            /* payloads/SCOPE; -1: the policy keeps none */
    bool is_settled_later; /* scope_files_settle follows: nobody waits for the disk now */
    struct ledger_client *ledger; /* who will write the records */
};

/*
 * Before the record: the payload's bytes are on disk, its name is after sealer_sync. Where
 * the policy keeps none, there is nothing to do.
 */
MUST_USE bool sealer_keep(const struct sealer *sealer, enum record_type type,
                          struct slice value, struct record_seal *seal, struct fault *fault);
MUST_USE bool sealer_sync(const struct sealer *sealer, struct fault *fault);
/* Right before the record is handed to the ledger: the commitment is bound to its number. */
MUST_USE bool sealer_commit(const struct sealer *sealer, enum record_type type,
                            struct slice value, struct record_seal *seal, struct fault *fault);
/* The three at once. */
MUST_USE bool sealer_seal(const struct sealer *sealer, enum record_type type,
                          struct slice value, struct record_seal *seal, struct fault *fault);

#endif
