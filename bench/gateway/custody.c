/*
 * Door, gateway and ledger as a run has them, before a provider on loopback.
 *
 * Usage: bench-gateway-custody --provider PORT --scan on|off --ledger on|off --folder FOLDER
 *   scan    off: no such switch is in custody; the door's own code with a scan that finds nothing
 *   ledger  off: a ledger that acknowledges at once, to tell the data path from the disk
 * Prints one JSON object: the door's port, process ids. Ends when its standard input does.
 */
#include "common.h"

#include <sys/stat.h>

#include "base/scope.h"
#include "classify/rules.h"
#include "gateway/gateway.h"
#include "ledger/ledger.h"
#include "os/clock_real.h"
#include "os/isolate.h"
#include "os/message.h"
#include "os/spawn.h"
#include "roles/door.h"
#include "roles/gateway.h"
#include "roles/ledger_role/ledger.h"

#define READY_MS 30000
#define SERVICE_UID 65534
#define TYPE(name) (UINT64_C(1) << RECORD_##name)

static const struct gateway_identity identity = {
    .run = "r-1",
    .agent = "coder@bench#r-1",
    .on_behalf_of = "bench",
    .policy = "0000000000000000000000000000000000000000000000000000000000000001",
};

static void need(bool ok, const struct fault *fault)
{
    if (ok)
        return;
    (void)fprintf(stderr, "bench-gateway-custody: %s\n", fault->why);
    exit(2);
}

/* ---- a ledger that acknowledges at once ---- */

static bool acknowledge(void *self, const struct record *record, uint64_t *ret_seq,
                        struct fault *fault)
{
    static uint64_t seq;

    (void)self, (void)record, (void)fault;
    if (ret_seq != NULL)
        *ret_seq = seq++;
    return true;
}

static bool keep_nothing(void *self, enum record_type type, struct slice value,
                         struct record_seal *seal, struct fault *fault)
{
    (void)self, (void)type, (void)value, (void)seal, (void)fault;
    return true;
}

static bool sync_nothing(void *self, struct fault *fault)
{
    (void)self, (void)fault;
    return true;
}

static int gateway_without_ledger(void *self)
{
    const struct gateway_role_config *role = self;
    struct gateway_config config = {
        .models = role->models,
        .model_count = role->model_count,
        .ledger = {acknowledge, acknowledge, NULL},
        .sealer = {keep_nothing, sync_nothing, keep_nothing, NULL},
        .clock = &clock_real,
        .resolver = -1,
        .run = "r-1",
    };
    struct loop *loop;
    struct gateway *gateway;
    struct fault fault = {0};

    spawn_raise_descriptors();
    need(loop_new(&loop, &fault) && gateway_new(loop, &config, &gateway, &fault) &&
             gateway_connect(gateway, &fault) &&
             gateway_serve(gateway, role->door, &identity, &fault) &&
             isolate_syscalls(ISOLATE_GATEWAY, &fault) && loop_run(loop, &fault),
         &fault);
    return 0;
}

/* ---- a door that looks at nothing ---- */

static unsigned find_nothing(void *self, struct slice text, const char *ret_rules[CLASS_COUNT],
                             unsigned *ret_guesses)
{
    (void)self, (void)text, (void)ret_rules, (void)ret_guesses;
    return 0;
}

struct plain_door {
    struct door_config config;
    int listener;
};

static int door_without_scan(void *self)
{
    struct plain_door *plain = self;
    struct loop *loop;
    struct door *door;
    struct fault fault = {0};

    spawn_raise_descriptors();
    need(loop_new(&loop, &fault) && door_new(loop, &plain->config, &door, &fault) &&
             door_listen(door, plain->listener, &fault) &&
             isolate_syscalls(ISOLATE_DOOR, &fault) && loop_run(loop, &fault),
         &fault);
    return 0;
}

/* ---- all of them ---- */

struct bench {
    bool scan, ledger;
    struct gateway_model model;
    struct ledger_client *core;
    pid_t ledger_pid;
    struct process gateway, door;
    int gateway_control, door_control;
    unsigned port;
};

static void begin_ledger(struct bench *bench, const char *folder)
{
    AUTO_FREE char *home = xformat("%s/home", folder);
    struct ucred peer = {0};
    socklen_t len = sizeof(peer);
    struct fault fault = {0};
    int home_fd, socket;

    (void)must(mkdir(home, 0700), home);
    home_fd = must(open(home, O_RDONLY | O_DIRECTORY | O_CLOEXEC), home);
    (void)setenv("CUSTODY_LEDGER_LINGER_MS", "0", 1);
    need(ledger_keys_make(home_fd, &fault) && ledger_connect(home, home_fd, &socket, &fault),
         &fault);
    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0)
        bench->ledger_pid = peer.pid;
    bench->core = ledger_client_new(socket);
    (void)close(home_fd);
}

/* A role as a run has it: one that the ledger knows, and that is told when to begin. */
struct role_start {
    const char *name, *producer;
    uint64_t types; /* of records that it may write */
    int (*role)(void *config);
    void *config;
    int *control, *ledger; /* in the config */
    int other;             /* descriptor that the role keeps, too */
    struct process *process;
};

