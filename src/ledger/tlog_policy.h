/*
 * ledger/tlog_policy.h - C2SP tlog-policy: which logs, which witnesses, how many must have
 * signed.
 *
 *   log <vkey> [<url>]
 *   witness <name> <vkey> [<url>]
 *   group <name> <k|any|all> <member>...
 *   quorum <name|none>
 *
 * The auditor's trust root: it comes from someone other than who gave the ledger. Strict: one
 * quorum; names defined before use, a member of one group at most; keys told apart by their
 * bytes, never by name or id; a witness never with a log's key.
 */
#ifndef CUSTODY_LEDGER_TLOG_POLICY_H
#define CUSTODY_LEDGER_TLOG_POLICY_H

#include "ledger/cosignature.h"

#define TLOG_POLICY_BYTES_MAX (256 * 1024)
#define TLOG_POLICY_LOGS_MAX 64
#define TLOG_POLICY_WITNESSES_MAX 64
#define TLOG_POLICY_GROUPS_MAX 64

struct tlog_policy;

/* Copies what it needs. FAULT_INVALID and FAULT_LIMIT name the line. */
MUST_USE bool tlog_policy_parse(struct slice text, struct tlog_policy **ret_policy,
                                struct fault *fault);
void tlog_policy_free(struct tlog_policy *policy); /* NULL is fine */

size_t tlog_policy_log_count(const struct tlog_policy *policy);
/* The log of that origin with a signature in the note by a trusted key; NULL: there is none.
 */
const struct note_key *tlog_policy_log_of(const struct tlog_policy *policy,
                                          const struct note *note);
/* Does the policy name this log? */
bool tlog_policy_has_log(const struct tlog_policy *policy, const struct note_key *key);

size_t tlog_policy_witness_count(const struct tlog_policy *policy);
const char *tlog_policy_witness_name(const struct tlog_policy *policy, size_t index);

struct tlog_policy_result {
    bool holds; /* the quorum is reached */
    size_t cosigned_count;
    uint64_t time[TLOG_POLICY_WITNESSES_MAX]; /* of each witness's cosignature; 0: none */
};

/* FAULT_INVALID: a cosignature that claims to be of a witness named here is wrong. */
MUST_USE bool tlog_policy_check(const struct tlog_policy *policy, const struct note *note,
                                struct tlog_policy_result *ret_result, struct fault *fault);
/* Appends "2 of 3 witnesses have cosigned (a, b; not c), the quorum `q` is reached". */
MUST_USE bool tlog_policy_sentence(const struct tlog_policy *policy,
                                   const struct tlog_policy_result *result,
                                   struct buf *ret_text, struct fault *fault);

#endif
