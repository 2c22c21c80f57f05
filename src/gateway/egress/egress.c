#include "gateway/egress/egress.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/scope.h"
#include "gateway/egress/parts.h"
#include "os/message.h"

#define PATROL_US (INT64_C(1000) * 1000)

/* ---- limits of entries ---- */

static bool fits(uint64_t *used, uint64_t more, uint64_t limit)
{
    if (limit > 0 && (more > limit || *used > limit - more))
        return false;
    *used += more;
    return true;
}

bool egress_may_send(struct visit *visit, uint64_t bytes)
{
    const struct egress_entry *entry = visit->asked.entry;

    return fits(&visit->egress->traffic[entry->limit].up, bytes, entry->upload_bytes);
}

bool egress_may_get(struct visit *visit, uint64_t bytes)
{
    const struct egress_entry *entry = visit->asked.entry;

    return fits(&visit->egress->traffic[entry->limit].down, bytes, entry->download_bytes);
}

/* ---- intents ---- */

static struct visit *next_ready(struct visit *from)
{
    while (from != NULL && from->state != VISIT_READY)
        from = from->next;
    return from;
}

/* All but the last are queued, the last is waited for, and it is behind them. */
static void on_batch(void *self)
{
    struct egress *egress = self;
    struct visit *next;
    struct fault fault = {0};
    bool ok = true;

    egress->batch = NULL;
    for (struct visit *at = next_ready(egress->visits); ok && at != NULL; at = next) {
        next = next_ready(at->next);
        ok = records_intent(at, next == NULL, &fault);
    }
    for (struct visit *at = next_ready(egress->visits); at != NULL; at = next) {
        next = next_ready(at->next);
        if (ok) {
            visit_go(at);
            continue;
        }
        at->trip.recorded = false;
        (void)fault_in(&fault,
                       "the record of this request cannot be written, so it is refused");
        visit_fail(at, 403, "ledger", fault.why);
    }
}

void egress_batch(struct egress *egress)
{
    struct fault fault = {0};

    if (egress->batch == NULL &&
        !loop_timer(egress->loop, 0, on_batch, egress, &egress->batch, &fault))
        egress->batch = NULL;
}

/* ---- the dialer ---- */

bool egress_dial(struct visit *visit)
{
    struct egress *egress = visit->egress;
    struct dial_ask ask = {.entry = (uint32_t)(visit->asked.entry - egress->config.entries),
                           .tag = ++egress->last_tag};
    struct fault fault = {0};

    visit->tag = ask.tag;
    visit->state = VISIT_DIALING;
    return message_send(egress->config.dialer, slice_of_bytes(&ask, sizeof(ask)), NULL,
                        &fault);
}

static void on_dialer(void *self, uint32_t events)
{
    struct egress *egress = self;
    AUTO_BUF struct buf body = buf_with_limit(MESSAGE_BYTES_MAX);
    struct message_fds fds = {0};
    struct dial_answer dialed;
    struct fault fault = {0};
    bool end = false;

    (void)events;
    if (!message_receive(egress->config.dialer, &body, &fds, 0, &end, &fault) || end) {
        loop_stop(egress->loop);
        return;
    }
    if (body.len == sizeof(dialed)) {
        memcpy(&dialed, body.at, sizeof(dialed));
        dialed.reason[sizeof(dialed.reason) - 1] = 0;
        dialed.why[sizeof(dialed.why) - 1] = 0;
        for (struct visit *at = egress->visits; at != NULL; at = at->next)
            if (at->state == VISIT_DIALING && at->tag == dialed.tag) {
                int fd = dialed.connected && fds.count == 1 ? fds.fd[0] : -1;

                if (fd >= 0)
                    fds.count = 0;
                visit_dialed(at, fd, &dialed);
                break;
            }
    }
    message_fds_close(&fds); /* whoever asked has gone */
}

/* ---- the door ---- */

static void on_door(void *self, uint32_t events)
{
    struct egress *egress = self;
    AUTO_BUF struct buf body = buf_with_limit(MESSAGE_BYTES_MAX);
    struct message_fds fds = {0};
    struct fault fault = {0};
    bool end = false;

    (void)events;
    if (!message_receive(egress->config.door, &body, &fds, 0, &end, &fault) || end) {
        message_fds_close(&fds);
        loop_unwatch(egress->door);
        egress->door = NULL;
        return;
    }
    if (fds.count == 1 && fcntl(fds.fd[0], F_SETFL, O_NONBLOCK) == 0) {
        fds.count = 0;
        visit_new(egress, fds.fd[0], buf_slice(&body));
    }
    message_fds_close(&fds);
}

/* ---- the whole ---- */

