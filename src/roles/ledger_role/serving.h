/*
 * roles/ledger_role/serving.h - what the two halves of the ledger's loop share: what is due
 * and when (ledger_daemon.c), and what its clients ask (ledger_clients.c). Private to them.
 */
#ifndef CUSTODY_ROLES_LEDGER_SERVING_H
#define CUSTODY_ROLES_LEDGER_SERVING_H

#include "ledger/protocol.h"
#include "os/loop.h"
#include "roles/ledger_role/daemon.h"

struct serving;

/* How far a client's records are. */
struct place {
    uint64_t taken; /* records that came by its socket */
    uint64_t next;  /* seq of its source */
};

struct client {
    struct serving *serving;
    int socket;
    struct loop_watch *watch;
    bool is_core; /* may ask for further producers */
    uint64_t types;
    struct ledger_source *source;
    uint64_t taken; /* records that came by this socket */
    bool wants_ack;
    bool awaits_ack; /* of what is being committed: up to there */
    struct place ack;
    bool wants_checkpoint;
    bool awaits_checkpoint; /* the one that is being made covers what it asked for */
    uint64_t checkpoint_tag;
    struct client *next;
};

struct serving {
    const struct ledger_daemon *daemon;
    struct ledger_writer *writer;
    struct log *log;
    struct loop *loop;
    struct loop_watch *commit_watch, *work_watch; /* NULL: the kernel does not tell */
    struct loop_watch *relay_watch;               /* NULL: nothing comes from there */
    struct client *clients;
    size_t client_count;
    struct loop_timer *commit_timer, *checkpoint_timer, *linger_timer, *heartbeat_timer,
        *look_timer, *work_timer;
    bool commit_is_urgent, checkpoint_is_urgent;
    uint8_t *packet;    /* MESSAGE_BYTES_MAX */
    const char *ending; /* a word: why it ends in order */
    bool failed;
    struct fault fault; /* what ends it, when failed */
};

/* The log cannot go on: nothing is acknowledged any more, and the process ends. */
void serving_fail(struct serving *serving, const struct fault *fault);
/* Urgent: somebody waits. */
void serving_commit_soon(struct serving *serving, bool urgent);
void serving_checkpoint_soon(struct serving *serving, bool urgent);
/* Nobody is connected any more. */
void serving_linger(struct serving *serving);

/* A loop's callback: somebody connects. */
void clients_on_listener(void *self, uint32_t events);
void client_drop(struct client *client);
/* Its records that are in the batch will be acknowledged with it. */
void clients_expect_acks(struct serving *serving);
void clients_acknowledge(struct serving *serving);
/* Never wait; false: it does not read its answers, drop it. */
bool client_answer_done(struct client *client, uint64_t tag);
bool client_answer_fault(struct client *client, uint64_t tag, const struct fault *fault);

#endif
