/*
 * gateway/mcp/visit.h - one request to a tool server inside of the gateway: an exchange of
 * another kind than a model's. What the server answers is not read here, it is the door's to
 * parse: the head of HTTP is, and bytes are passed on. Private to the gateway half.
 */
#ifndef CUSTODY_GATEWAY_MCP_VISIT_H
#define CUSTODY_GATEWAY_MCP_VISIT_H

#include "gateway/call/exchange.h"
#include "gateway/mcp/packet.h"

struct visit {
    struct call_mcp open;
    struct call_seen seen; /* packet 0: the door has said nothing yet */
    bool headed;           /* CALL_HEAD has been pushed */
    bool ended;            /* the server has said all; the door looks at it */
    bool kept_all;         /* exchange->answer.held is all that came */
    int64_t ended_us;      /* monotonic; or since when `seen` says that it is answered */
};

extern const struct exchange_kind visit_kind;

/* Takes CALL_MCP: the exchange is a visit from here on. False: nonsense of a door. */
MUST_USE bool visit_take(struct exchange *exchange, struct slice packet);
/* What of it is not an exchange's; one that is no visit is fine. */
void visit_release(struct exchange *exchange);

/* How one ends; rows of a table. */
struct visit_ending {
    const char *reason, *outcome;
    const char *message; /* for the client; NULL: it got its answer */
};

/* visit_records.c */
MUST_USE bool visit_record_intent(struct exchange *exchange, struct fault *fault);
void visit_record_refused(struct exchange *exchange, const char *reason);
void visit_record_outcome(struct exchange *exchange, const struct visit_ending *ending);

#endif