static void expire(struct visit *visit)
{
    switch (visit->state) {
    case VISIT_DIALING:
    case VISIT_SECURING:
    case VISIT_READY:
        forward_drop(visit);
        visit_fail(visit, 504, "timeout", "the server did not answer in time");
        return;
    case VISIT_ANSWER:
        if (!visit->answered) {
            forward_drop(visit);
            visit_fail(visit, 504, "timeout", "the server did not answer in time");
            return;
        }
        records_outcome(visit, "failed", "timeout");
        visit_close(visit);
        return;
    case VISIT_HELLO:
    case VISIT_TUNNEL:
        records_outcome(visit, "failed", "timeout");
        visit_close(visit);
        return;
    case VISIT_READING:
    case VISIT_CLOSING:
        visit_close(visit);
        return;
    }
}

static void arm_patrol(struct egress *egress);

static void on_patrol(void *self)
{
    struct egress *egress = self;
    int64_t now_us = clock_monotonic_us(egress->config.clock);
    struct visit *next;

    egress->patrol = NULL;
    for (struct visit *at = egress->visits; at != NULL; at = next) {
        next = at->next;
        if (at->deadline_us != 0 && at->deadline_us < now_us)
            expire(at);
    }
    arm_patrol(egress);
}

static void arm_patrol(struct egress *egress)
{
    struct fault fault = {0};

    if (!loop_timer(egress->loop, PATROL_US, on_patrol, egress, &egress->patrol, &fault))
        egress->patrol = NULL;
}

const char *egress_system_ca(void)
{
    static const char *const files[] = {"/etc/ssl/certs/ca-certificates.crt",
                                        "/etc/pki/tls/certs/ca-bundle.crt",
                                        "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem"};

    for (size_t i = 0; i < COUNT(files); i++)
        if (access(files[i], R_OK) == 0)
            return files[i];
    return NULL;
}

/* Now: later this process opens no files. Entries with the same file share what it holds. */
static bool read_certificates(struct egress *egress, struct fault *fault)
{
    const struct egress_config *config = &egress->config;
    const char *standard = egress_system_ca();

    for (size_t i = 0; i < config->entry_count; i++) {
        const char *file = config->entries[i].ca_file;

        if (!config->entries[i].inspected)
            continue;
        for (size_t j = 0; j < i && egress->servers[i] == NULL; j++)
            if (egress->servers[j] != NULL &&
                (file == NULL ? config->entries[j].ca_file == NULL
                              : config->entries[j].ca_file != NULL &&
                                    strcmp(file, config->entries[j].ca_file) == 0) &&
                libssl.SSL_CTX_up_ref(egress->servers[j]) == 1)
                egress->servers[i] = egress->servers[j];
        if (egress->servers[i] != NULL || (file == NULL && standard == NULL))
            continue;
        if (!authority_of_servers(file != NULL ? file : standard, &egress->servers[i], fault))
            return fault_in(fault, "%s", config->entries[i].rule);
    }
    return true;
}

bool egress_new(struct loop *loop, const struct egress_config *config,
                struct egress **ret_egress, struct fault *fault)
{
    struct egress *egress = xalloc(sizeof(*egress));
    size_t most = 0;

    for (size_t i = 0; i < config->entry_count; i++)
        if (config->entries[i].limit > most)
            most = config->entries[i].limit;
    *egress =
        (struct egress){.loop = loop,
                        .config = *config,
                        .servers = xalloc_array(config->entry_count + 1, sizeof(SSL_CTX *)),
                        .hosts = xalloc_array(config->entry_count + 1, sizeof(SSL_CTX *)),
                        .traffic = xalloc_array(most + 1, sizeof(struct traffic))};
    if (!libssl_load(fault) ||
        !authority_new(config->identity.run, config->clock, &egress->authority, fault) ||
        !read_certificates(egress, fault) ||
        !loop_watch(loop, config->door, EPOLLIN, on_door, egress, &egress->door, fault) ||
        !loop_watch(loop, config->dialer, EPOLLIN, on_dialer, egress, &egress->dialer,
                    fault)) {
        egress_free(egress);
        return false;
    }
    arm_patrol(egress);
    *ret_egress = egress;
    return true;
}

struct slice egress_certificate(const struct egress *egress)
{
    return authority_certificate(egress->authority);
}

void egress_free(struct egress *egress)
{
    if (egress == NULL)
        return;
    while (egress->visits != NULL)
        visit_close(egress->visits);
    loop_timer_cancel(egress->burial);
    visit_bury(egress);
    loop_timer_cancel(egress->patrol);
    loop_timer_cancel(egress->batch);
    loop_unwatch(egress->door);
    loop_unwatch(egress->dialer);
    for (size_t i = 0; i < egress->config.entry_count; i++) {
        libssl.SSL_CTX_free(egress->servers[i]);
        libssl.SSL_CTX_free(egress->hosts[i]);
    }
    authority_free(egress->authority);
    free(egress->servers);
    free(egress->hosts);
    free(egress->traffic);
    (void)close(egress->config.door);
    (void)close(egress->config.dialer);
    free(egress);
}
