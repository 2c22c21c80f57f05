/*
 * relay - carries checkpoints to witnesses and cosignatures back.
 *
 *   user       who started the ledger       network    the witnesses of policy.yaml
 *   may read   ledger/, certificates        may write  ledger/
 *   holds      nothing                      talks to   witnesses; the ledger, of what they
 *                                                      refused
 *
 * One checkpoint an interval goes to all of them, so that they sign the same one. The shard
 * before this one ended after its last round: its last checkpoint goes to them, too.
 */
#include "roles/witness/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/scope.h"
#include "ledger/checkpoint.h"
#include "ledger/ledger.h"
#include "ledger/shards.h"
#include "ledger/tile.h"
#include "os/clock_real.h"
#include "os/file.h"
#include "os/isolate.h"
#include "roles/ledger_role/ledger.h"
#include "roles/ledger_role/policy.h"
#include "roles/witness/report.h"
#include "roles/witness/status.h"
#include "wire/url.h"

#define INTERVAL_MS 10000
#define INTERVAL_MS_MAX 3600000
#define VKEY_BYTES_MAX 4096

struct relay {
    const struct witness_relay *given;
    int folder; /* ledger/ */
    int hears;  /* takes reports; -1: nobody does, of a closed shard */
    struct note_key *log;
    struct witness_peer *peers;
    enum witness_outcome *outcomes; /* of each peer in the last round */
    int64_t *last_us;               /* when each last cosigned; 0: never */
    bool *told;                     /* the ledger has a record of it */
    size_t count, required;
    struct tree_hash last_root; /* of the last round */
    bool has_last, last_is_complete;
};

static int interval_ms(void)
{
    const char *text = getenv("CUSTODY_WITNESS_INTERVAL_MS");
    long ms = text == NULL ? INTERVAL_MS : strtol(text, NULL, 10);

    return (int)(ms < 1 || ms > INTERVAL_MS_MAX ? INTERVAL_MS : ms);
}

/* ---- set up ---- */

static bool take_peers(struct relay *relay, const struct policy *policy, struct fault *fault)
{
    relay->peers = xalloc_array(policy->witness_count + 1, sizeof(*relay->peers));
    relay->outcomes = xalloc_array(policy->witness_count + 1, sizeof(*relay->outcomes));
    relay->last_us = xalloc_array(policy->witness_count + 1, sizeof(*relay->last_us));
    relay->told = xalloc_array(policy->witness_count + 1, sizeof(*relay->told));
    relay->required = (size_t)policy->witnesses_required;
    for (size_t i = 0; i < policy->witness_count; i++) {
        struct witness_peer *peer = &relay->peers[relay->count++];

        peer->url = xstrdup(policy->witnesses[i].url);
        relay->outcomes[i] = WITNESS_SILENT;
        if (!cosignature_key_parse(slice_trim(slice_of(policy->witnesses[i].key)), &peer->key,
                                   fault))
            return fault_in(fault, "policy.yaml: ledger.witnesses[%zu]", i);
    }
    return true;
}

static bool read_log_key(struct relay *relay, int folder, const char *name,
                         struct fault *fault)
{
    AUTO_BUF struct buf vkey = buf_with_limit(VKEY_BYTES_MAX);

    return file_read(folder, name, &vkey, fault) &&
           note_key_parse(slice_trim(buf_slice(&vkey)), &relay->log, fault);
}

/* Are all the records of this shard under a checkpoint that was cosigned? */
static bool is_cosigned(const struct relay *relay, uint64_t size)
{
    AUTO_BUF struct buf bytes = buf_with_limit(NOTE_BYTES_MAX);
    struct checkpoint cosigned;
    struct fault ignored = {0};

    return file_read(relay->folder, "checkpoint.cosigned", &bytes, &ignored) &&
           checkpoint_open(buf_slice(&bytes), relay->log, &cosigned, &ignored) &&
           cosigned.size == size;
}

/* The shard before this one, if its end was not cosigned; else it is left without peers. */
static bool find_closed(struct relay *closed, const struct policy *policy, struct fault *fault)
{
    struct shard_list list;
    const struct shard *last;
    bool ok = true;

    if (!shards_open(closed->given->home_fd, &list, fault))
        return false;
    last = list.count < 2 ? NULL : &list.at[list.count - 2];
    if (last != NULL && file_exists(last->folder, "vkey")) {
        closed->folder = fcntl(last->folder, F_DUPFD_CLOEXEC, 3);
        ok = closed->folder >= 0 ? read_log_key(closed, closed->folder, "vkey", fault)
                                 : fault_errno(fault, "open the shard before");
        if (ok && !is_cosigned(closed, last->size))
            ok = take_peers(closed, policy, fault);
    }
    shards_close(&list);
    return ok;
}

