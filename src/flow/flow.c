#include "flow/flow.h"

static const char *const run_names[RUN_STATE_COUNT] = {
    [RUN_PREPARING] = "preparing",   [RUN_ENFORCING] = "enforcing", [RUN_WORKING] = "working",
    [RUN_COLLECTING] = "collecting", [RUN_READY] = "ready",         [RUN_BLOCKED] = "blocked",
    [RUN_EMPTY] = "empty",           [RUN_REFUSED] = "refused",     [RUN_FAILED] = "failed",
    [RUN_STOPPED] = "stopped",
};

static const char *const change_names[CHANGE_STATE_COUNT] = {
    [CHANGE_READY] = "ready",   [CHANGE_BLOCKED] = "blocked",   [CHANGE_APPROVED] = "approved",
    [CHANGE_LANDED] = "landed", [CHANGE_REJECTED] = "rejected", [CHANGE_VOID] = "void",
};

static const char *const run_event_names[RUN_EVENT_COUNT] = {
    [RUN_EVENT_PREPARED] = "prepared",
    [RUN_EVENT_ENFORCED] = "enforced",
    [RUN_EVENT_AGENT_ENDED] = "agent ended",
    [RUN_EVENT_CHANGE_READY] = "change ready",
    [RUN_EVENT_CHANGE_BLOCKED] = "change blocked",
    [RUN_EVENT_NO_CHANGE] = "no change",
    [RUN_EVENT_REFUSED] = "refused",
    [RUN_EVENT_FAILED] = "failed",
    [RUN_EVENT_STOPPED] = "stopped",
    [RUN_EVENT_DIRTY] = "found dirty",
};

static const char *const change_event_names[CHANGE_EVENT_COUNT] = {
    [CHANGE_EVENT_APPROVED] = "approve",
    [CHANGE_EVENT_LANDED] = "land",
    [CHANGE_EVENT_REJECTED] = "reject",
    [CHANGE_EVENT_TREE_MOVED] = "void",
};

static const struct run_rule {
    enum run_state from;
    enum run_event event;
    enum run_state to;
} run_rules[] = {
    {RUN_PREPARING, RUN_EVENT_PREPARED, RUN_ENFORCING},
    {RUN_PREPARING, RUN_EVENT_REFUSED, RUN_REFUSED},
    {RUN_PREPARING, RUN_EVENT_FAILED, RUN_FAILED},
    {RUN_PREPARING, RUN_EVENT_STOPPED, RUN_STOPPED},
    {RUN_ENFORCING, RUN_EVENT_ENFORCED, RUN_WORKING},
    {RUN_ENFORCING, RUN_EVENT_REFUSED, RUN_REFUSED},
    {RUN_ENFORCING, RUN_EVENT_FAILED, RUN_FAILED},
    {RUN_ENFORCING, RUN_EVENT_STOPPED, RUN_STOPPED},
    {RUN_WORKING, RUN_EVENT_AGENT_ENDED, RUN_COLLECTING},
    {RUN_WORKING, RUN_EVENT_DIRTY, RUN_REFUSED},
    {RUN_WORKING, RUN_EVENT_FAILED, RUN_FAILED},
    {RUN_WORKING, RUN_EVENT_STOPPED, RUN_STOPPED},
    {RUN_COLLECTING, RUN_EVENT_CHANGE_READY, RUN_READY},
    {RUN_COLLECTING, RUN_EVENT_CHANGE_BLOCKED, RUN_BLOCKED},
    {RUN_COLLECTING, RUN_EVENT_NO_CHANGE, RUN_EMPTY},
    {RUN_COLLECTING, RUN_EVENT_FAILED, RUN_FAILED},
    {RUN_COLLECTING, RUN_EVENT_STOPPED, RUN_STOPPED},
};

static const struct change_rule {
    enum change_state from;
    enum change_event event;
    enum change_state to;
} change_rules[] = {
    {CHANGE_READY, CHANGE_EVENT_APPROVED, CHANGE_APPROVED},
    {CHANGE_READY, CHANGE_EVENT_REJECTED, CHANGE_REJECTED},
    {CHANGE_READY, CHANGE_EVENT_TREE_MOVED, CHANGE_VOID},
    {CHANGE_BLOCKED, CHANGE_EVENT_REJECTED, CHANGE_REJECTED},
    {CHANGE_APPROVED, CHANGE_EVENT_LANDED, CHANGE_LANDED},
    {CHANGE_APPROVED, CHANGE_EVENT_REJECTED, CHANGE_REJECTED},
    {CHANGE_APPROVED, CHANGE_EVENT_TREE_MOVED, CHANGE_VOID},
};

const char *run_state_name(enum run_state state)
{
    return run_names[state];
}

const char *change_state_name(enum change_state state)
{
    return change_names[state];
}

bool change_state_parse(struct slice name, enum change_state *ret_state)
{
    for (unsigned state = 0; state < CHANGE_STATE_COUNT; state++)
        if (slice_equal(slice_of(change_names[state]), name)) {
            *ret_state = (enum change_state)state;
            return true;
        }
    return false;
}

bool run_state_is_final(enum run_state state)
{
    for (size_t i = 0; i < COUNT(run_rules); i++)
        if (run_rules[i].from == state)
            return false;
    return true;
}

bool run_step(enum run_state *state, enum run_event event, struct fault *fault)
{
    for (size_t i = 0; i < COUNT(run_rules); i++)
        if (run_rules[i].from == *state && run_rules[i].event == event) {
            *state = run_rules[i].to;
            return true;
        }
    return fault_set(fault, FAULT_CONFLICT, "a run that is %s cannot become: %s",
                     run_names[*state], run_event_names[event]);
}

bool change_step(enum change_state *state, enum change_event event, struct fault *fault)
{
    for (size_t i = 0; i < COUNT(change_rules); i++)
        if (change_rules[i].from == *state && change_rules[i].event == event) {
            *state = change_rules[i].to;
            return true;
        }
    return fault_set(fault, FAULT_CONFLICT, "a change that is %s: no %s", change_names[*state],
                     change_event_names[event]);
}
