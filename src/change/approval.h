/*
 * change/approval.h - a named person says yes to exactly one tree.
 *
 * The statement is canonical JSON (RFC 8785: sorted keys, no spaces), signed as an SSHSIG
 * (OpenSSH PROTOCOL.sshsig) in namespace "custody-approval": anyone with ssh-keygen checks it.
 */
#ifndef CUSTODY_CHANGE_APPROVAL_H
#define CUSTODY_CHANGE_APPROVAL_H

#include "base/bytes.h"
#include "base/fault.h"

#define APPROVAL_NAMESPACE "custody-approval"
#define APPROVAL_STATEMENT_BYTES_MAX 8192

struct approval_statement {
    const char *change; /* id */
    const char *repository;
    const char *base; /* commit that the run started from */
    const char *head; /* the change's commit */
    const char *into; /* branch that it is for */
    const char *tree; /* what that branch would hold */
    const char *diff; /* SHA-256 of the patch base..head */
    const char *approver;
    const char *requester;
    const char *policy; /* digest */
    const char *time;   /* RFC 3339, UTC */
};

/* Appends the canonical bytes. FAULT_INVALID: a field is not plain UTF-8 text. */
MUST_USE bool approval_encode(const struct approval_statement *statement, struct buf *ret_text,
                              struct fault *fault);
/* Strict: exactly these fields, and encoding again gives the same bytes. Texts live in
 * `arena`. */
MUST_USE bool approval_decode(struct slice text, struct buf *arena,
                              struct approval_statement *ret_statement, struct fault *fault);
/* SHA-256 of the statement, hexadecimal. */
void approval_digest(struct slice statement, char ret_digest[65]);

/* What the rules are; the policy's, handed in. */
struct approval_person {
    const char *id;
    const char *const *groups;
    size_t group_count;
    const char *const *ssh; /* public keys, one line each */
    size_t ssh_count;
};

struct approval_rules {
    const struct approval_person *people;
    size_t people_count;
    const char *const *from; /* groups that may approve; none: anyone in `people` */
    size_t from_count;
    size_t needed; /* for this change's zones */
};

/*
 * May this person approve what `requester` asked for? FAULT_DENIED with the reason: not in
 * people, the requester, in none of the groups. An unknown requester is never somebody else.
 */
MUST_USE bool approval_may(const struct approval_rules *rules, const char *approver,
                           const char *requester, const struct approval_person **ret_person,
                           struct fault *fault);

#endif
