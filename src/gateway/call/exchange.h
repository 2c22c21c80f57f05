/*
 * gateway/call/exchange.h - one model call inside of the gateway, from the door's request to the
 * outcome record. Private to the gateway half.
 */
#ifndef CUSTODY_GATEWAY_EXCHANGE_H
#define CUSTODY_GATEWAY_EXCHANGE_H

#include "gateway/call.h"
#include "gateway/upstream/provider.h"
#include "gateway/dialect/frames.h"
#include "gateway/dialect/operation.h"
#include "gateway/dialect/usage.h"
#include "gateway/money/route.h"
#include "wire/sse.h"

#define EXCHANGE_ANSWER_BYTES_MAX                                                             \
    (16 * 1024 * 1024) /* an answer that is not streamed; one event */
#define EXCHANGE_STREAM_BYTES_MAX (64 * 1024 * 1024)

enum exchange_state {
    EXCHANGE_SPARE,    /* at the door, not used yet */
    EXCHANGE_RECEIPTS, /* what was replaced in the request is arriving */
    EXCHANGE_LINEAGE,  /* which lines of which files are in it is */
    EXCHANGE_BODY,     /* the request is arriving */
    EXCHANGE_READY,    /* whole; waits for its intent record */
    EXCHANGE_SENT,     /* with the provider, or waiting for the next try */
    EXCHANGE_DRAINED,  /* over; what is left goes to the door */
};

/* What the gateway's parts share. */
struct gateway {
    struct loop *loop;
    struct gateway_config config;
    struct gateway_limits limits; /* defaults filled in */
    struct resolver *resolver;
    struct client *client;
    struct provider *providers;
    size_t provider_count;
    struct provider *servers; /* as of config.servers */
    size_t server_count;
    size_t visit_count; /* requests to them, of `exchanges` */
    struct book *book;
    struct gateway_totals totals;
    struct door_peer *doors;
    struct exchange *exchanges;
    struct exchange *ready; /* those that wait for their intent */
    size_t exchange_count;
    size_t body_bytes;         /* held by all exchanges together */
    struct loop_timer *batch;  /* due when calls are READY */
    struct loop_timer *patrol; /* looks for idle providers and for clients that wait long */
};

/* A door that is served: its control socket. */
struct door_peer {
    struct gateway *gateway;
    const struct gateway_identity *identity;
    int socket;
    struct loop_watch *watch;
    size_t spares; /* call sockets that the door has and has not used */
    bool closing;
    struct door_peer *next;
};

struct answer {
    bool begun; /* what kind it is has been decided */
    bool stream;
    bool headed; /* CALL_HEAD has been pushed */
    bool early;  /* ... before there was an answer: a client was told that we wait */
    bool passed; /* bytes of the answer have been pushed: no further try */
    int status;
    char content_type[128];
    char retry_after[64];
    char request_id[128];
    int64_t retry_after_ms; /* -1: it does not say */
    bool retry_told, retry; /* x-should-retry: whether it is there, and yes */
    bool encoded;           /* compressed, though nobody asked for that */
    struct buf held; /* all that came: forwarded whole if not streamed, sealed in any case */
    struct sse *sse;
    struct frames *frames; /* Bedrock's stream, to be turned into events; else NULL */
    uint64_t bytes, events;
};

struct exchange;
struct visit;

/* What is done about a call: of a model, or of a tool server (mcp/visit.h). */
struct exchange_kind {
    void (*ready)(struct exchange *exchange); /* the whole request has come */
    void (*end)(struct exchange *exchange,
                const char *reason); /* SENT: whatever it is doing, it ends */
    void (*refused)(struct exchange *exchange, const char *reason); /* writes the record */
    /* SENT: why it is to be given up now, a reason word; NULL: it is not. */
    const char *(*overdue)(const struct exchange *exchange, int64_t now_us);
    /* SENT: takes a packet of the door's. False: the exchange is gone. NULL: none is due. */
    bool (*hear)(struct exchange *exchange, struct slice packet);
};

extern const struct exchange_kind exchange_model; /* gateway.c */

struct exchange {
    struct gateway *gateway;
    struct door_peer *door;
    const struct exchange_kind *kind;
    struct visit *visit; /* of a tool server; else NULL */
    enum exchange_state state;
    int socket;
    struct loop_watch *watch;
    bool door_gone;
    struct call_open open;
    struct buf headers; /* the client's that a provider may see: call_header */
    struct call_receipt *receipts; /* call_receipts(open.replaced) of them */
    char *lineage;                 /* NULL: none */
    const struct provider *provider;
    struct buf target; /* path and query at the provider */
    struct buf body;
    struct buf renamed;        /* room for what accounts_body makes of it */
    struct record_seal prompt; /* of `body` */
    struct buf head;           /* of the request; holds the key */
    struct slice sent;         /* its body, as this provider gets it */
    struct transfer *transfer; /* NULL: waits for `again`, or for its intent */
    struct loop_timer *again;  /* due when the same provider is tried once more */
    const char *cut;           /* why we are about to cut the answer: a reason word */
    struct answer answer;
    struct usage usage;
    struct buf out; /* packets not yet sent, each behind its length */
    size_t out_at;
    bool is_full;     /* the door is behind: its socket is watched for room */
    bool is_reusable; /* DRAINED: the door has sent all of the request */
    int64_t started_us;
    int64_t told_us;       /* when the door was last sent something */
    int64_t first_byte_us; /* of the answer; 0: none has come */
    unsigned tries;        /* that this provider was asked, under one intent */
    char certificate[65];  /* SHA-256 of the provider's; "": none was shown */
    size_t fallback_at;    /* how far down the list of fallbacks we are; 0: not at all */
    uint64_t intent;
    bool is_reserved;
    uint32_t reservation;
    struct amounts granted; /* what it holds */
    struct exchange *ready_next;
    struct exchange *next, **previous;
};