/* The relay of the daemon before may be in its last round: it is over soon. */
static bool take_turn(struct relay *relay, int *ret_lock, struct fault *fault)
{
    AUTO_CLOSE int lock = openat(relay->folder, "state/relay.lock",
                                 O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (lock < 0)
        return fault_errno(fault, "open relay.lock");
    while (flock(lock, LOCK_EX) < 0)
        if (errno != EINTR)
            return fault_errno(fault, "lock relay.lock");
    *ret_lock = take_fd(&lock);
    return true;
}

static bool isolate(const struct relay *relay, const struct relay *closed, struct fault *fault)
{
    int other = closed->folder >= 0 ? closed->folder : relay->folder;
    struct isolate_path paths[] = {
        {.fd = relay->folder, .access = ISOLATE_READ | ISOLATE_WRITE},
        {.fd = other, .access = ISOLATE_READ | ISOLATE_WRITE},
        {.path = "/etc", .access = ISOLATE_READ},
        {.path = "/usr", .access = ISOLATE_READ | ISOLATE_EXECUTE},
        {.path = "/lib", .access = ISOLATE_READ | ISOLATE_EXECUTE, .optional = true},
        {.path = "/lib64", .access = ISOLATE_READ | ISOLATE_EXECUTE, .optional = true},
        {.path = "/run/systemd/resolve", .access = ISOLATE_READ, .optional = true},
        {.path = "/run/resolvconf", .access = ISOLATE_READ, .optional = true},
        {.path = "/dev/urandom", .access = ISOLATE_READ, .optional = true},
    };

    /* Landlock's first version forbids the rename that puts a file in place. */
    if (isolate_landlock_abi() >= 2 &&
        !isolate_files(paths, COUNT(paths), ISOLATE_ABI_KERNEL, NULL, fault))
        return false;
    return isolate_syscalls(ISOLATE_GATEWAY, fault);
}

/* ---- a round ---- */

struct round {
    struct buf note;     /* text and the log's own line */
    struct buf cosigned; /* the same, and what came */
    int64_t read_us;     /* monotonic */
    struct checkpoint checkpoint;
    size_t good;
};

static void write_status(const struct relay *relay, const struct round *round)
{
    AUTO_FREE struct witness_status *status = xalloc_array(relay->count + 1, sizeof(*status));
    struct fault ignored = {0};

    for (size_t i = 0; i < relay->count; i++)
        status[i] = (struct witness_status){
            .peer = &relay->peers[i],
            .size = relay->outcomes[i] == WITNESS_COSIGNED ? round->checkpoint.size
                                                           : relay->peers[i].known,
            .outcome = relay->outcomes[i],
            .last_us = relay->last_us[i],
        };
    if (!witness_status_write(relay->folder, status, relay->count, &ignored))
        return; /* the next round writes it again */
}

/* One that is lost is followed by the next round's. */
static void report(const struct relay *relay, const struct round *round, bool stored)
{
    struct witness_report report = {
        .size = round->checkpoint.size,
        .read_us = round->read_us,
        .is_cosigned = stored,
    };

    for (size_t i = 0; i < relay->count && i < WITNESS_REPORT_MAX; i++) {
        report.witness[i].has_cosigned = relay->outcomes[i] == WITNESS_COSIGNED;
        report.witness[i].last_us = relay->last_us[i];
    }
    if (relay->hears >= 0)
        (void)send(relay->hears, &report, sizeof(report), MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* What a witness will not follow is a record, once: somebody must look at it. */
static void tell_ledger(struct relay *relay, size_t index, const struct round *round)
{
    static const char *const reasons[] = {
        [WITNESS_AHEAD] = "witness-ahead", [WITNESS_REFUSED] = "witness-refused"};
    struct ledger_client *ledger;
    struct fault ignored = {0};
    struct record record;
    int socket;

    if (relay->told[index] ||
        !ledger_connect_running(relay->given->home_fd, &socket, &ignored))
        return;
    ledger = ledger_client_new(socket);
    record_begin(&record, RECORD_REFUSED);
    record_word(&record, RECORD_REASON, reasons[relay->outcomes[index]]);
    record_word(&record, RECORD_MECHANISM, "witness");
    record_text(&record, RECORD_HOST, slice_of(cosignature_key_name(relay->peers[index].key)));
    record_number(&record, RECORD_SIZE, (int64_t)round->checkpoint.size);
    relay->told[index] = ledger_record_durably(ledger, &record, NULL, &ignored);
    ledger_client_free(ledger);
}

/* Lines of others that stand in the checkpoint are not given on. */
static bool begin_round(struct relay *relay, struct round *round)
{
    AUTO_BUF struct buf bytes = buf_with_limit(NOTE_BYTES_MAX);
    struct fault ignored = {0};
    struct note note;

    round->read_us = clock_monotonic_us(&clock_real);
    if (!file_read(relay->folder, "checkpoint", &bytes, &ignored) ||
        !buf_add(&round->note, buf_slice(&bytes), &ignored) ||
        !checkpoint_open(buf_slice(&round->note), relay->log, &round->checkpoint, &ignored) ||
        !note_parse(buf_slice(&round->note), &note, &ignored) || note.signature_count != 1 ||
        round->checkpoint.size == 0)
        return false;
    return buf_add(&round->cosigned, buf_slice(&round->note), &ignored);
}

static void ask_all(struct relay *relay, struct round *round)
{
    struct tile_source tiles = {.folder = relay->folder, .size = round->checkpoint.size};
    struct tree_source source = tile_source(&tiles);

    for (size_t i = 0; i < relay->count; i++) {
        relay->outcomes[i] = witness_ask(&relay->peers[i], buf_slice(&round->note),
                                         round->checkpoint.size, &source, &round->cosigned);
        if (relay->outcomes[i] != WITNESS_COSIGNED)
            continue;
        relay->last_us[i] = clock_now_us(&clock_real);
        round->good++;
    }
}

static bool is_done(const struct relay *relay, const struct round *round)
{
    return relay->has_last && relay->last_is_complete &&
           tree_hash_equal(&relay->last_root, &round->checkpoint.root);
}

static void finish_round(struct relay *relay, struct round *round)
{
    size_t needed = relay->required > 0 ? relay->required : 1;
    struct fault ignored = {0};
    bool stored = round->good >= needed &&
                  file_replace_durably(relay->folder, "checkpoint.cosigned",
                                       buf_slice(&round->cosigned), 0644, &ignored);

    relay->last_root = round->checkpoint.root;
    relay->has_last = true;
    relay->last_is_complete = stored && round->good == relay->count;
    write_status(relay, round);
    report(relay, round, stored);
    for (size_t i = 0; i < relay->count; i++)
        if (relay->outcomes[i] == WITNESS_AHEAD || relay->outcomes[i] == WITNESS_REFUSED)
            tell_ledger(relay, i, round);
}

static void run_round(struct relay *relay)
{
    struct round round = {.note = buf_with_limit(NOTE_BYTES_MAX),
                          .cosigned = buf_with_limit(NOTE_BYTES_MAX)};

    if (begin_round(relay, &round) && !is_done(relay, &round)) {
        ask_all(relay, &round);
        finish_round(relay, &round);
    }
    buf_free(&round.note);
    buf_free(&round.cosigned);
}

/* True: the daemon has ended; what it has published is all there will be. */
static bool wait_for_end(const struct relay *relay, int timeout_ms)
{
    struct pollfd ending = {.fd = relay->given->daemon, .events = POLLIN};

    return poll(&ending, 1, timeout_ms) > 0;
}

static bool set_up(struct relay *relay, struct relay *closed, int *ret_lock,
                   struct fault *fault)
{
    struct policy *policy = NULL;
    bool ok;

    if (!ledger_policy(relay->given->home_fd, &policy, fault))
        return false;
    ok = take_peers(relay, policy, fault) &&
         (relay->count == 0 || find_closed(closed, policy, fault));
    policy_free(policy);
    if (!ok || relay->count == 0)
        return ok;
    if (!read_log_key(relay, relay->given->home_fd, "keys/ledger.vkey", fault) ||
        !file_open_folder(relay->given->home_fd, "ledger", 0755, &relay->folder, fault) ||
        !take_turn(relay, ret_lock, fault))
        return false;
    for (size_t i = 0; i < relay->count; i++)
        relay->last_us[i] = witness_status_last(
            relay->folder, slice_of(cosignature_key_name(relay->peers[i].key)));
    return isolate(relay, closed, fault);
}

static void tear_down(struct relay *relay)
{
    for (size_t i = 0; i < relay->count; i++) {
        cosignature_key_free(relay->peers[i].key);
        free(relay->peers[i].url);
    }
    free(relay->peers);
    free(relay->outcomes);
    free(relay->last_us);
    free(relay->told);
    note_key_free(relay->log);
    scope_close(&relay->folder);
}

/* For whoever asks why nothing is cosigned: there is no terminal to tell it to. */
static void leave_words(struct relay *relay, const struct fault *fault)
{
    struct fault ignored = {0};

    if ((relay->folder >= 0 ||
         file_open_folder(relay->given->home_fd, "ledger", 0755, &relay->folder, &ignored)) &&
        !witness_status_write_fault(relay->folder, fault, &ignored))
        return;
}

int witness_relay_serve(const struct witness_relay *given)
{
    struct relay relay = {.given = given, .folder = -1, .hears = given->daemon};
    struct relay closed = {.given = given, .folder = -1, .hears = -1};
    AUTO_CLOSE int lock = -1;
    struct fault fault = {0};
    bool ok = set_up(&relay, &closed, &lock, &fault);
    bool ended = !ok || relay.count == 0;

    while (!ended) {
        ended = wait_for_end(&relay, relay.has_last ? interval_ms() : 100);
        if (closed.count > 0 && !closed.last_is_complete)
            run_round(&closed);
        run_round(&relay);
    }
    if (!ok)
        leave_words(&relay, &fault);
    tear_down(&relay);
    tear_down(&closed);
    return ok ? 0 : 1;
}
