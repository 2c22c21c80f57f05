/*
 * gateway/egress/egress.h - what a cell may reach besides its models: an HTTP proxy, by policy's
 * `egress`.
 *
 * Connections come from the door (gateway/door/handed.h), which has read no more than their
 * first line. An entry with methods or paths has its TLS ended here, with a certificate of a CA
 * that lives as long as the run, in this process's memory; each request in it is read, held
 * against the entries, looked through like a call of a model, recorded, and written anew to a
 * server that was verified. An entry without either is a tunnel: who is meant (the name in the
 * ClientHello) is checked, and nothing in it can be.
 *
 * Nothing here opens a socket: gateway/egress/dialer.h does, in another process.
 */
#ifndef CUSTODY_GATEWAY_EGRESS_H
#define CUSTODY_GATEWAY_EGRESS_H

#include "gateway/gateway.h"

struct egress_texts {
    const char *const *at;
    size_t count;
};

/* One entry of the policy; borrowed for the life of egress and dialer. */
struct egress_entry {
    const char *rule; /* "egress[0]", for records */
    const char *host; /* in small letters: a name, or an IPv4 address */
    uint16_t port;
    bool inspected;
    struct egress_texts methods;  /* where it is inspected */
    struct egress_texts paths[2]; /* one of each must match; an empty one does */
    bool is_private;
    const char *ca_file; /* PEM; NULL: the system's */
    size_t limit;        /* entries with the same number share their limits */
    uint64_t upload_bytes, download_bytes; /* 0: none */
};

/* What a text holds. Unlike at the door a stand-in of the run counts, as what it stands for:
 * it has no business outside, and tells of who put it there. */
struct egress_scan {
    /* Mask of CLASS_BIT; for each set class, ret_rules[class] names the rule that found it. */
    unsigned (*classes)(void *self, struct slice text, const char *ret_rules[CLASS_COUNT]);
    void *self;
};

struct egress_config {
    const struct egress_entry *entries;
    size_t entry_count;
    struct egress_scan scan;
    struct gateway_ledger ledger; /* writes `egress` and `refused` */
    struct gateway_identity identity;
    const struct clock *clock;
    int door;   /* message_pair with the door; taken */
    int dialer; /* message_pair with the dialer; taken */
};

struct egress;

/*
 * Makes the run's CA and reads what servers are verified by: before files are confined.
 * FAULT_MISSING: a CA file is not there.
 */
MUST_USE bool egress_new(struct loop *loop, const struct egress_config *config,
                         struct egress **ret_egress, struct fault *fault);
/* The run's CA, PEM; lives as long as `egress`. */
struct slice egress_certificate(const struct egress *egress);
/* Ends what is under way, each with its outcome record. NULL is fine. */
void egress_free(struct egress *egress);

/* The file with the host's certificates, PEM, or NULL: this host has none where others do. */
const char *egress_system_ca(void);

#endif
