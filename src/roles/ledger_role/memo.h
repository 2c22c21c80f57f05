/*
 * roles/ledger_role/memo.h - what the ledger's writer keeps beside the log, to go on with:
 * "SEQ PREV T_US LEVEL QUORUM". State of before has the first two only, or the first four.
 * Private to roles/ledger_role.
 */
#ifndef CUSTODY_ROLES_LEDGER_ROLE_MEMO_H
#define CUSTODY_ROLES_LEDGER_ROLE_MEMO_H

#include "ledger/tree.h"
#include "roles/ledger_role/gate.h"
#include "roles/ledger_role/quorum.h"

struct ledger_memo {
    uint64_t next_seq; /* the ledger's own sequence, which goes on through all daemons */
    struct tree_hash last;
    int64_t t_us; /* of the last record */
    enum disk_level disk; /* as recorded */
    enum ledger_quorum_level quorum;
};

/* FAULT_INVALID: it is none. Set on success only. */
MUST_USE bool ledger_memo_parse(struct slice text, struct ledger_memo *ret_memo,
                                struct fault *fault);
MUST_USE bool ledger_memo_format(const struct ledger_memo *memo, struct buf *ret_text,
                                 struct fault *fault);

#endif
