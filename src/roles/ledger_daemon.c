#include "roles/ledger_daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/scope.h"
#include "ledger/protocol.h"
#include "os/loop.h"
#include "os/message.h"
#include "roles/ledger_relay.h"

#define PACKETS_AT_ONCE 64 /* of one producer, before the others get their turn */
#define BATCH_BYTES (256 * 1024)
#define BATCH_US 2000 /* how long a record waits whose producer does not */
#define CHECKPOINT_US 1000000
#define HEARTBEAT_US 60000000
#define LOOK_US 1000000 /* at the disk */
#define OVERLAP_BYTES                                                                         \
    (32 * 1024)      /* a smaller batch is written before anything else: that is quicker */
#define DISK_US 1000 /* how soon to ask again how far the disk is, where nothing tells */
#define FIRST_CLIENT_US 2000000 /* whoever started it is about to connect */

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

static void on_commit_due(void *self);
static void on_checkpoint_due(void *self);
static void on_work_due(void *self);
static void on_linger_due(void *self);
static void on_heartbeat_due(void *self);
static void on_look_due(void *self);
static void on_client(void *self, uint32_t events);

/* The log cannot go on: nothing is acknowledged any more, and the process ends. */
static void fail(struct serving *serving, const struct fault *fault)
{
    if (!serving->failed)
        serving->fault = *fault;
    serving->failed = true;
    loop_stop(serving->loop);
}

static void set_timer(struct serving *serving, struct loop_timer **timer, int64_t delay_us,
                      void (*due)(void *self))
{
    struct fault fault = {0};

    loop_timer_cancel(*timer);
    *timer = NULL;
    if (!loop_timer(serving->loop, delay_us, due, serving, timer, &fault))
        fail(serving, &fault);
}

/* What is queued meanwhile goes into the same commit: the loop reads all sockets before
 * timers. While one is under way the next begins with its end. */
static void commit_soon(struct serving *serving, bool urgent)
{
    if (log_commit_is_under_way(serving->log))
        return;
    urgent |= ledger_writer_batch_bytes(serving->writer) >= BATCH_BYTES;
    if (serving->commit_timer == NULL || (urgent && !serving->commit_is_urgent))
        set_timer(serving, &serving->commit_timer, urgent ? 0 : BATCH_US, on_commit_due);
    serving->commit_is_urgent |= urgent;
}

static void checkpoint_soon(struct serving *serving, bool urgent)
{
    if (serving->checkpoint_timer == NULL || (urgent && !serving->checkpoint_is_urgent))
        set_timer(serving, &serving->checkpoint_timer, urgent ? 0 : CHECKPOINT_US,
                  on_checkpoint_due);
    serving->checkpoint_is_urgent |= urgent;
}

static void drop_client(struct client *client)
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
        set_timer(serving, &serving->linger_timer, serving->daemon->linger_us, on_linger_due);
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

static bool answer_done(struct client *client, uint64_t tag)
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

static bool answer_fault(struct client *client, uint64_t tag, const struct fault *fault)
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

    commit_soon(client->serving, false);
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
        commit_soon(serving, durably);
        return true;
    }
    if (fault.kind == FAULT_DENIED)
        return refuse(client, durably, &fault);
    if (fault.kind != FAULT_INVALID ||
        !ledger_writer_refused(serving->writer, "schema-reject", &fault))
        fail(serving, &fault);
    commit_soon(serving, false);
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
    checkpoint_soon(client->serving, true);
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
        return answer_fault(client, ledger_get_u64(body.at), &fault);
    theirs = ends[1];
    if (!add_client(client->serving, ends[0], slice_part(body, 16, body.len), types, false,
                    &fault))
        return answer_fault(client, ledger_get_u64(body.at), &fault);
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
        return answer_fault(client, ledger_get_u64(body.at), &fault);
    }
    serving->ending = "asked";
    loop_stop(serving->loop); /* which takes no more clients */
    return answer_done(client, ledger_get_u64(body.at));
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
            drop_client(client);
            break;
        }
    }
    if (ledger_writer_has_unpublished(serving->writer))
        checkpoint_soon(serving, false);
}

/* What every client has sent so far is in the commit that begins now. */
static void expect_acks(struct serving *serving)
{
    for (struct client *client = serving->clients; client != NULL; client = client->next) {
        client->awaits_ack |= client->wants_ack;
        client->wants_ack = false;
        client->ack = place_of(client);
    }
}

static void acknowledge(struct serving *serving)
{
    for (struct client *client = serving->clients, *next; client != NULL; client = next) {
        bool awaited = client->awaits_ack;

        next = client->next;
        client->awaits_ack = false;
        if (awaited && !answer_records(client, LEDGER_ACK, client->ack, SLICE("")))
            drop_client(client);
    }
}

