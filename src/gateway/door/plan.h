/*
 * gateway/door/plan.h - what the door does with a request: answer, refuse or send on. No I/O
 * inside.
 */
#ifndef CUSTODY_GATEWAY_PLAN_H
#define CUSTODY_GATEWAY_PLAN_H

#include "gateway/call.h"
#include "gateway/dialect/operation.h"
#include "gateway/door/redact.h"
#include "gateway/mcp/call.h"
#include "gateway/translate/translate.h"
#include "wire/http1.h"

enum plan_kind {
    PLAN_READ_ON, /* the head is fine, the body is not there yet */
    PLAN_CALL,    /* send `open` and `body` to the gateway */
    PLAN_MODELS,  /* answer with `body` */
    PLAN_REFUSE,
};

struct plan {
    enum plan_kind kind;
    enum dialect dialect; /* of the answer, errors included */
    struct route route;   /* its model borrows from the request */
    enum operation sent;  /* as what the provider is asked; the route's own, or its counterpart */
    struct translation *translation; /* NULL: it speaks what the client does */
    struct call_open open;
    struct buf headers; /* the texts behind `open` */
    struct buf body;
    struct redaction redaction; /* what was replaced in `body` */
    struct buf lineage;         /* which lines of which files are in it */
    struct mcp_call mcp;        /* where a tool server is asked, and no model */
    /* Of a refusal: */
    int status;
    const char *reason; /* a word, for the record and the client's program */
    char message[416];  /* for people; never a value that was found */
    unsigned classes;
    const char *rule;
};

void plan_clear(struct plan *plan); /* what it owns; it may be freed again */

/* Is the door itself meant, by a client that writes whole URLs? */
bool plan_host_is_door(struct slice host);
/* Decides by the head alone; PLAN_READ_ON or PLAN_REFUSE. */
void plan_head(const struct http1_request *request, struct plan *ret_plan);
/* Decides a complete request, and takes its body. plan_clear in any case. */
void plan_request(const struct door_config *config, struct http1_request *request,
                  struct plan *ret_plan);
/* A refusal because of broken or too much HTTP; its head may be there in part or not at all.
 */
void plan_broken(const struct http1_request *request, int status, const char *why,
                 struct plan *ret_plan);
bool plan_content_is_json(const struct http1_request *request);
void plan_refuse(struct plan *plan, int status, const char *reason, const char *message);
/*
 * Looks at the whole of plan->body, and redacts what `to` may have only so. False has refused.
 * For requests of every kind; `leaves` is what was found, leaves_free in any case.
 */
MUST_USE bool plan_look(const struct door_config *config, const struct gateway_model *to,
                        struct leaves *leaves, struct plan *plan);
/* Fills the record of a refusal. Texts borrow from `plan`, `request` and `room`. */
void plan_record(const struct door_config *config, const struct http1_request *request,
                 const struct plan *plan, struct buf *room, struct record *ret_record);

/*
 * Fills the record of what was found in an answer that the model may not have been sent. False:
 * there is nothing to tell.
 */
MUST_USE bool plan_record_answer(const struct door_config *config,
                                 const struct http1_request *request, const struct plan *plan,
                                 unsigned classes, const char *const rules[CLASS_COUNT],
                                 bool is_cut, struct buf *room, struct record *ret_record);

#endif
