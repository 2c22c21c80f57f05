#include "roles/ledger_role/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/scope.h"
#include "os/message.h"
#include "roles/ledger_role/relay.h"
#include "roles/ledger_role/serving.h"

#define BATCH_BYTES (256 * 1024)
#define BATCH_US 2000 /* how long a record waits whose producer does not */
#define CHECKPOINT_US 1000000
#define HEARTBEAT_US 60000000
#define LOOK_US 1000000 /* at the disk */
#define OVERLAP_BYTES                                                                         \
    (32 * 1024)      /* a smaller batch is written before anything else: that is quicker */
#define DISK_US 1000 /* how soon to ask again how far the disk is, where nothing tells */
#define FIRST_CLIENT_US 2000000 /* whoever started it is about to connect */

static void on_commit_due(void *self);
static void on_checkpoint_due(void *self);
static void on_work_due(void *self);
static void on_linger_due(void *self);
static void on_heartbeat_due(void *self);
static void on_look_due(void *self);

void serving_fail(struct serving *serving, const struct fault *fault)
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
        serving_fail(serving, &fault);
}

/* What is queued meanwhile goes into the same commit: the loop reads all sockets before
 * timers. While one is under way the next begins with its end. */
void serving_commit_soon(struct serving *serving, bool urgent)
{
    if (log_commit_is_under_way(serving->log))
        return;
    urgent |= ledger_writer_batch_bytes(serving->writer) >= BATCH_BYTES;
    if (serving->commit_timer == NULL || (urgent && !serving->commit_is_urgent))
        set_timer(serving, &serving->commit_timer, urgent ? 0 : BATCH_US, on_commit_due);
    serving->commit_is_urgent |= urgent;
}

void serving_checkpoint_soon(struct serving *serving, bool urgent)
{
    if (serving->checkpoint_timer == NULL || (urgent && !serving->checkpoint_is_urgent))
        set_timer(serving, &serving->checkpoint_timer, urgent ? 0 : CHECKPOINT_US,
                  on_checkpoint_due);
    serving->checkpoint_is_urgent |= urgent;
}

/* To its end; nothing is under way any more. */
static bool commit_now(struct serving *serving)
{
    struct fault fault = {0};
    bool done;

    if (log_commit_is_under_way(serving->log)) {
        if (!log_commit_finish(serving->log, true, &done, &fault)) {
            serving_fail(serving, &fault);
            return false;
        }
        clients_acknowledge(serving);
    }
    clients_expect_acks(serving);
    if (!log_commit(serving->log, &fault)) {
        serving_fail(serving, &fault);
        return false;
    }
    clients_acknowledge(serving);
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
    clients_expect_acks(serving);
    if (!log_commit_begin(serving->log, &fault))
        serving_fail(serving, &fault);
}

/* The disk has something to tell. What came meanwhile is committed at once. */
static void on_commit_ready(void *self, uint32_t events)
{
    struct serving *serving = self;
    struct fault fault = {0};
    bool done;

    (void)events;
    if (!log_commit_finish(serving->log, false, &done, &fault)) {
        serving_fail(serving, &fault);
        return;
    }
    if (!done)
        return;
    clients_acknowledge(serving);
    if (log_batch_bytes(serving->log) > 0 && !serving->failed)
        serving_commit_soon(serving, true);
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
            serving_fail(serving, &fault);
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
        if (awaited &&
            !(fault == NULL ? client_answer_done(client, client->checkpoint_tag)
                            : client_answer_fault(client, client->checkpoint_tag, fault)))
            client_drop(client);
    }
    if (fault != NULL)
        serving_checkpoint_soon(serving, false);
    else if (is_wanted)
        serving_checkpoint_soon(serving, true);
    else if (ledger_writer_has_unpublished(serving->writer))
        serving_checkpoint_soon(serving, false);
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
            serving_fail(serving, &fault);
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
        serving_fail(serving, &fault);
        return;
    }
    serving_commit_soon(serving, false);
    serving_checkpoint_soon(serving, false);
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
        serving_fail(serving, &fault);
        return;
    }
    if (ledger_writer_batch_bytes(serving->writer) > 0)
        serving_commit_soon(serving, false);
    if (ledger_writer_has_unpublished(serving->writer))
        serving_checkpoint_soon(serving, false);
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

void serving_linger(struct serving *serving)
{
    set_timer(serving, &serving->linger_timer, serving->daemon->linger_us, on_linger_due);
}

static void on_signal(void *self, uint32_t events)
{
    struct serving *serving = self;

    (void)events;
    serving->ending = "signal";
    loop_stop(serving->loop);
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
        !loop_watch(serving->loop, serving->daemon->listener, EPOLLIN, clients_on_listener,
                    serving, &listener, fault) ||
        !loop_watch(serving->loop, serving->daemon->signals, EPOLLIN, on_signal, serving,
                    &signals, fault))
        return false;
    set_timer(serving, &serving->linger_timer,
              serving->daemon->linger_us > FIRST_CLIENT_US ? serving->daemon->linger_us
                                                           : FIRST_CLIENT_US,
              on_linger_due);
    set_timer(serving, &serving->heartbeat_timer, HEARTBEAT_US, on_heartbeat_due);
    set_timer(serving, &serving->look_timer, LOOK_US, on_look_due);
    serving_checkpoint_soon(serving, false);
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
        client_drop(serving.clients);
    loop_free(serving.loop);
    free(serving.packet);
    return ok;
}
