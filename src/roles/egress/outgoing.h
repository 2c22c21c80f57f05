/*
 * roles/egress/outgoing.h - what of a text may not leave a cell: values of a sensitive class,
 * values that the agent was shown as they are, and stand-ins of the run.
 */
#ifndef CUSTODY_ROLES_EGRESS_OUTGOING_H
#define CUSTODY_ROLES_EGRESS_OUTGOING_H

#include "gateway/egress/egress.h"
#include "roles/door_texts.h"

struct outgoing {
    struct door_texts texts; /* has_key false: a stand-in that looks like a value is one */
    bool has_key;
    struct surrogate_key key; /* by which stand-ins are known that look like none */
};

/* For egress_config.scan; borrows `outgoing`. */
struct egress_scan outgoing_scan(struct outgoing *outgoing);

#endif
