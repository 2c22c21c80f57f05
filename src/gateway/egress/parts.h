/* gateway/egress/parts.h - what the files of gateway/egress share. Private to the folder. */
#ifndef CUSTODY_GATEWAY_EGRESS_PARTS_H
#define CUSTODY_GATEWAY_EGRESS_PARTS_H

#include "gateway/egress/asked.h"
#include "gateway/egress/authority.h"
#include "gateway/egress/channel.h"
#include "gateway/egress/dialer.h"
#include "wire/http1_response.h"

#define EGRESS_VISITS_MAX 256
#define EGRESS_BODY_BYTES_MAX (32 * 1024 * 1024)
#define EGRESS_BODIES_BYTES_MAX (256 * 1024 * 1024) /* of all visits together */

enum visit_state {
    VISIT_READING,  /* a request is arriving, or none yet */
    VISIT_READY,    /* its intent is to be recorded with the next batch */
    VISIT_DIALING,  /* the dialer has been asked */
    VISIT_SECURING, /* the server is proving who it is */
    VISIT_HELLO,    /* a CONNECT was answered: its first bytes say who is meant */
    VISIT_TUNNEL,   /* bytes pass unread */
    VISIT_ANSWER,   /* the request has gone out, its answer comes and goes */
    VISIT_CLOSING,  /* the last bytes go out */
};

/* One request's way out and back, as its records tell it. */
struct trip {
    bool recorded; /* there is an intent, and no outcome yet */
    uint64_t intent;
    int64_t began_us, first_byte_us;
    uint64_t bytes_out, bytes_in;
    int status;
    char certificate[65];
};

/* One connection of a client's. */
struct visit {
    struct egress *egress;
    enum visit_state state;
    struct channel *client;
    struct http1_request *request;
    struct asked asked;  /* the request that is under way, or the tunnel */
    struct asked within; /* the CONNECT whose TLS ended here */
    bool is_within;
    bool head_checked, told_continue, keep_alive;
    size_t counted_bytes; /* its part of egress->body_bytes */
    struct trip trip;

    struct channel *server;
    struct asked server_of; /* whom it leads to */
    uint32_t tag;           /* of the dialer's answer that is waited for */
    bool is_reused;         /* the server had answered another request before */
    struct http1_response *response;
    bool answered, chunked; /* the head has gone to the client */

    bool dead;           /* whoever called something that may close looks at this */
    int64_t deadline_us; /* monotonic; 0: none */
    struct visit *next, **previous;
};

struct traffic {
    uint64_t up, down;
};

struct egress {
    struct loop *loop;
    struct egress_config config;
    struct authority *authority;
    SSL_CTX **servers;       /* by entry: whom to trust there; NULL: no certificates here */
    SSL_CTX **hosts;         /* by entry: as whom we answer; made when first needed */
    struct traffic *traffic; /* by egress_entry.limit */
    struct loop_watch *door, *dialer;
    struct loop_timer *patrol, *batch, *burial;
    struct visit *visits, *dead;
    size_t visit_count;
    size_t body_bytes;
    uint32_t last_tag;
};

/* ---- visit.c ---- */
void visit_new(struct egress *egress, int fd, struct slice first); /* takes fd */
void visit_close(struct visit *visit); /* with the outcome of what was under way */
void visit_bury(void *egress);
/* The intent is durable: on its way now. */
void visit_go(struct visit *visit);
/* The dialer's answer; takes fd (-1: none). */
void visit_dialed(struct visit *visit, int fd, const struct dial_answer *answer);
/* Refuses what is under way; `visit->asked` says why. Its outcome, if there is an intent. */
void visit_refuse(struct visit *visit);
/* The same with what befell it on the way. */
void visit_fail(struct visit *visit, int status, const char *reason, const char *message);
void visit_deadline(struct visit *visit, int64_t delay_us); /* 0: none */
void visit_finish(struct visit *visit, bool whole);         /* the answer is over */

/* ---- forward.c: a request to a server and its answer back ---- */
void forward_send(struct visit *visit);
void forward_pump(struct visit *visit);
void forward_drop(struct visit *visit); /* the server's connection */

/* ---- tunnel.c ---- */
void tunnel_hello(struct visit *visit);
void tunnel_pump(struct visit *visit);

/* ---- egress.c ---- */
void egress_batch(struct egress *egress); /* records intents soon */
bool egress_dial(struct visit *visit);
/* Bytes against the entry's limits. False: they would pass them. */
bool egress_may_send(struct visit *visit, uint64_t bytes);
bool egress_may_get(struct visit *visit, uint64_t bytes);

/* ---- records.c ---- */
MUST_USE bool records_intent(struct visit *visit, bool durably, struct fault *fault);
/* outcome: ok refused failed; reason may be NULL. Nothing where there is no intent. */
void records_outcome(struct visit *visit, const char *outcome, const char *reason);
void records_refused(struct visit *visit);

#endif