/* To its end; nothing is under way any more. */
static bool commit_now(struct serving *serving)
{
    struct fault fault = {0};
    bool done;

    if (log_commit_is_under_way(serving->log)) {
        if (!log_commit_finish(serving->log, true, &done, &fault)) {
            fail(serving, &fault);
            return false;
        }
        acknowledge(serving);
    }
    expect_acks(serving);
    if (!log_commit(serving->log, &fault)) {
        fail(serving, &fault);
        return false;
    }
    acknowledge(serving);
    return true;
}

static bool is_worth_overlapping(const struct serving *serving)
{
    return serving->commit_watch != NULL && (log_batch_bytes(serving->log) >= OVERLAP_BYTES ||
                                             log_checkpoint_is_under_way(serving->log));
}

static void on_commit_due(void *self)
{
    struct serving *serving = self;
    struct fault fault = {0};

    serving->commit_timer = NULL;
    serving->commit_is_urgent = false;
    if (log_commit_is_under_way(serving->log))
        return;
    if (!is_worth_overlapping(serving)) {
        (void)commit_now(serving);
        return;
    }
    expect_acks(serving);
    if (!log_commit_begin(serving->log, &fault))
        fail(serving, &fault);
}

/* The disk has something to tell. What came meanwhile is committed at once. */
static void on_commit_ready(void *self, uint32_t events)
{
    struct serving *serving = self;
    struct fault fault = {0};
    bool done;

    (void)events;
    if (!log_commit_finish(serving->log, false, &done, &fault)) {
        fail(serving, &fault);
        return;
    }
    if (!done)
        return;
    acknowledge(serving);
    if (log_batch_bytes(serving->log) > 0 && !serving->failed)
        commit_soon(serving, true);
}

static void work_soon(struct serving *serving, int64_t delay_us)
{
    if (serving->work_timer == NULL || delay_us == 0)
        set_timer(serving, &serving->work_timer, delay_us, on_work_due);
}

/* Where one is being made, that one comes first. */
static void begin_checkpoint(struct serving *serving)
{
    struct fault fault = {0};

    if (!log_checkpoint_is_under_way(serving->log)) {
        if (!commit_now(serving))
            return;
        for (struct client *client = serving->clients; client != NULL; client = client->next) {
            client->awaits_checkpoint |= client->wants_checkpoint;
            client->wants_checkpoint = false;
        }
        if (!ledger_writer_checkpoint_begin(serving->writer, &fault)) {
            fail(serving, &fault);
            return;
        }
    }
    work_soon(serving, 0);
}

static void on_checkpoint_due(void *self)
{
    struct serving *serving = self;

    serving->checkpoint_timer = NULL;
    serving->checkpoint_is_urgent = false;
    begin_checkpoint(serving);
}

/* The checkpoint is out; or, with a fault, it has to wait. */
static void answer_checkpoint(struct serving *serving, const struct fault *fault)
{
    bool is_wanted = false;

    for (struct client *client = serving->clients, *next; client != NULL; client = next) {
        bool awaited = client->awaits_checkpoint;

        next = client->next;
        client->awaits_checkpoint = false;
        is_wanted |= client->wants_checkpoint;
        if (awaited && !(fault == NULL ? answer_done(client, client->checkpoint_tag)
                                       : answer_fault(client, client->checkpoint_tag, fault)))
            drop_client(client);
    }
    if (fault != NULL)
        checkpoint_soon(serving, false);
    else if (is_wanted)
        checkpoint_soon(serving, true);
    else if (ledger_writer_has_unpublished(serving->writer))
        checkpoint_soon(serving, false);
}

/* A piece of the checkpoint; the sockets get their turn between two. */
static void on_work_due(void *self)
{
    struct serving *serving = self;
    struct fault fault = {0};
    enum log_work work;

    serving->work_timer = NULL;
    if (!ledger_writer_work(serving->writer, &work, &fault)) {
        if (fault.kind == FAULT_LIMIT)
            answer_checkpoint(serving, &fault);
        else
            fail(serving, &fault);
    } else if (work == LOG_WORK_NONE) {
        answer_checkpoint(serving, NULL);
    } else {
        work_soon(serving, work == LOG_WORK_MORE ? 0 : DISK_US);
    }
}

static void on_work_ready(void *self, uint32_t events)
{
    (void)events;
    work_soon(self, 0);
}

static void on_heartbeat_due(void *self)
{
    struct serving *serving = self;
    struct fault fault = {0};

    serving->heartbeat_timer = NULL;
    if (!ledger_writer_heartbeat(serving->writer, &fault)) {
        fail(serving, &fault);
        return;
    }
    commit_soon(serving, false);
    checkpoint_soon(serving, false);
    set_timer(serving, &serving->heartbeat_timer, HEARTBEAT_US, on_heartbeat_due);
}

