#include "roles/egress/egress.h"

#include <sys/prctl.h>
#include <unistd.h>

#include "base/scope.h"
#include "ledger/ledger.h"
#include "os/clock_real.h"
#include "os/file.h"
#include "os/isolate.h"
#include "os/message.h"
#include "os/spawn.h"
#include "roles/egress/outgoing.h"

#define PACKET_BYTES_MAX 8192

struct serving {
    const struct egress_role_config *config;
    struct loop *loop;
    struct egress *egress;
    struct ledger_client *ledger;
    struct loop_watch *control;
    struct outgoing outgoing;
};

static bool record(void *self, const struct record *what, uint64_t *ret_seq,
                   struct fault *fault)
{
    return ledger_record(((struct serving *)self)->ledger, what, ret_seq, fault);
}

static bool record_durably(void *self, const struct record *what, uint64_t *ret_seq,
                           struct fault *fault)
{
    return ledger_record_durably(((struct serving *)self)->ledger, what, ret_seq, fault);
}

static void say(int control, char what, struct slice more)
{
    struct fault unsent = {0};
    AUTO_BUF struct buf packet = buf_with_limit(PACKET_BYTES_MAX);

    if (buf_add_byte(&packet, (uint8_t)what, &unsent) && buf_add(&packet, more, &unsent))
        (void)!message_send(control, buf_slice(&packet), NULL, &unsent);
}

static bool take_known(struct serving *serving, const struct message_fds *fds,
                       struct fault *fault)
{
    AUTO_BUF_SECRET struct buf packet = buf_with_limit(KNOWN_PACKET_BYTES_MAX);

    if (fds->count == 0)
        return true;
    return (file_read_fd(fds->fd[0], &packet, fault) &&
            known_decode(buf_slice(&packet), &serving->outgoing.texts.known, fault)) ||
           fault_in(fault, "take the values that no model may see");
}

static void on_control(void *self, uint32_t events)
{
    struct serving *serving = self;
    int control = serving->config->control;
    AUTO_BUF struct buf body = buf_with_limit(MESSAGE_BYTES_MAX);
    struct message_fds fds = {0};
    struct fault fault = {0};
    bool end = false;

    (void)events;
    if (!message_receive(control, &body, &fds, 0, &end, &fault) || end) {
        loop_stop(serving->loop);
    } else if (body.len != 1 || body.at[0] != EGRESS_KNOWN || fds.count > 1 ||
               serving->outgoing.texts.known != NULL) {
        say(control, EGRESS_FAILED, SLICE("a packet that is no EGRESS_KNOWN"));
    } else if (take_known(serving, &fds, &fault)) {
        say(control, EGRESS_READY, SLICE(""));
    } else {
        say(control, EGRESS_FAILED, slice_of(fault.why));
    }
    message_fds_close(&fds);
}

static bool open_egress(struct serving *serving, struct fault *fault)
{
    const struct egress_role_config *config = serving->config;
    struct egress_config egress = {.entries = config->entries,
                                   .entry_count = config->entry_count,
                                   .scan = outgoing_scan(&serving->outgoing),
                                   .ledger = {record, record_durably, serving},
                                   .identity = config->identity,
                                   .clock = &clock_real,
                                   .door = config->door,
                                   .dialer = config->dialer};
    struct surrogate_key *key = &serving->outgoing.key;

    serving->ledger = ledger_client_new(config->ledger);
    if (config->surrogate_key != NULL && config->surrogate_key_len == sizeof(key->bytes)) {
        memcpy(key->bytes, config->surrogate_key, sizeof(key->bytes));
        serving->outgoing.has_key = true;
    }
    return loop_new(&serving->loop, fault) &&
           egress_new(serving->loop, &egress, &serving->egress, fault) &&
           loop_watch(serving->loop, config->control, EPOLLIN, on_control, serving,
                      &serving->control, fault);
}

/* As the door: it reads what the agent sends, and opens nothing. */
static bool give_up_privileges(const struct egress_role_config *config, struct fault *fault)
{
    (void)prctl(PR_SET_DUMPABLE, 0);
    spawn_raise_descriptors();
    return (!config->drop_user || isolate_user(config->uid, config->gid, 0, fault)) &&
           isolate_files(NULL, 0, ISOLATE_ABI_KERNEL, NULL, fault) &&
           isolate_syscalls(ISOLATE_DOOR, fault);
}

int egress_role(void *self)
{
    struct serving serving = {.config = self};
    struct fault fault = {0};
    bool ok = open_egress(&serving, &fault) && give_up_privileges(serving.config, &fault);

    if (ok)
        say(serving.config->control, EGRESS_READY, egress_certificate(serving.egress));
    ok = ok && loop_run(serving.loop, &fault);
    if (!ok)
        say(serving.config->control, EGRESS_FAILED, slice_of(fault.why));
    egress_free(serving.egress);
    ledger_client_free(serving.ledger);
    loop_unwatch(serving.control);
    loop_free(serving.loop);
    known_free(serving.outgoing.texts.known);
    explicit_bzero(&serving.outgoing, sizeof(serving.outgoing));
    return ok ? 0 : 2;
}

/* ---- core's side ---- */

static bool hear(int control, int timeout_ms, struct buf *body, struct fault *fault)
{
    bool end;

    if (!message_receive(control, body, NULL, timeout_ms, &end, fault))
        return fault_in(fault, "hear egress");
    if (end)
        return fault_set(fault, FAULT_IO, "the egress process ended");
    if (body->at[0] == EGRESS_READY)
        return true;
    return fault_set(fault, FAULT_IO, "egress: %s", buf_text(body) + 1);
}

bool egress_role_wait_ready(int control, int timeout_ms, struct buf *ret_certificate,
                            struct fault *fault)
{
    AUTO_BUF struct buf body = buf_with_limit(MESSAGE_BYTES_MAX);

    return hear(control, timeout_ms, &body, fault) &&
           buf_add(ret_certificate, slice_part(buf_slice(&body), 1, body.len), fault);
}

bool egress_role_know(int control, int known, int timeout_ms, struct fault *fault)
{
    struct message_fds fds = {.fd = {known}, .count = known >= 0};
    AUTO_BUF struct buf body = buf_with_limit(MESSAGE_BYTES_MAX);

    return message_send(control, slice_of_bytes((uint8_t[]){EGRESS_KNOWN}, 1), &fds, fault) &&
           hear(control, timeout_ms, &body, fault);
}