/* Gives our end of its control socket. */
static int begin_role(struct bench *bench, const struct role_start *start)
{
    struct fault fault = {0};
    int control[2];

    need(message_pair(control, &fault), &fault);
    *start->control = control[1];
    need(ledger_producer(bench->core, start->producer, start->types, start->ledger, &fault) &&
             spawn_role(start->name, start->role, start->config,
                        (const int[]){control[1], start->other, *start->ledger}, 3,
                        start->process, &fault),
         &fault);
    (void)close(control[1]);
    (void)close(*start->ledger);
    return control[0];
}

static void begin_gateway(struct bench *bench, int to_door)
{
    struct gateway_role_config config = {.door = to_door,
                                         .models = &bench->model,
                                         .model_count = 1,
                                         .identity = identity,
                                         .ledger = -1,
                                         .book = -1,
                                         .drop_user = geteuid() == 0,
                                         .uid = SERVICE_UID,
                                         .gid = SERVICE_UID};
    const struct role_start start = {
        .name = "gateway",
        .producer = "gateway/r-1",
        .types = TYPE(MODEL_INTENT) | TYPE(MODEL_OUTCOME) | TYPE(REFUSED),
        .role = bench->ledger ? gateway_role : gateway_without_ledger,
        .config = &config,
        .control = &config.control,
        .ledger = &config.ledger,
        .other = to_door,
        .process = &bench->gateway};
    struct fault fault = {0};

    bench->gateway_control = begin_role(bench, &start);
    if (bench->ledger)
        need(gateway_role_wait_ready(bench->gateway_control, READY_MS, &fault) &&
                 gateway_role_begin(bench->gateway_control, &fault),
             &fault);
}

static int listen_anywhere(unsigned *ret_port)
{
    struct sockaddr_in address = loopback(0);
    socklen_t len = sizeof(address);
    int fd = must(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");

    (void)must(bind(fd, (struct sockaddr *)&address, len), "bind");
    (void)must(listen(fd, 8192), "listen");
    (void)must(getsockname(fd, (struct sockaddr *)&address, &len), "getsockname");
    *ret_port = ntohs(address.sin_port);
    return fd;
}

static void begin_plain_door(struct bench *bench, int to_gateway, int listener)
{
    struct plain_door plain = {.config = {.models = &bench->model,
                                          .model_count = 1,
                                          .scan = {.classes = find_nothing},
                                          .ledger = {acknowledge, acknowledge, NULL},
                                          .identity = identity,
                                          .gateway = to_gateway},
                               .listener = must(fcntl(listener, F_DUPFD_CLOEXEC, 3), "dup")};
    struct fault fault = {0};

    need(spawn_role("door", door_without_scan, &plain,
                    (const int[]){to_gateway, plain.listener}, 2, &bench->door, &fault),
         &fault);
    (void)close(plain.listener);
}

static void begin_door(struct bench *bench, int to_gateway, int listener)
{
    static const uint8_t key[32] = {1};
    struct door_role_config config = {.gateway = to_gateway,
                                      .served = -1,
                                      .models = &bench->model,
                                      .model_count = 1,
                                      .identity = identity,
                                      .surrogate_key = key,
                                      .surrogate_key_len = sizeof(key),
                                      .drop_user = geteuid() == 0,
                                      .uid = SERVICE_UID,
                                      .gid = SERVICE_UID};
    const struct role_start start = {.name = "door",
                                     .producer = "door/r-1",
                                     .types = TYPE(REFUSED),
                                     .role = door_role,
                                     .config = &config,
                                     .control = &config.control,
                                     .ledger = &config.ledger,
                                     .other = to_gateway,
                                     .process = &bench->door};
    struct fault fault = {0};

    bench->door_control = begin_role(bench, &start);
    need(door_role_listen(bench->door_control, listener, -1, READY_MS, &fault), &fault);
}

int main(int argc, char **argv)
{
    AUTO_FREE char *url =
        xformat("http://127.0.0.1:%ld/v1", number(argc, argv, "--provider", "0"));
    struct bench bench = {
        .scan = strcmp(option(argc, argv, "--scan", "on"), "on") == 0,
        .ledger = strcmp(option(argc, argv, "--ledger", "on"), "on") == 0,
        .model = {.name = "main-model",
                  .url = url,
                  .dialect = DIALECT_OPENAI,
                  .residency = "on-premises",
                  .contract = "c-1",
                  .allow = CLASS_BIT(CLASS_CODE)},
        .gateway_control = -1,
        .door_control = -1,
    };
    struct fault fault = {0};
    int between[2], listener;
    char byte;

    many_descriptors();
    need(rules_use_texts(NULL, 0, &fault), &fault);
    begin_ledger(&bench, option(argc, argv, "--folder", "/tmp"));
    need(message_pair(between, &fault), &fault);
    listener = listen_anywhere(&bench.port);
    begin_gateway(&bench, between[0]);
    if (bench.scan)
        begin_door(&bench, between[1], listener);
    else
        begin_plain_door(&bench, between[1], listener);
    (void)close(between[0]);
    (void)close(between[1]);
    (void)close(listener);
    printf("{\"port\": %u, \"door\": %d, \"gateway\": %d, \"ledger\": %d}\n", bench.port,
           (int)bench.door.pid, (int)bench.gateway.pid, (int)bench.ledger_pid);
    (void)fflush(stdout);
    while (read(0, &byte, 1) > 0)
        continue;
    process_kill(&bench.door);
    process_kill(&bench.gateway);
    ledger_client_free(bench.core);
    return 0;
}
