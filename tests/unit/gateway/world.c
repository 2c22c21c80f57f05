#include "world.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "base/hex.h"
#include "classify/rules.h"
#include "classify/surrogate.h"
#include "ledger/reader.h"
#include "os/file.h"
#include "os/message.h"
#include "roles/door.h"
#include "roles/ledger_role/ledger.h"

#define READY_MS 20000
#define ROLE_UID 65534
#define RECORDS_MS 5000
#define REMOVALS_MAX 250
#define TYPE(name) (UINT64_C(1) << RECORD_##name)

static const struct gateway_identity identity = {
    .run = "r-1",
    .agent = "coder@payments#r-1",
    .on_behalf_of = "maria",
    .policy = "0000000000000000000000000000000000000000000000000000000000000001",
};

static void begin_ledger(struct world *world)
{
    AUTO_FREE char *home = xformat("%s/home", world->folder);
    struct fault fault = {0};
    int socket;

    assert_int_equal(mkdir(home, 0700), 0);
    world->home_fd = open(home, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(world->home_fd >= 0);
    (void)setenv("CUSTODY_LEDGER_LINGER_MS", "0", 1);
    assert_ok(ledger_keys_make(world->home_fd, &fault), fault);
    assert_ok(ledger_connect(home, world->home_fd, &socket, &fault), fault);
    world->core = ledger_client_new(socket);
}

static void begin_upstream(struct world *world)
{
    AUTO_FREE char *certificate = xformat("%s/server.pem", world->folder);
    AUTO_FREE char *key = xformat("%s/server.key", world->folder);

    if (world->tls)
        upstream_certificates(world->folder);
    if (world->answer != NULL)
        world->upstream =
            upstream_start(world->folder, world->answer, world->tls ? certificate : NULL, key);
}

static void make_proxy(struct world *world)
{
    struct fault fault = {0};
    uint16_t port;

    if (world->start_proxy == NULL)
        return;
    world->proxy_pid = world->start_proxy(world->upstream.port, &port);
    world->texts[3] = xformat("http://127.0.0.1:%u", (unsigned)port);
    world->texts[4] = xformat("%s/proxy", world->folder);
    assert_ok(file_create(AT_FDCWD, world->texts[4], slice_of(world->proxy_credentials), 0600,
                          &fault),
              fault);
}

/* SHA-256 of the public key of server.pem. */
static char *own_pin(const struct world *world)
{
    AUTO_FREE char *path = xformat("%s/server.pem", world->folder);
    uint8_t digest[EVP_MAX_MD_SIZE];
    char text[2 * EVP_MAX_MD_SIZE + 1];
    unsigned char *der = NULL;
    FILE *in = fopen(path, "r");
    X509 *certificate;
    int len;

    assert_non_null(in);
    certificate = PEM_read_X509(in, NULL, NULL, NULL);
    (void)fclose(in);
    assert_non_null(certificate);
    len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
    assert_true(len > 0);
    assert_int_equal(EVP_Digest(der, (size_t)len, digest, NULL, EVP_sha256(), NULL), 1);
    hex_encode(slice_of_bytes(digest, 32), text);
    OPENSSL_free(der);
    X509_free(certificate);
    return xstrdup(text);
}

static void make_models(struct world *world)
{
    struct fault fault = {0};

    world->texts[0] = xformat("%s://%s:%u/v1", world->tls ? "https" : "http",
                              world->by_name ? "localhost" : "127.0.0.1",
                              (unsigned)(world->upstream.port > 0 ? world->upstream.port : 9));
    world->texts[1] = xformat("%s/key", world->folder);
    world->texts[2] =
        xformat("%s/%s", world->folder, world->other_ca ? "other-ca.pem" : "ca.pem");
    assert_ok(file_create(AT_FDCWD, world->texts[1], SLICE(WORLD_KEY "\n"), 0600, &fault),
              fault);
    make_proxy(world);
    world->pins[0] = world->pin;
    if (world->pin_own_key)
        world->pins[1] = world->texts[5] = own_pin(world);
    world->models[0] = (struct gateway_model){
        .name = "main-model",
        .model = "m",
        .url = world->url != NULL ? world->url : world->texts[0],
        .dialect = world->dialect,
        .translate = world->translate,
        .key_file = world->texts[1],
        .ca_file = world->tls ? world->texts[2] : NULL,
        .pins = world->pins,
        .pin_count = world->pin == NULL ? 0 : world->pin_own_key ? 2 : 1,
        .proxy = world->texts[3],
        .proxy_credentials = world->texts[4],
        .residency = "on-premises",
        .contract = "c-1",
        .prices = {world->price_in, world->price_in, world->price_in, world->price_out,
                   world->price_out},
        .expires_us = world->expires_us,
        .allow = world->allow,
        .allow_redacted = world->allow_redacted,
    };
    world->models[1] = (struct gateway_model){
        .name = "no-key-model",
        .url = world->texts[0],
        .dialect = world->dialect,
        .translate = world->translate,
        .key_file = "/nowhere/key",
        .allow = world->allow,
    };
    world->models[2] = (struct gateway_model){
        .name = "second-model",
        .model = "m-2",
        .url = world->texts[0],
        .dialect = world->dialect,
        .translate = world->translate,
        .key_file = world->texts[1],
        .ca_file = world->tls ? world->texts[2] : NULL,
        .residency = "eu",
        .allow = world->allow & ~world->kept_away,
        .kept_away = world->kept_away,
    };
}

static int gateway_producer(struct world *world)
{
    struct fault fault = {0};
    int ends[2];

    if (!world->no_ledger) {
        assert_ok(ledger_producer(world->core, "gateway/r-1",
                                  TYPE(MODEL_INTENT) | TYPE(MODEL_OUTCOME) | TYPE(REFUSED),
                                  &ends[0], &fault),
                  fault);
        return ends[0];
    }
    assert_ok(message_pair(ends, &fault), fault);
    (void)close(ends[1]);
    return ends[0];
}

static void begin_gateway(struct world *world, int to_door)
{
    static const size_t fallback[] = {1, 2};
    struct gateway_totals totals;
    struct fault fault = {0};
    int control[2];
    struct gateway_role_config config = {.door = to_door,
                                         .models = world->models,
                                         .model_count = COUNT(world->models),
                                         .fallback = fallback,
                                         .fallback_count =
                                             world->falls_back ? COUNT(fallback) : 0,
                                         .identity = identity,
                                         .limits = world->limits,
                                         .ledger = gateway_producer(world),
                                         .drop_user = geteuid() == 0,
                                         .uid = ROLE_UID,
                                         .gid = ROLE_UID};

    assert_ok(message_pair(control, &fault), fault);
    assert_ok(book_file_open(world->home_fd, &config.book, &fault), fault);
    config.control = control[1];
    assert_ok(
        spawn_role("gateway", gateway_role, &config,
                   (const int[]){config.control, config.door, config.ledger, config.book}, 4,
                   &world->gateway, &fault),
        fault);
    (void)close(config.book);
    (void)close(control[1]);
    (void)close(config.ledger);
    world->gateway_control = control[0];
    assert_ok(gateway_role_wait_ready(control[0], READY_MS, &fault), fault);
    assert_ok(gateway_role_begin(control[0], &fault), fault);
    assert_ok(gateway_role_totals(control[0], READY_MS, &totals, &fault), fault); /* sealed */
}

static int listen_anywhere(uint16_t *ret_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(fd, 64), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    *ret_port = ntohs(address.sin_port);
    return fd;
}

static void begin_door(struct world *world, int to_gateway)
{
    AUTO_CLOSE int listener = listen_anywhere(&world->port);
    struct fault fault = {0};
    int control[2];
    static const uint8_t key[SURROGATE_KEY_LEN] = {1, 2, 3};
    struct door_role_config config = {.gateway = to_gateway,
                                      .served = -1,
                                      .cut_answers = world->cut_answers,
                                      .surrogate_key = key,
                                      .surrogate_key_len = sizeof(key),
                                      .models = world->models,
                                      .model_count = COUNT(world->models),
                                      .takes_other_names = true,
                                      .identity = identity,
                                      .drop_user = geteuid() == 0,
                                      .uid = ROLE_UID,
                                      .gid = ROLE_UID};

    assert_ok(ledger_producer(world->core, "door/r-1", TYPE(REFUSED), &config.ledger, &fault),
              fault);
    assert_ok(message_pair(control, &fault), fault);
    config.control = control[1];
    assert_ok(spawn_role("door", door_role, &config,
                         (const int[]){config.control, config.gateway, config.ledger}, 3,
                         &world->door, &fault),
              fault);
    (void)close(control[1]);
    (void)close(config.ledger);
    world->door_control = control[0];
    assert_ok(door_role_listen(control[0], listener, -1, READY_MS, &fault), fault);
}

void world_begin(struct world *world)
{
    struct fault fault = {0};
    int between[2];

    world->home_fd = world->gateway_control = world->door_control = -1;
    (void)snprintf(world->folder, sizeof(world->folder), "/tmp/custody-gateway-XXXXXX");
    assert_non_null(mkdtemp(world->folder));
    assert_ok(rules_use_texts(NULL, 0, &fault), fault); /* before the door is sealed */
    begin_upstream(world);
    begin_ledger(world);
    make_models(world);
    assert_ok(message_pair(between, &fault), fault);
    begin_gateway(world, between[0]);
    begin_door(world, between[1]);
    (void)close(between[0]);
    (void)close(between[1]);
}

static void end_role(struct process *role, int *control)
{
    struct fault fault = {0};
    int status = -1;

    scope_close(control);
    if (role->pid <= 0)
        return; /* the test has ended it */
    assert_ok(process_wait(role, READY_MS, &status, &fault), fault);
    assert_int_equal(status, 0);
}

/* The ledger's process outlives its clients by a moment, and may still write. */
static void remove_folder(const char *folder)
{
    struct fault fault = {0};

    for (int i = 0; i < REMOVALS_MAX; i++) {
        if (file_remove_tree(AT_FDCWD, folder, &fault))
            return;
        link_sleep_ms(20);
    }
    fail_msg("%s", fault.why);
}

void world_end(struct world *world)
{
    end_role(&world->door, &world->door_control);
    end_role(&world->gateway, &world->gateway_control);
    upstream_stop(&world->upstream);
    if (world->proxy_pid > 0) {
        (void)kill(world->proxy_pid, SIGKILL);
        (void)waitpid(world->proxy_pid, NULL, 0);
    }
    ledger_client_free(world->core);
    scope_close(&world->home_fd);
    for (size_t i = 0; i < COUNT(world->texts); i++)
        free(world->texts[i]);
    remove_folder(world->folder);
}

int world_connect(const struct world *world)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(world->port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

bool world_send(int socket, struct slice bytes)
{
    while (bytes.len > 0) {
        ssize_t sent = send(socket, bytes.at, bytes.len, MSG_NOSIGNAL);

        if (sent <= 0)
            return false;
        bytes = slice_part(bytes, (size_t)sent, bytes.len);
    }
    return true;
}

static int64_t now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

bool world_read_until(int socket, const char *text, int timeout_ms, struct buf *got)
{
    int64_t until_ms = now_ms() + timeout_ms;
    uint8_t piece[8192];
    struct fault fault = {0};

    for (;;) {
        struct pollfd ready = {.fd = socket, .events = POLLIN};
        int64_t left_ms = until_ms - now_ms();
        ssize_t more;

        if (text != NULL && strstr(buf_text(got), text) != NULL)
            return true;
        if (left_ms <= 0 || poll(&ready, 1, (int)left_ms) <= 0)
            return false;
        more = recv(socket, piece, sizeof(piece), 0);
        if (more <= 0)
            return text == NULL;
        assert_ok(buf_add(got, slice_of_bytes(piece, (size_t)more), &fault), fault);
    }
}

char *world_read_all(int socket, int timeout_ms)
{
    AUTO_BUF struct buf got = buf_with_limit(64U << 20);

    if (!world_read_until(socket, NULL, timeout_ms, &got))
        fail_msg("the connection did not end: %s", buf_text(&got));
    return slice_dup(buf_slice(&got));
}

char *world_raw(const struct world *world, const char *bytes)
{
    AUTO_CLOSE int socket = world_connect(world);

    (void)world_send(socket, slice_of(bytes));
    return world_read_all(socket, 20000);
}

char *world_post(const struct world *world, const char *path, const char *body)
{
    AUTO_FREE char *request = xformat("POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: "
                                      "close\r\nContent-Type: application/json\r\n"
                                      "Authorization: Bearer " WORLD_AGENT_KEY
                                      "\r\nX-Api-Key: " WORLD_AGENT_KEY "\r\n"
                                      "Content-Length: %zu\r\n\r\n%s",
                                      path, strlen(body), body);

    return world_raw(world, request);
}

int world_status(const char *answer)
{
    return strncmp(answer, "HTTP/1.1 ", 9) == 0 ? (int)strtol(answer + 9, NULL, 10) : 0;
}

struct search {
    const char *const *texts;
    size_t count;
    bool print;
};

static bool look(void *self, uint64_t index, struct slice leaf, struct fault *fault)
{
    struct search *search = self;
    size_t at = 0;

    (void)fault;
    if (search->print)
        print_message("%llu %.*s\n", (unsigned long long)index, SLICE_ARGS(leaf));
    while (search->texts[at] != NULL &&
           slice_find(leaf, slice_of(search->texts[at]), 0) != SIZE_MAX)
        at++;
    search->count += search->texts[at] == NULL;
    return true;
}

static size_t count_records(struct world *world, const char *const *texts, bool print)
{
    AUTO_CLOSE int folder =
        openat(world->home_fd, "ledger", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct search search = {.texts = texts, .print = print};
    struct reader_options options = {0};
    struct fault fault = {0};
    uint64_t next;

    assert_ok(ledger_checkpoint(world->core, &fault), fault);
    assert_ok(reader_each(folder, &options, look, &search, &next, &fault), fault);
    return search.count;
}

size_t world_records(struct world *world, size_t at_least, const char *const *texts)
{
    int64_t until_ms = now_ms() + RECORDS_MS;
    size_t count;

    while ((count = count_records(world, texts, false)) < at_least && now_ms() < until_ms)
        link_sleep_ms(20);
    return count;
}

void world_assert_records(struct world *world, size_t count, const char *const *texts)
{
    if (world_records(world, count, texts) == count)
        return;
    (void)count_records(world, texts, true);
    fail_msg("not %zu records with %s", count, texts[0]);
}

struct gateway_totals world_totals(struct world *world)
{
    struct gateway_totals totals = {0};
    struct fault fault = {0};

    assert_ok(gateway_role_totals(world->gateway_control, READY_MS, &totals, &fault), fault);
    return totals;
}

void world_assert_has(const char *text, const char *part, bool wanted)
{
    if ((strstr(text, part) != NULL) != wanted)
        fail_msg("%s \"%s\" in: %s", wanted ? "no" : "there is", part, text);
}
