#include "roles/gateway.h"

#include <sys/prctl.h>
#include <unistd.h>

#include "base/scope.h"
#include "ledger/ledger.h"
#include "os/clock_real.h"
#include "os/isolate.h"
#include "os/message.h"
#include "os/spawn.h"
#include "roles/resolver.h"

struct serving {
    const struct gateway_role_config *config;
    struct loop *loop;
    struct gateway *gateway;
    struct ledger_client *ledger;
    struct sealer sealer;
    struct loop_watch *control;
    int resolver; /* the resolver's end; -1: no name is to be resolved */
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

static bool keep(void *self, enum record_type type, struct slice value,
                 struct record_seal *seal, struct fault *fault)
{
    return sealer_keep(self, type, value, seal, fault);
}

static bool sync_kept(void *self, struct fault *fault)
{
    return sealer_sync(self, fault);
}

static bool commit(void *self, enum record_type type, struct slice value,
                   struct record_seal *seal, struct fault *fault)
{
    return sealer_commit(self, type, value, seal, fault);
}

static void say(int control, char what, struct slice more)
{
    struct fault unsent = {0};
    AUTO_BUF struct buf packet = buf_with_limit(1024);

    if (buf_add_byte(&packet, (uint8_t)what, &unsent) && buf_add(&packet, more, &unsent))
        (void)!message_send(control, buf_slice(&packet), NULL, &unsent);
}

static void on_control(void *self, uint32_t events)
{
    struct serving *serving = self;
    AUTO_BUF struct buf body = buf_with_limit(MESSAGE_BYTES_MAX);
    struct gateway_totals totals;
    struct fault fault = {0};
    bool end = false;

    (void)events;
    if (!message_receive(serving->config->control, &body, NULL, 0, &end, &fault) || end) {
        loop_stop(serving->loop);
        return;
    }
    if (body.at[0] != GATEWAY_TOTALS)
        return;
    totals = gateway_totals(serving->gateway);
    say(serving->config->control, GATEWAY_TOTALS, slice_of_bytes(&totals, sizeof(totals)));
}

static bool open_gateway(struct serving *serving, struct fault *fault)
{
    const struct gateway_role_config *config = serving->config;
    struct gateway_config gateway = {.models = config->models,
                                     .model_count = config->model_count,
                                     .model = config->model,
                                     .servers = config->servers,
                                     .server_count = config->server_count,
                                     .fallback = config->fallback,
                                     .fallback_count = config->fallback_count,
                                     .limits = config->limits,
                                     .run = config->identity.run,
                                     .shares_book = config->book >= 0,
                                     .book = config->book,
                                     .accounts = config->accounts,
                                     .account_count = config->account_count,
                                     .ledger = {record, record_durably, serving},
                                     .sealer = {keep, sync_kept, commit, &serving->sealer},
                                     .clock = &clock_real,
                                     .resolver = serving->resolver};

    serving->ledger = ledger_client_new(config->ledger);
    serving->sealer = config->sealer;
    serving->sealer.ledger = serving->ledger;
    return loop_new(&serving->loop, fault) &&
           gateway_new(serving->loop, &gateway, &serving->gateway, fault) &&
           gateway_serve(serving->gateway, config->door, &config->identity, fault) &&
           loop_watch(serving->loop, config->control, EPOLLIN, on_control, serving,
                      &serving->control, fault);
}

/* The agent is not started before we are ready, so not before its scope's key is on disk. */
static bool settle(const struct gateway_role_config *config, struct fault *fault)
{
    bool ok = config->sealer.scope == NULL ||
              scope_files_settle(config->home, config->sealer.scope, fault);

    if (config->sealer.scope != NULL)
        (void)close(config->home);
    return ok ? true : fault_in(fault, "keep the key of the run's scope");
}

/* The system's certificates are read when a provider is first called. */
static bool confine_files(const struct sealer *sealer, struct fault *fault)
{
    const struct isolate_path paths[] = {
        {.fd = sealer->folder, .access = ISOLATE_READ | ISOLATE_WRITE},
        {.path = "/etc", .access = ISOLATE_READ},
        {.path = "/usr", .access = ISOLATE_READ | ISOLATE_EXECUTE},
        {.path = "/lib", .access = ISOLATE_READ | ISOLATE_EXECUTE, .optional = true},
        {.path = "/lib64", .access = ISOLATE_READ | ISOLATE_EXECUTE, .optional = true},
        {.path = "/dev/urandom", .access = ISOLATE_READ, .optional = true},
    };

    bool keeps = sealer->scope != NULL && sealer->folder >= 0;

    return isolate_files(paths + !keeps, COUNT(paths) - !keeps, ISOLATE_ABI_KERNEL, NULL,
                         fault);
}

static bool give_up_privileges(const struct gateway_role_config *config, struct fault *fault)
{
    (void)prctl(PR_SET_DUMPABLE, 0); /* the keys are in this memory */
    spawn_raise_descriptors();
    return !config->drop_user || isolate_user(config->uid, config->gid, 0, fault);
}

static bool confine(const struct gateway_role_config *config, struct fault *fault)
{
    return confine_files(&config->sealer, fault) && isolate_syscalls(ISOLATE_GATEWAY, fault);
}

/* Nobody is heard before: loading what TLS needs can wait as well. */
static bool await_begin(const struct gateway_role_config *config, bool *ret_end,
                        struct fault *fault)
{
    AUTO_BUF struct buf body = buf_with_limit(MESSAGE_BYTES_MAX);