/* Without its file the lock keeps nobody out: two would write. */
static bool is_locked(const struct serving *serving, struct fault *fault)
{
    struct statx about;

    return (statx(serving->daemon->lock, "", AT_EMPTY_PATH, STATX_NLINK, &about) == 0 &&
            about.stx_nlink > 0) ||
           fault_set(fault, FAULT_IO, "the ledger's lock was removed");
}

/* At lock, disk and witnesses. */
static void look(struct serving *serving)
{
    struct fault fault = {0};

    if (!is_locked(serving, &fault) || !ledger_writer_look(serving->writer, &fault)) {
        fail(serving, &fault);
        return;
    }
    if (ledger_writer_batch_bytes(serving->writer) > 0)
        commit_soon(serving, false);
    if (ledger_writer_has_unpublished(serving->writer))
        checkpoint_soon(serving, false);
}

static void on_look_due(void *self)
{
    struct serving *serving = self;

    serving->look_timer = NULL;
    look(serving);
    if (!serving->failed)
        set_timer(serving, &serving->look_timer, LOOK_US, on_look_due);
}

static void on_relay(void *self, uint32_t events)
{
    struct serving *serving = self;

    (void)events;
    if (!ledger_relay_take(serving->daemon->relay, serving->daemon->quorum)) {
        loop_unwatch(serving->relay_watch);
        serving->relay_watch = NULL;
    }
    look(serving);
}

static void on_linger_due(void *self)
{
    struct serving *serving = self;

    serving->linger_timer = NULL;
    serving->ending = "idle";
    loop_stop(serving->loop);
}

static void on_signal(void *self, uint32_t events)
{
    struct serving *serving = self;

    (void)events;
    serving->ending = "signal";
    loop_stop(serving->loop);
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

static void on_listener(void *self, uint32_t events)
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

/* -1: there is nothing to watch. */
static bool watch_some(struct serving *serving, int fd,
                       void (*ready)(void *self, uint32_t events),
                       struct loop_watch **ret_watch, struct fault *fault)
{
    return fd < 0 || loop_watch(serving->loop, fd, EPOLLIN, ready, serving, ret_watch, fault);
}

static bool serve(struct serving *serving, struct fault *fault)
{
    struct loop_watch *listener, *signals;

    int relay = serving->daemon->quorum == NULL ? -1 : serving->daemon->relay;

    if (!watch_some(serving, log_commit_ready(serving->log), on_commit_ready,
                    &serving->commit_watch, fault) ||
        !watch_some(serving, log_work_ready(serving->log), on_work_ready, &serving->work_watch,
                    fault) ||
        !watch_some(serving, relay, on_relay, &serving->relay_watch, fault) ||
        !loop_watch(serving->loop, serving->daemon->listener, EPOLLIN, on_listener, serving,
                    &listener, fault) ||
        !loop_watch(serving->loop, serving->daemon->signals, EPOLLIN, on_signal, serving,
                    &signals, fault))
        return false;
    set_timer(serving, &serving->linger_timer,
              serving->daemon->linger_us > FIRST_CLIENT_US ? serving->daemon->linger_us
                                                           : FIRST_CLIENT_US,
              on_linger_due);
    set_timer(serving, &serving->heartbeat_timer, HEARTBEAT_US, on_heartbeat_due);
    set_timer(serving, &serving->look_timer, LOOK_US, on_look_due);
    checkpoint_soon(serving, false);
    if (!serving->failed && !loop_run(serving->loop, fault))
        return false;
    loop_unwatch(listener);
    loop_unwatch(signals);
    loop_unwatch(serving->commit_watch);
    loop_unwatch(serving->work_watch);
    loop_unwatch(serving->relay_watch);
    if (serving->failed)
        *fault = serving->fault;
    return !serving->failed;
}

bool ledger_daemon_serve(const struct ledger_daemon *daemon, struct fault *fault)
{
    struct serving serving = {.daemon = daemon,
                              .writer = daemon->writer,
                              .log = ledger_writer_log(daemon->writer),
                              .ending = "stopped"};
    bool ok;

    if (!loop_new(&serving.loop, fault))
        return false;
    serving.packet = xalloc(MESSAGE_BYTES_MAX);
    ok = serve(&serving, fault) && ledger_writer_end(daemon->writer, serving.ending, fault);
    while (serving.clients != NULL)
        drop_client(serving.clients);
    loop_free(serving.loop);
    free(serving.packet);
    return ok;
}
