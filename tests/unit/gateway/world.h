/*
 * tests/unit/gateway/world.h - a ledger, a gateway and a door as role processes, and a
 * provider for them to call; all on loopback, below one temporary folder.
 */
#ifndef CUSTODY_TESTS_UNIT_GATEWAY_WORLD_H
#define CUSTODY_TESTS_UNIT_GATEWAY_WORLD_H

#include "base/scope.h"
#include "gateway/gateway.h"
#include "ledger/ledger.h"
#include "os/spawn.h"
#include "roles/gateway.h"
#include "test.h"
#include "upstream.h"

#define WORLD_KEY                                                                             \
    "provider"                                                                                \
    "-key-"                                                                                   \
    "0123456789"
#define WORLD_AGENT_KEY                                                                       \
    "agents"                                                                                  \
    "-own-"                                                                                   \
    "9876543210"

struct world {
    /* set before world_begin; what is 0 or NULL has a default */
    upstream_answer *answer;
    bool tls;
    bool other_ca;  /* trust the CA that did not sign */
    bool by_name;   /* localhost, to be resolved */
    bool no_ledger; /* the gateway's ledger has gone */
    struct gateway_limits limits;
    enum dialect dialect; /* of the run's model */
    bool translate;       /* requests of other ones for it */
    int64_t price_in, price_out, expires_us;
    unsigned allow, allow_redacted, cut_answers;
    const char *url;    /* instead of the provider's */
    bool falls_back;    /* to no-key-model, then to second-model, which is the provider */
    unsigned kept_away; /* classes that second-model may not have */
    const char *pin;                                       /* of the provider's key */
    bool pin_own_key;                                      /* beside it, the right one */
    pid_t (*start_proxy)(uint16_t to, uint16_t *ret_port); /* ended with the world */
    const char *proxy_credentials;                         /* what the file holds */

    char folder[64];
    char *texts[8];
    const char *pins[2];
    pid_t proxy_pid;
    struct upstream upstream;
    struct gateway_model models[3];
    int home_fd, gateway_control, door_control;
    uint16_t port; /* the door's */
    struct ledger_client *core;
    struct process gateway, door;
};

void world_begin(struct world *world);
void world_end(struct world *world);

/* A connection to the door; close it. */
int world_connect(const struct world *world);
/* Sends all; returns false where the peer closes on the way. */
bool world_send(int socket, struct slice bytes);
/* Reads to the end of the connection, at most `timeout_ms`. The caller frees. */
char *world_read_all(int socket, int timeout_ms);
/* Reads until `text` has come (true), the end or the time. */
bool world_read_until(int socket, const char *text, int timeout_ms, struct buf *got);

/* POSTs JSON with "Connection: close" and the agent's own key; the whole answer. The caller
 * frees. */
char *world_post(const struct world *world, const char *path, const char *body);
/* Sends raw bytes and reads the whole answer. The caller frees. */
char *world_raw(const struct world *world, const char *bytes);
int world_status(const char *answer); /* of an answer's status line; 0: none */

/* How many records so far hold all the texts; the last is NULL. Waits for `at_least` of them.
 */
size_t world_records(struct world *world, size_t at_least, const char *const *texts);
#define RECORDS(world, at_least, ...)                                                         \
    world_records(world, at_least, (const char *const[]){__VA_ARGS__, NULL})
/* Fails the test, with all records, unless exactly `count` of them hold all the texts. */
#define ASSERT_RECORDS(world, count, ...)                                                     \
    world_assert_records(world, count, (const char *const[]){__VA_ARGS__, NULL})
void world_assert_records(struct world *world, size_t count, const char *const *texts);

struct gateway_totals world_totals(struct world *world);

#define ASSERT_HAS(text, part) world_assert_has(text, part, true)
#define ASSERT_LACKS(text, part) world_assert_has(text, part, false)
void world_assert_has(const char *text, const char *part, bool wanted);

#endif
