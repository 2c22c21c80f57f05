/* What clients ask of the ledger, and what they are told. */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/scope.h"
#include "os/message.h"
#include "roles/ledger_role/serving.h"

#define PACKETS_AT_ONCE 64 /* of one producer, before the others get their turn */

static void on_client(void *self, uint32_t events);

void client_drop(struct client *client)
{
    struct serving *serving = client->serving;

    for (struct client **at = &serving->clients; *at != NULL; at = &(*at)->next)
        if (*at == client) {
            *at = client->next;
            break;
        }
    ledger_writer_release(client->source);
    loop_unwatch(client->watch);
    (void)close(client->socket);
    free(client);
    if (--serving->client_count == 0)
        serving_linger(serving);
}

/* Never waits: a producer that does not read its answers is dropped. */
static bool answer(struct client *client, struct slice packet)
{
    ssize_t put;

    do
        put = send(client->socket, packet.at, packet.len, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (put < 0 && errno == EINTR);
    return put >= 0;
}

bool client_answer_done(struct client *client, uint64_t tag)
{
    uint8_t bytes[9] = {LEDGER_DONE};

    ledger_put_u64(bytes + 1, tag);
    return answer(client, slice_of_bytes(bytes, sizeof(bytes)));
}

static struct place place_of(const struct client *client)
{
    return (struct place){.taken = client->taken, .next = ledger_source_next(client->source)};
}

/* Where this client's records are: `packet`, and what comes after it. */
static bool answer_records(struct client *client, enum ledger_packet packet,
                           struct place place, struct slice rest)
{
    AUTO_BUF struct buf bytes = buf_with_limit(17 + rest.len);
    uint8_t head[17] = {(uint8_t)packet};
    struct fault ignored = {0};

    ledger_put_u64(head + 1, place.taken);
    ledger_put_u64(head + 9, place.next);
    return buf_add(&bytes, slice_of_bytes(head, sizeof(head)), &ignored) &&
           buf_add(&bytes, rest, &ignored) && answer(client, buf_slice(&bytes));
}

/* Kind and words of a fault, as they stand in a packet. */
static struct slice fault_bytes(const struct fault *fault,
                                uint8_t room[1 + sizeof(((struct fault *)NULL)->why)])
{
    size_t len = strlen(fault->why);

    room[0] = (uint8_t)fault->kind;
    memcpy(room + 1, fault->why, len);
    return slice_of_bytes(room, 1 + len);
}

bool client_answer_fault(struct client *client, uint64_t tag, const struct fault *fault)
{
    AUTO_BUF struct buf bytes = buf_with_limit(10 + sizeof(fault->why));
    uint8_t head[9] = {LEDGER_FAILED}, room[1 + sizeof(fault->why)];
    struct fault ignored = {0};

    ledger_put_u64(head + 1, tag);
    return buf_add(&bytes, slice_of_bytes(head, sizeof(head)), &ignored) &&
           buf_add(&bytes, fault_bytes(fault, room), &ignored) &&
           answer(client, buf_slice(&bytes));
}

/* Takes `socket`, also on failure. */
static bool add_client(struct serving *serving, int socket, struct slice name, uint64_t types,
                       bool is_core, struct fault *fault)
{
    struct client *client;
    struct ledger_source *source;
    AUTO_BUF struct buf hello = buf_with_limit(17 + LEDGER_SRC_BYTES_MAX);
    uint8_t head[17] = {LEDGER_HELLO};
    AUTO_CLOSE int own = socket;

    if (!ledger_writer_source(serving->writer, name, &source, fault))
        return false;
    ledger_put_u64(head + 1, ledger_source_next(source));
    ledger_put_u64(head + 9, types);
    if (!buf_add(&hello, slice_of_bytes(head, sizeof(head)), fault) ||
        !buf_add_text(&hello, ledger_source_name(source), fault)) {
        ledger_writer_release(source);
        return false;
    }
    client = xalloc(sizeof(*client));
    *client = (struct client){.serving = serving,
                              .socket = own,
                              .is_core = is_core,
                              .types = types,
                              .source = source,
                              .next = serving->clients};
    if (!loop_watch(serving->loop, own, EPOLLIN, on_client, client, &client->watch, fault)) {
        ledger_writer_release(source);
        free(client);
        return false;
    }
    (void)take_fd(&own);
    serving->clients = client;
    serving->client_count++;
    loop_timer_cancel(serving->linger_timer);
    serving->linger_timer = NULL;
    (void)answer(client, buf_slice(&hello)); /* else its end is seen on reading */
    return true;
}

/* A handler's false drops the client: it does not keep to the protocol. */
typedef bool handler(struct client *client, struct slice body);

/* The gate's refusal is an answer where one is waited for, and no reason to drop anybody. */
static bool refuse(struct client *client, bool durably, const struct fault *why)
{
    uint8_t room[1 + sizeof(why->why)];

    serving_commit_soon(client->serving, false);
    return !durably ||
           answer_records(client, LEDGER_REFUSED, place_of(client), fault_bytes(why, room));
}

static bool take_record(struct client *client, struct slice body, bool durably)
{
    struct serving *serving = client->serving;
    struct fault fault = {0};

    client->taken++;
    if (ledger_writer_append(serving->writer, client->source, client->types, body, durably,
                             &fault)) {
        client->wants_ack |= durably;
        serving_commit_soon(serving, durably);
        return true;
    }
    if (fault.kind == FAULT_DENIED)
        return refuse(client, durably, &fault);
    if (fault.kind != FAULT_INVALID ||
        !ledger_writer_refused(serving->writer, "schema-reject", &fault))
        serving_fail(serving, &fault);
    serving_commit_soon(serving, false);
    return false;
}

static bool on_record(struct client *client, struct slice body)
{
    return take_record(client, body, false);
}

static bool on_record_durably(struct client *client, struct slice body)
{
    return take_record(client, body, true);
}

static bool on_checkpoint(struct client *client, struct slice body)
{
    if (body.len != 8)
        return false;
    client->wants_checkpoint = true;
    client->checkpoint_tag = ledger_get_u64(body.at);
    serving_checkpoint_soon(client->serving, true);
    return true;
}

static bool on_producer(struct client *client, struct slice body)
{
    struct message_fds fds = {.count = 1};
    struct fault fault = {0};
    uint8_t done[9] = {LEDGER_DONE};
    AUTO_CLOSE int theirs = -1;
    int ends[2];
    uint64_t types;

    if (body.len < 16)
        return false;
    types =
        ledger_get_u64(body.at + 8) & client->types; /* nobody gives away what they have not */
    if (!message_pair(ends, &fault))
        return client_answer_fault(client, ledger_get_u64(body.at), &fault);
    theirs = ends[1];
    if (!add_client(client->serving, ends[0], slice_part(body, 16, body.len), types, false,
                    &fault))
        return client_answer_fault(client, ledger_get_u64(body.at), &fault);
    memcpy(done + 1, body.at, 8);
    fds.fd[0] = theirs;
    return message_send(client->socket, slice_of_bytes(done, sizeof(done)), &fds, &fault);
}

/* Somebody needs the folder for itself: to begin a new shard, to move it. */
static bool on_end(struct client *client, struct slice body)
{
    struct serving *serving = client->serving;
    struct fault fault = {0};

    if (body.len != 8)
        return false;
    if (serving->client_count > 1) {
        (void)fault_set(&fault, FAULT_CONFLICT, "%zu other producers are connected",
                        serving->client_count - 1);
        return client_answer_fault(client, ledger_get_u64(body.at), &fault);
    }
    serving->ending = "asked";
    loop_stop(serving->loop); /* which takes no more clients */
    return client_answer_done(client, ledger_get_u64(body.at));
}

/* All that can be asked of this process. What is not here ends the connection. */
static const struct request_rule {
    enum ledger_packet packet;
    bool of_core_only;
    handler *handle;
} rules[] = {
    {LEDGER_RECORD, false, on_record},
    {LEDGER_RECORD_DURABLY, false, on_record_durably},
    {LEDGER_CHECKPOINT, false, on_checkpoint},
    {LEDGER_PRODUCER, true, on_producer},
    {LEDGER_END, true, on_end},
};

static bool dispatch(struct client *client, struct slice packet)
{
    for (size_t i = 0; i < COUNT(rules); i++)
        if (packet.at[0] == (uint8_t)rules[i].packet &&
            (client->is_core || !rules[i].of_core_only))
            return rules[i].handle(client, slice_part(packet, 1, packet.len));
    return false;
}

static void on_client(void *self, uint32_t events)
{
    struct client *client = self;
    struct serving *serving = client->serving;

    (void)events;
    for (int i = 0; i < PACKETS_AT_ONCE && !serving->failed; i++) {
        ssize_t got =
            recv(client->socket, serving->packet, MESSAGE_BYTES_MAX, MSG_DONTWAIT | MSG_TRUNC);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == EAGAIN)
            break;
        if (got <= 0 || got > MESSAGE_BYTES_MAX ||
            !dispatch(client, slice_of_bytes(serving->packet, (size_t)got))) {
            client_drop(client);
            break;
        }
    }
    if (ledger_writer_has_unpublished(serving->writer))
        serving_checkpoint_soon(serving, false);
}