/* How a call ended; the rows of a table. */
struct ending {
    const char *reason; /* word of the record, and code of the client's error */
    const char *outcome;
    int status;          /* HTTP, for the client */
    const char *message; /* for the client; NULL: it got its answer */
};

/* gateway.c: keeps some call sockets at the door ahead of need */
void gateway_top_up(struct door_peer *door);

/* exchange.c */
MUST_USE bool exchange_new(struct door_peer *door, int socket, struct fault *fault);
void exchange_free(struct exchange *exchange);
/* Puts a packet for the door into the queue; exchange_flush sends what is there, in few packets.
 */
void exchange_push(struct exchange *exchange, uint8_t type, struct slice bytes);
void exchange_flush(struct exchange *exchange);
/* Refuses before anything has left: a record and an error for the client. */
void exchange_refuse(struct exchange *exchange, int status, const char *reason,
                     const char *message);
/* Nothing more will be pushed: its socket is a spare again, or closed, as soon as the queue is
 * empty. The exchange may be gone, or another call's. */
void exchange_drain(struct exchange *exchange);
void exchange_leave_ready(struct exchange *exchange);
/* What is held for a further try: there will be none. */
void exchange_forget_request(struct exchange *exchange);

/* send.c: what goes to the provider */
void send_batch(void *gateway); /* every READY exchange: budget, intents, off */
/* Makes it READY: it goes out in the next batch. */
void send_ready(struct exchange *exchange);
void send_again(void *exchange); /* the same provider, under the same intent */

/* answer.c: what comes back */
extern const struct transfer_events answer_events;
/* Ends a call that has an intent, whatever it is doing: "client-abort", "timeout", ... */
void answer_end(struct exchange *exchange, const char *reason);
/* Tells a client that has asked for a stream, and has waited long, that we are here. */
void answer_comfort(struct exchange *exchange);
void answer_free(struct answer *answer);

/* attempts.c: what follows a failure that the client has seen nothing of */
/* Arranges a further try at the same provider; false: there is to be none. */
bool attempts_again(struct exchange *exchange, const char *reason);
/* Whether another provider may do better. */
bool attempts_elsewhere(const struct exchange *exchange, const char *reason);

/* receipts.c: what was replaced in the request */
MUST_USE bool receipts_take(struct exchange *exchange, struct slice packet);
/* Appends them as a record has them (docs/redaction.md); as many as it has room for. */
void receipts_tell(const struct exchange *exchange, struct buf *ret_text);

/*
 * accounts.c: records and money. Each attempt at a provider: refuses (NULL), reserve, intent,
 * then either release (nothing has left) or outcome. One that fails before its answer: outcome,
 * accounts_next, and the same again. Trying the same provider once more needs neither.
 */
struct route_call accounts_route(const struct exchange *exchange);
/* Why this provider may not have the call, a word: no-key, or route_refuses'. NULL: it may. */
const char *accounts_refuses(const struct exchange *exchange);
/* FAULT_LIMIT: a budget does not hold it. */
MUST_USE bool accounts_reserve(struct exchange *exchange, struct fault *fault);
void accounts_release(struct exchange *exchange);
/* Now and then while an answer comes. False: what was reserved is used up, and the budgets hold
 * no more: end it with "budget". */
MUST_USE bool accounts_meter(struct exchange *exchange);
/* The same of its time, once a second. */
MUST_USE bool accounts_tick(struct exchange *exchange);
/* Sets exchange->provider to the next model of the policy's fallback that may have the call and
 * has its key; false: there is none. */
MUST_USE bool accounts_next(struct exchange *exchange);
/* The body as this provider gets it, with its own name for the model; `room` may hold it. */
MUST_USE bool accounts_body(const struct exchange *exchange, struct buf *room,
                            struct slice *ret_body, struct fault *fault);
/* Puts the prompt on disk; the intent will name it. */
MUST_USE bool accounts_keep(struct exchange *exchange, struct fault *fault);
MUST_USE bool accounts_intent(struct exchange *exchange, bool durably, struct fault *fault);
void accounts_refused(struct exchange *exchange, const char *reason);
void accounts_outcome(struct exchange *exchange, const struct ending *ending);

#endif
