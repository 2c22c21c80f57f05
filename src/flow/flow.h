/*
 * flow/flow.h - the story as a table: which step may follow which, for a run and for its
 * change. What is not in the table cannot happen. Names are those of the store and of --json.
 */
#ifndef CUSTODY_FLOW_FLOW_H
#define CUSTODY_FLOW_FLOW_H

#include "base/bytes.h"
#include "base/fault.h"

enum run_state {
    RUN_PREPARING,  /* base, policy, snapshot */
    RUN_ENFORCING,  /* cell made, canaries out */
    RUN_WORKING,    /* the agent runs */
    RUN_COLLECTING, /* the cell is dead; its writes become a change */
    RUN_READY,      /* a change that is ready for approval */
    RUN_BLOCKED,    /* a change that may not be approved */
    RUN_EMPTY,      /* the agent changed nothing */
    RUN_REFUSED,    /* policy, canary, host or ledger said no */
    RUN_FAILED,     /* something broke */
    RUN_STOPPED,    /* a person or a signal stopped it */
    RUN_STATE_COUNT,
};

enum run_event {
    RUN_EVENT_PREPARED,
    RUN_EVENT_ENFORCED,
    RUN_EVENT_AGENT_ENDED,
    RUN_EVENT_CHANGE_READY,
    RUN_EVENT_CHANGE_BLOCKED,
    RUN_EVENT_NO_CHANGE,
    RUN_EVENT_REFUSED,
    RUN_EVENT_DIRTY, /* uncommitted changes, found when the agent already worked */
    RUN_EVENT_FAILED,
    RUN_EVENT_STOPPED,
    RUN_EVENT_COUNT,
};

enum change_state {
    CHANGE_READY,
    CHANGE_BLOCKED,
    CHANGE_APPROVED,
    CHANGE_LANDED,
    CHANGE_REJECTED,
    CHANGE_VOID,
    CHANGE_STATE_COUNT,
};

enum change_event {
    CHANGE_EVENT_APPROVED, /* enough valid approvals */
    CHANGE_EVENT_LANDED,   /* the target branch holds it */
    CHANGE_EVENT_REJECTED,
    CHANGE_EVENT_TREE_MOVED, /* what was approved is not what would land */
    CHANGE_EVENT_COUNT,
};

const char *run_state_name(enum run_state state);
const char *change_state_name(enum change_state state);
MUST_USE bool change_state_parse(struct slice name, enum change_state *ret_state);
bool run_state_is_final(enum run_state state);

/* FAULT_CONFLICT: there is no such step; *state is as it was. */
MUST_USE bool run_step(enum run_state *state, enum run_event event, struct fault *fault);
MUST_USE bool change_step(enum change_state *state, enum change_event event,
                          struct fault *fault);

#endif
