/*
 * roles/keys/sealed.h - records that name a value which stands elsewhere, and the way back
 * from one to the value: for people who have the state folder.
 */
#ifndef CUSTODY_ROLES_SEALED_H
#define CUSTODY_ROLES_SEALED_H

#include "ledger/payload.h"
#include "roles/records/history.h"

/* Calls `visit` for each record of one run, or of all (`run` NULL); history_each. */
MUST_USE bool sealed_each(const struct home *home, const char *run, history_visit *visit,
                          void *self, struct fault *fault);

enum sealed_state {
    SEALED_KEPT,      /* its value can be shown */
    SEALED_COMMITTED, /* the policy kept no payload: there is a commitment only */
    SEALED_ERASED,    /* the scope's key is gone */
    SEALED_LOST,      /* the key is there, the payload is not */
};

const char *sealed_state_name(enum sealed_state state); /* "kept" "committed" ... */
enum sealed_state sealed_state_of(int home_fd, const struct record *record);

#define SEALED_SAID_BYTES 200
/* When the scope was erased, by whom and why, for people; "": no record says that it was. */
MUST_USE bool sealed_erasure(const struct home *home, const char *scope,
                             char ret_said[SEALED_SAID_BYTES], struct fault *fault);

/* The key that opens the record's commitment. FAULT_CONFLICT: erased; says when, by whom. */
MUST_USE bool sealed_key(const struct home *home, const struct record *record,
                         const struct record_header *header,
                         uint8_t ret_key[COMMITMENT_KEY_BYTES], struct fault *fault);
/*
 * Appends the value, when the payload has the record's digest and the value is what the record
 * commits to. FAULT_MISSING: none was kept. FAULT_CONFLICT: erased, or not what was recorded.
 */
MUST_USE bool sealed_value(const struct home *home, const struct record *record,
                           const struct record_header *header, struct buf *ret_value,
                           struct fault *fault);
/* FAULT_CONFLICT: the record commits to another value. */
MUST_USE bool sealed_check(const struct record *record,
                           const uint8_t key[COMMITMENT_KEY_BYTES], struct slice value,
                           struct fault *fault);

#endif
