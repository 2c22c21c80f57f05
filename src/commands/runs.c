/* runs, show, stop, runs gc: what ran, what it did, and the kill switch. */
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/scope.h"
#include "commands/runs.h"
#include "commands/table.h"
#include "flow/flow.h"
#include "flow/run_folder.h"
#include "os/clock_real.h"
#include "os/file.h"
#include "roles/records/build_caches.h"
#include "roles/records/erase.h"
#include "roles/records/lost.h"
#include "roles/session.h"
#include "roles/toolchain/images.h"

#define STOP_TRIES 300 /* longer than a cell is waited for (CELL_END_MS) */
#define STOP_PAUSE_NS 100000000

json_t *run_json(const struct store_run *run)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I}",
                     "run", run->id, "repository", run->repository, "base", run->base,
                     "branch", run->branch, "state", run->state, "requester", run->requester,
                     "agent", run->agent, "policy", run->policy, "reasons", run->reasons,
                     "started_us", (json_int_t)run->started_us, "ended_us",
                     (json_int_t)run->ended_us, "tokens", (json_int_t)run->tokens,
                     "cost_micro_usd", (json_int_t)run->cost_micro_usd);
}

struct listing {
    json_t *rows; /* NULL: text */
};

static bool list_run(void *self, const struct store_run *run, struct fault *fault)
{
    struct listing *listing = self;
    char started[CLOCK_TEXT_BYTES];

    (void)fault;
    if (listing->rows != NULL) {
        (void)json_array_append_new(listing->rows, run_json(run));
        return true;
    }
    clock_text(run->started_us, started);
    (void)printf("%-24s %.19sZ  %-10s %-12s %s\n", run->id, started, run->state,
                 run->requester, run->repository);
    return true;
}

static int run_runs(const struct invocation *invocation)
{
    struct listing listing = {.rows = invocation->json ? json_array() : NULL};
    struct session session;
    struct store *store;
    struct fault fault = {0};
    size_t count = 0;
    bool ok;

    if (!session_open(&session, &fault))
        return command_fail(invocation, &fault);
    ok = session_store(&session, &store, &fault) &&
         store_runs(store, NULL, list_run, &listing, &count, &fault);
    session_close(&session);
    if (!ok) {
        json_decref(listing.rows);
        return command_fail(invocation, &fault);
    }
    if (listing.rows != NULL)
        command_print_json(listing.rows);
    else if (count == 0)
        (void)puts("no runs yet");
    return EXIT_YES;
}

const struct command command_runs = {
    .name = "runs",
    .arguments = "",
    .prints_json = true,
    .summary = "Lists runs, newest first",
    .run = run_runs,
};

struct stopping {
    char id[STORE_ID_BYTES];
    pid_t pid;
};

static bool find_pid(void *self, const struct store_run *run, struct fault *fault)
{
    struct stopping *stopping = self;

    (void)fault;
    (void)snprintf(stopping->id, sizeof(stopping->id), "%s", run->id);
    stopping->pid = (pid_t)run->pid;
    return true;
}

/* The lock says that it is that very process that still runs: a pid alone may be somebody
 * else's. */
static bool stop_run(int runs, const struct stopping *stopping, struct fault *fault)
{
    const struct timespec pause = {.tv_nsec = STOP_PAUSE_NS};
    AUTO_CLOSE int pidfd = -1;

    if (stopping->pid <= 0 || !run_folder_is_alive(runs, stopping->id))
        return fault_set(fault, FAULT_CONFLICT, "run %s has ended already", stopping->id);
    pidfd = (int)syscall(SYS_pidfd_open, stopping->pid, 0);
    if (pidfd < 0 || !run_folder_is_alive(runs, stopping->id))
        return fault_set(fault, FAULT_CONFLICT, "run %s has ended already", stopping->id);
    if (syscall(SYS_pidfd_send_signal, pidfd, SIGTERM, NULL, 0) < 0)
        return fault_errno(fault, "stop run %s", stopping->id);
    for (int i = 0; i < STOP_TRIES; i++) {
        if (!run_folder_is_alive(runs, stopping->id))
            return true;
        (void)nanosleep(&pause, NULL);
    }
    (void)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
    return fault_set(fault, FAULT_IO,
                     "run %s did not end in 30 s and was killed; its last record is missing",
                     stopping->id);
}

