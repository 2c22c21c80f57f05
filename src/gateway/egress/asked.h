/*
 * gateway/egress/asked.h - one request of a proxy's client, held against policy's entries,
 * looked through, and written anew. No I/O inside. Private to gateway/egress.
 */
#ifndef CUSTODY_GATEWAY_EGRESS_ASKED_H
#define CUSTODY_GATEWAY_EGRESS_ASKED_H

#include "gateway/egress/egress.h"
#include "wire/http1.h"

#define ASKED_HOST_BYTES 256
#define ASKED_METHOD_BYTES 16
#define ASKED_PATH_BYTES 8192

struct asked {
    /* Whom it is for; set as far as the head says so. */
    char host[ASKED_HOST_BYTES]; /* in small letters */
    uint16_t port;
    char method[ASKED_METHOD_BYTES];  /* "": it cannot be shown */
    const struct egress_entry *entry; /* NULL: none fits */
    bool is_connect;
    bool is_tls;        /* within a CONNECT's TLS */
    bool path_may_show; /* nothing sensitive in it */
    /* Of a refusal: */
    int status; /* 0: it is allowed */
    const char *reason;
    char message[400]; /* for people; never a value that was found */
    unsigned classes;
    const char *rule; /* of the classifier */
};

/*
 * Decides by the head.
 *   within  what a CONNECT before it was for, whose TLS was ended here; NULL: the request came
 *           in the clear, and names its host itself
 */
void asked_head(const struct egress_config *config, const struct http1_request *request,
                const struct asked *within, struct asked *ret_asked);
/* Looks through a request that is complete, and that asked_head has allowed. */
void asked_look(const struct egress_config *config, const struct http1_request *request,
                struct asked *asked);
/* A refusal of broken HTTP; its head may be there in part or not at all. */
void asked_broken(int status, const char *why, struct asked *ret_asked);
/* A refusal of what was allowed so far. */
void asked_refuse(struct asked *asked, int status, const char *reason, const char *message);

/* The head for the server: no field that concerns one connection only. */
MUST_USE bool asked_write(const struct asked *asked, const struct http1_request *request,
                          struct buf *ret_head, struct fault *fault);
/* Does a field concern one connection only (RFC 9110 section 7.6.1), or a proxy? `connection`:
 * the message's field of that name, may be empty. */
bool asked_is_hop(struct slice name, struct slice connection);

#endif
