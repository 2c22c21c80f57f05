/*
 * gateway/egress/dialer.h - opens connections to places that policy lists, and to no others.
 *
 * A process of its own, so that the one that parses what agents and servers send has no network:
 * it asks with the number of an entry, and gets a connected socket or a reason. Names are
 * resolved here, every address that a name has is judged (one that is refused refuses the
 * name), and the connection goes to an address that was judged.
 *
 *   egress -> dialer  struct dial_ask
 *   dialer -> egress  struct dial_answer, with a descriptor where it is connected
 */
#ifndef CUSTODY_GATEWAY_EGRESS_DIALER_H
#define CUSTODY_GATEWAY_EGRESS_DIALER_H

#include "gateway/egress/egress.h"
#include "gateway/upstream/resolver.h"

struct dial_ask {
    uint32_t entry;
    uint32_t tag; /* the asker's */
};

struct dial_answer {
    uint32_t tag;
    bool connected;
    char reason[24]; /* else: name address unreachable timeout busy */
    char why[240];   /* for people */
};

struct dialer_config {
    const struct egress_entry *entries; /* borrowed */
    size_t entry_count;
    int socket;                /* message_pair with the egress process; taken */
    struct resolver *resolver; /* borrowed */
};

struct dialer;

MUST_USE bool dialer_new(struct loop *loop, const struct dialer_config *config,
                         struct dialer **ret_dialer, struct fault *fault);
void dialer_free(struct dialer *dialer); /* NULL is fine */

#endif