    if (!message_receive(config->control, &body, NULL, -1, ret_end, fault))
        return false;
    return *ret_end || body.at[0] == GATEWAY_BEGIN ||
           fault_set(fault, FAULT_INVALID, "core asked for something before the beginning");
}

/* Before the keys are read: what it parses comes from anywhere. */
static bool start_resolver(struct serving *serving, struct fault *fault)
{
    const struct gateway_role_config *config = serving->config;

    return !(gateway_has_names(config->models, config->model_count) ||
             gateway_servers_have_names(config->servers, config->server_count)) ||
           resolver_role_start(config->drop_user, config->uid, config->gid, &serving->resolver,
                               fault);
}

int gateway_role(void *self)
{
    struct serving serving = {.config = self, .resolver = -1};
    struct fault fault = {0};
    bool end = false;
    bool ok = start_resolver(&serving, &fault) && open_gateway(&serving, &fault) &&
              settle(serving.config, &fault) && give_up_privileges(serving.config, &fault);

    if (ok)
        say(serving.config->control, GATEWAY_READY, SLICE(""));
    ok = ok && await_begin(serving.config, &end, &fault) &&
         (end || (gateway_connect(serving.gateway, &fault) &&
                  confine(serving.config, &fault) && loop_run(serving.loop, &fault)));
    if (!ok)
        say(serving.config->control, GATEWAY_FAILED, slice_of(fault.why));
    gateway_free(serving.gateway);
    ledger_client_free(serving.ledger);
    loop_unwatch(serving.control);
    loop_free(serving.loop);
    explicit_bzero(&serving.sealer, sizeof(serving.sealer));
    return ok ? 0 : 2;
}

static bool hear(int control, char what, int timeout_ms, struct buf *body, struct fault *fault)
{
    bool end;

    if (!message_receive(control, body, NULL, timeout_ms, &end, fault))
        return fault_in(fault, "hear the gateway");
    if (end)
        return fault_set(fault, FAULT_IO, "the gateway process ended");
    if (body->at[0] == GATEWAY_FAILED)
        return fault_set(fault, FAULT_IO, "the gateway: %s", buf_text(body) + 1);
    if (body->at[0] != (uint8_t)what)
        return fault_set(fault, FAULT_IO, "the gateway answered something else");
    return true;
}

bool gateway_role_wait_ready(int control, int timeout_ms, struct fault *fault)
{
    AUTO_BUF struct buf body = buf_with_limit(MESSAGE_BYTES_MAX);

    return hear(control, GATEWAY_READY, timeout_ms, &body, fault);
}

bool gateway_role_begin(int control, struct fault *fault)
{
    return message_send(control, slice_of_bytes((uint8_t[]){GATEWAY_BEGIN}, 1), NULL, fault);
}

bool gateway_role_totals(int control, int timeout_ms, struct gateway_totals *ret_totals,
                         struct fault *fault)
{
    AUTO_BUF struct buf body = buf_with_limit(MESSAGE_BYTES_MAX);

    if (!message_send(control, slice_of_bytes((uint8_t[]){GATEWAY_TOTALS}, 1), NULL, fault) ||
        !hear(control, GATEWAY_TOTALS, timeout_ms, &body, fault))
        return false;
    if (body.len != 1 + sizeof(*ret_totals))
        return fault_set(fault, FAULT_IO, "the gateway's totals have a strange length");
    memcpy(ret_totals, body.at + 1, sizeof(*ret_totals));
    return true;
}