static int run_stop(const struct invocation *invocation)
{
    AUTO_CLOSE int runs = -1;
    struct stopping stopping = {.pid = -1};
    struct session session;
    struct store *store;
    struct fault fault = {0};
    size_t count = 0;
    bool ok;

    if (!session_open(&session, &fault))
        return command_fail(invocation, &fault);
    ok = session_store(&session, &store, &fault) &&
         store_runs(store, invocation->arguments[0], find_pid, &stopping, &count, &fault) &&
         file_open_folder(session.home.fd, "runs", 0711, &runs, &fault);
    session_close(&session);
    if (ok && count == 0)
        ok = fault_set(&fault, FAULT_MISSING, "there is no run %s", invocation->arguments[0]);
    if (!ok || !stop_run(runs, &stopping, &fault))
        return command_fail(invocation, &fault);
    if (invocation->json)
        command_print_json(json_pack("{s:s, s:s}", "run", stopping.id, "state", "stopped"));
    else
        (void)printf("%s is stopped\n", stopping.id);
    return EXIT_YES;
}

const struct command command_stop = {
    .name = "stop",
    .arguments = "RUN",
    .arguments_min = 1,
    .arguments_max = 1,
    .prints_json = true,
    .summary = "Kills a run: the cell and all in it are gone when this returns",
    .run = run_stop,
};

static const struct option_rule gc_options[] = {
    {"caches", NULL,
     "remove every build cache and unpacked image that no run holds, not only those long "
     "unused"},
    {0},
};

static void list_cache(void *self, const struct build_cache_seen *seen)
{
    char used[CLOCK_TEXT_BYTES];

    clock_text(seen->used_us, used);
    (void)json_array_append_new(self,
                                json_pack("{s:s,s:s,s:s,s:b,s:b}", "repository",
                                          seen->repository, "role", seen->role, "used", used,
                                          "held", seen->is_held, "removed", seen->is_removed));
}

static void print_caches(const json_t *caches)
{
    const json_t *cache;
    size_t i;

    json_array_foreach(caches, i, cache)(void)
        printf("build cache of %s, role %s, last used %.19sZ: %s\n",
               json_string_value(json_object_get(cache, "repository")),
               json_string_value(json_object_get(cache, "role")),
               json_string_value(json_object_get(cache, "used")),
               json_is_true(json_object_get(cache, "removed")) ? "removed"
               : json_is_true(json_object_get(cache, "held"))  ? "a run has it"
                                                               : "kept");
}

static int run_gc(const struct invocation *invocation)
{
    struct session session;
    struct fault fault = {0};
    size_t removed = 0, expired = 0, returned = 0, images = 0;
    int64_t now_us = clock_now_us(&clock_real);
    bool all = invocation_option(invocation, "caches") != NULL;
    json_t *caches;
    bool ok;

    if (!session_open(&session, &fault))
        return command_fail(invocation, &fault);
    caches = json_array();
    ok = lost_sweep(&session, &removed, &fault) && erase_resume(&session, &fault) &&
         erase_returned(&session, &returned, &fault) &&
         erase_expired(&session, &expired, &fault) &&
         build_caches_sweep(session.home.fd, all, now_us, list_cache, caches, &fault) &&
         images_sweep(session.home.fd, all, now_us, &images, &fault);
    session_close(&session);
    if (!ok) {
        json_decref(caches);
        return command_fail(invocation, &fault);
    }
    if (invocation->json) {
        command_print_json(json_pack("{s:I,s:I,s:I,s:o}", "removed", (json_int_t)removed,
                                     "erased", (json_int_t)(expired + returned), "images",
                                     (json_int_t)images, "caches", caches));
        return EXIT_YES;
    }
    (void)printf("%zu folders of killed runs removed, %zu runs' payloads erased\n", removed,
                 expired + returned);
    if (images > 0)
        (void)printf("%zu unpacked images removed\n", images);
    print_caches(caches);
    json_decref(caches);
    return EXIT_YES;
}

const struct command command_runs_gc = {
    .name = "runs gc",
    .arguments = "",
    .prints_json = true,
    .summary = "Clears up: runs that were killed, payloads, caches and images that are due",
    .text = "Records the end of runs that were killed and removes what they have left on disk, "
            "erases payloads that were\n"
            "kept long enough (retention.payloads), and lists build caches; those unused for "
            "30 days go, and so do\nunpacked images (toolchain).",
    .options = gc_options,
    .run = run_gc,
};