/* What every client has sent so far is in the commit that begins now. */
void clients_expect_acks(struct serving *serving)
{
    for (struct client *client = serving->clients; client != NULL; client = client->next) {
        client->awaits_ack |= client->wants_ack;
        client->wants_ack = false;
        client->ack = place_of(client);
    }
}

void clients_acknowledge(struct serving *serving)
{
    for (struct client *client = serving->clients, *next; client != NULL; client = next) {
        bool awaited = client->awaits_ack;

        next = client->next;
        client->awaits_ack = false;
        if (awaited && !answer_records(client, LEDGER_ACK, client->ack, SLICE("")))
            client_drop(client);
    }
}

/* Only the user that the daemon runs as, and root, may write to its ledger. */
static bool peer_is_allowed(int socket, pid_t *ret_pid)
{
    struct ucred peer;
    socklen_t len = sizeof(peer);

    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0 || len != sizeof(peer))
        return false;
    *ret_pid = peer.pid;
    return peer.uid == geteuid() || peer.uid == 0;
}

void clients_on_listener(void *self, uint32_t events)
{
    struct serving *serving = self;

    (void)events;
    for (;;) {
        AUTO_CLOSE int socket =
            accept4(serving->daemon->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        AUTO_FREE char *name = NULL;
        struct fault ignored = {0};
        pid_t pid;

        if (socket < 0 && (errno == EINTR || errno == ECONNABORTED))
            continue;
        if (socket < 0)
            return;
        if (!peer_is_allowed(socket, &pid))
            continue;
        name = xformat("core/%d", (int)pid);
        /* A failure closes the socket, and the peer sees that. */
        if (!add_client(serving, take_fd(&socket), slice_of(name), ledger_writer_types(), true,
                        &ignored))
            continue;
    }
}
