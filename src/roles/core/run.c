/*
 * core - runs one agent from request to change.
 *
 *   user       the caller's               network    none
 *   may read   the state folder           may write  the same
 *   holds      nothing secret but the run's surrogate key
 *   talks to   ledger, collect, view, door, gateway, cell (each by a descriptor of its own)
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "agent/prompt.h"
#include "base/scope.h"
#include "base/utf8.h"
#include "flow/run_folder.h"
#include "os/clock_real.h"
#include "os/file.h"
#include "os/message.h"
#include "roles/core/build_cache.h"
#include "roles/core/parts.h"
#include "roles/core/shared.h"

void run_say(const struct run *run, const char *format, ...)
{
    char line[600];
    va_list args;

    if (run->request->say == NULL)
        return;
    va_start(args, format);
    (void)vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    utf8_tame(line);
    run->request->say(run->request->self, line);
}

static void peer_end(struct peer *peer)
{
    struct fault fault = {0};
    int status;

    scope_close(
        &peer->control); /* its end of file: the role ends by itself, with its last records */
    if (peer->process.pid > 0 && !process_wait(&peer->process, 5000, &status, &fault))
        process_kill(&peer->process);
}

static void peer_kill(struct peer *peer)
{
    process_kill(&peer->process);
    scope_close(&peer->control);
}

/*
 * The run is over, and what asked for its end is answered. What is said of it now may meet a
 * reader that does not read: a signal must end that.
 */
static void give_signals_back(struct run *run)
{
    if (run->signals < 0)
        return;
    while (run_signal(run) != 0)
        continue;
    (void)sigprocmask(SIG_SETMASK, &run->signals_before, NULL);
    scope_close(&run->signals);
}

/* One teardown for every way a run can end. */
static void teardown(struct run *run)
{
    struct fault fault = {0};
    AUTO_CLOSE int runs = -1;
    int *fds[] = {&run->snapshot_fd, &run->content_fd, &run->cache_fd,    &run->upper_fd,
                  &run->git_fd,      &run->objects_fd, &run->engine_fd,   &run->agent_in,
                  &run->agent_err,   &run->uid_lock,   &run->agent_fd,    &run->seen,
                  &run->cell_proc,   &run->plain_fd,   &run->identity_fd, &run->to_egress,
                  &run->served};

    if (!cell_end(run->cell, &fault))
        run_say(run, "warning: %s", fault.why);
    core_disk_end(run);
    peer_end(&run->door);
    peer_end(&run->egress);
    peer_end(&run->dialer);
    peer_end(&run->gateway);
    /* The warden has done it; where it was killed, nobody else will. */
    if (run->shared.view != NULL && !cell_unmount(run->shared.view, &fault))
        run_say(run, "warning: %s", fault.why);
    core_shared_close(run);
    peer_kill(&run->view);
    peer_kill(&run->guard);
    peer_kill(&run->observer);
    core_build_cache_close(run);
    toolchain_free(&run->toolchain);
    collect_stop(run->collect);
    if (run->agent_out != run->agent_in)
        scope_close(&run->agent_out);
    for (size_t i = 0; i < COUNT(fds); i++)
        scope_close(fds[i]);
    for (size_t i = 0; i < SCRATCH_MAX; i++)
        scope_close(&run->scratch_fds[i]);
    for (size_t i = 0; i < COUNT(run->lister); i++)
        scope_close(&run->lister[i]);
    scope_close(&run->folder_fd);
    if (run->folder != NULL &&
        (!file_open_folder(run->session->home.fd, "runs", 0711, &runs, &fault) ||
         !run_folder_remove(runs, run->result->run, &fault)))
        run_say(run, "warning: %s; `custody runs gc` removes it", fault.why);
    scope_close(&run->lock);
    engine_launch_free(&run->launch);
    engine_installed_free(&run->installed);
    engine_free(run->engine);
    policy_free(run->policy);
    policy_settings_free(run->narrowing);
    buf_free(&run->base.settings);
    free(run->models);
    servers_free(&run->servers);
    free(run->fallback);
    free(run->role_there);
    free(run->requester);
    free(run->prompt);
    free(run->title);
    free(run->own_program);
    free(run->folder);
    buf_free(&run->ticket);
    buf_free(&run->trusted);
    core_seal_forget(run);
    core_output_free(&run->output);
    scope_close(&run->sealer.folder);
    explicit_bzero(run->key, sizeof(run->key));
    give_signals_back(run);
}

/* From now on a signal ends the run in order: the cell first, then the record. */
static bool take_signals(struct run *run, struct fault *fault)
{
    static const int wanted[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGCONT};
    sigset_t set;

    (void)sigemptyset(&set);
    for (size_t i = 0; i < COUNT(wanted); i++)
        (void)sigaddset(&set, wanted[i]);
    (void)signal(SIGPIPE, SIG_IGN);
    if (sigprocmask(SIG_BLOCK, &set, &run->signals_before) < 0)
        return fault_errno(fault, "hold signals back");
    run->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return run->signals >= 0 ? true : fault_errno(fault, "watch for signals");
}

int run_signal(struct run *run)
{
    struct signalfd_siginfo info;

    if (run->signals < 0 || read(run->signals, &info, sizeof(info)) != sizeof(info))
        return 0;
    return (int)info.ssi_signo;
}

bool run_signal_ends(int number)
{
    return number != SIGWINCH && number != SIGCONT;
}

bool run_is_stopped(struct run *run)
{
    int number;

    while (run->stop_signal == 0 && (number = run_signal(run)) != 0)
        if (run_signal_ends(number))
            run->stop_signal = number;
    return run->stop_signal != 0;
}

static bool begin(struct run *run, struct fault *fault)
{
    uint8_t random[8];

    run->begun_us = clock_monotonic_us(&clock_real);
    run->begun_wall_us = clock_now_us(&clock_real);
    if (getrandom(run->key, sizeof(run->key), 0) != sizeof(run->key) ||
        getrandom(run->lines_key, sizeof(run->lines_key), 0) != sizeof(run->lines_key) ||
        getrandom(random, sizeof(random), 0) != sizeof(random))
        return fault_errno(fault, "draw random bytes");
    memcpy(&run->random, random, sizeof(random));
    store_id('r', run->begun_wall_us, random, run->result->run);
    if (!take_signals(run, fault))
        return false;
    core_prepare_early(run);
    if (!session_ledger(run->session, &run->ledger, fault))
        return run_because(run, "ledger");
    return session_store(run->session, &run->store, fault) || run_because(run, "state-folder");
}

/* What `custody run` exits with; DESIGN.md section 6. */
static int exit_code(const struct run *run, bool ok, const struct fault *fault)
{
    static const int codes[RUN_STATE_COUNT] = {
        [RUN_READY] = 0,   [RUN_BLOCKED] = 1,   [RUN_REFUSED] = 1,   [RUN_EMPTY] = 2,
        [RUN_FAILED] = 2,  [RUN_STOPPED] = 2,   [RUN_PREPARING] = 2, [RUN_ENFORCING] = 2,
        [RUN_WORKING] = 2, [RUN_COLLECTING] = 2};

    if (run->stop_signal != 0)
        return 128 + run->stop_signal;
    if (!ok && (!run->started || run->result->state == RUN_REFUSED))
        return fault_exit_code(fault->kind);
    if (run->timed_out || (run->started && run->result->agent_exit != 0))
        return 2;
    return codes[run->result->state];
}

/* Where the fault stopped the story decides what the run is called. */
static void end_state(struct run *run, const struct fault *fault)
{
    struct fault unsaid = {0};
    enum run_event event = run->stop_signal != 0 ? RUN_EVENT_STOPPED
                           : fault->kind == FAULT_DENIED || fault->kind == FAULT_HOST ||
                                   fault->kind == FAULT_INVALID
                               ? RUN_EVENT_REFUSED
                               : RUN_EVENT_FAILED;

    if (run_state_is_final(run->result->state))
        return;
    if (!run_step(&run->result->state, event, &unsaid) &&
        !run_step(&run->result->state, RUN_EVENT_FAILED, &unsaid))
        run->result->state = RUN_FAILED;
}

static void put_ended(struct run *run, const struct gateway_totals *totals)
{
    AUTO_BUF struct buf reasons = buf_with_limit(2048);
    AUTO_FREE char *asked_for = xstrdup(run->request->repository); /* any bytes */
    struct fault unsaid = {0};
    struct store_run row = {.id = run->result->run,
                            .repository =
                                run->collect == NULL ? asked_for : collect_root(run->collect),
                            .base = run->base.commit,
                            .branch = run->base.branch,
                            .state = run_state_name(run->result->state),
                            .started_us = run->begun_wall_us,
                            .ended_us = clock_now_us(&clock_real),
                            .requester = run->requester == NULL ? "" : run->requester,
                            .agent = run->agent,
                            .policy = run->policy == NULL ? "" : run->policy->digest,
                            .tokens = totals->tokens_in + totals->tokens_out,
                            .cost_micro_usd = totals->cost_micro_usd};
    bool ok = true;

    utf8_tame(asked_for);
    for (size_t i = 0; ok && i < run->result->reason_count; i++)
        ok = buf_add_format(&reasons, &unsaid, "%s%s", i == 0 ? "" : " ",
                            run->result->reasons[i]);
    row.reasons = buf_text(&reasons);
    if (!store_put_run(run->store, &row, &unsaid))
        run_say(run, "warning: %s", unsaid.why);
}

static bool stopped(struct run *run, struct fault *fault)
{
    if (!run_is_stopped(run))
        return false;
    (void)fault_set(fault, FAULT_IO, "stopped by signal %d; nothing was kept",
                    run->stop_signal);
    return !run_because(run, "stopped");
}

static bool story(struct run *run, struct fault *fault)
{
    enum run_state *state = &run->result->state;
    struct fault unsaid = {0};
    bool worked, ended;

    if (!core_prepare(run, fault) || stopped(run, fault) ||
        !run_step(state, RUN_EVENT_PREPARED, fault))
        return false;
    if (!core_enforce(run, fault) || stopped(run, fault) ||
        !run_step(state, RUN_EVENT_ENFORCED, fault))
        return false;
    run_say(run, "%s: %s in a sealed cell, %s", run->result->run, run->agent,
            run->result->cold ? "first run on this commit" : "warm start");
    worked = core_work(run, fault);
    ended = cell_end(run->cell, worked ? fault : &unsaid);
    run->cell = NULL;
    if (!ended)
        (void)run_because(run, "cell");
    if (!worked || !ended)
        return false;
    if (stopped(run, fault))
        return false;
    return run_step(state, RUN_EVENT_AGENT_ENDED, fault) && core_gather(run, fault);
}

/* The agent was told as little as its client understands; a person wants to know where to
 * look. */
static void say_calls(const struct run *run, const struct gateway_totals *totals)
{
    const struct gateway_model *model = &run->models[run->model];

    if (totals->failed > 0)
        run_say(
            run,
            "%llu of %llu calls of a model failed; the run's model is %s, %s: `custody log "
            "--run %s --type model.outcome` has the reason of each",
            (unsigned long long)totals->failed, (unsigned long long)totals->calls, model->name,
            model->url, run->result->run);
    if (totals->refused > 0)
        run_say(run,
                "%llu calls of a model were refused before they left: `custody log --run %s "
                "--type refused` has the reason of each",
                (unsigned long long)totals->refused, run->result->run);
    if (totals->visits_failed > 0)
        run_say(run,
                "%llu of %llu requests to tool servers failed: `custody log --run %s --type "
                "mcp.outcome` has the reason of each",
                (unsigned long long)totals->visits_failed, (unsigned long long)totals->visits,
                run->result->run);
}

bool core_run(struct session *session, const struct run_request *request,
              struct run_result *ret_result, struct fault *fault)
{
    struct run run = {
        .session = session,
        .request = request,
        .result = ret_result,
        .folder_fd = -1,
        .agent_fd = -1,
        .signals = -1,
        .lock = -1,
        .uid_lock = -1,
        .cache_fd = -1,
        .snapshot_fd = -1,
        .content_fd = -1,
        .upper_fd = -1,
        .plain_fd = -1,
        .identity_fd = -1,
        .lister = {-1, -1},
        .toolchain = {.hold = -1},
        .build_cache = {.folder_fd = -1, .data_fd = -1, .lock = -1},
        .git_fd = -1,
        .objects_fd = -1,
        .engine_fd = -1,
        .sealer.folder = -1,
        .ticket = buf_with_limit(PROMPT_TICKET_BYTES_MAX),
        .agent_in = -1,
        .shared = {.home_fd = -1, .tmp_fd = -1, .door = {-1, -1}, .opener = {-1, -1}},
        .agent_out = -1,
        .agent_err = -1,
        .seen = -1,
        .served = -1,
        .output.fd = -1,
        .cell_proc = -1,
        .guard.control = -1,
        .observer.control = -1,
        .view.control = -1,
        .door.control = -1,
        .gateway.control = -1,
        .egress.control = -1,
        .dialer.control = -1,
        .egress.process.pid = -1,
        .dialer.process.pid = -1,
        .to_egress = -1,
        .trusted = buf_with_limit(4 * 1024 * 1024),
        .view.process.pid = -1,
        .door.process.pid = -1,
        .gateway.process.pid = -1};
    struct gateway_totals totals = {0};
    struct fault unsaid = {0};
    bool ok;

    *ret_result = (struct run_result){.state = RUN_PREPARING, .agent_exit = -1};
    for (size_t i = 0; i < SCRATCH_MAX; i++)
        run.scratch_fds[i] = -1;
    if (!begin(&run, fault)) {
        end_state(&run, fault);
        ret_result->exit_code = fault_exit_code(fault->kind);
        teardown(&run);
        return false;
    }
    ok = story(&run, fault);
    if (!ok && run_is_stopped(&run)) /* what failed, failed because of it */
        (void)run_because(&run, "stopped");
    end_state(&run, fault);
    /* Before the agent's start nobody can have called a model. */
    if (run.started && !gateway_role_totals(run.gateway.control, 5000, &totals, &unsaid))
        run_say(&run, "warning: no totals from the gateway: %s", unsaid.why);
    else if (run.started)
        say_calls(&run, &totals);
    /* The roles write their last records before core writes the run's. */
    peer_end(&run.door);
    peer_end(&run.egress);
    peer_end(&run.gateway);
    peer_end(&run.guard);
    if (!core_seal_output(&run, ok ? fault : &unsaid)) {
        (void)run_because(&run, "record-missing");
        ok = false;
    }
    ret_result->exit_code = exit_code(&run, ok, fault);
    if (!core_record_ended(&run, &totals, ok ? fault : &unsaid)) {
        (void)run_because(&run, "record-missing");
        ret_result->exit_code = 2;
        ok = false;
    }
    put_ended(&run, &totals);
    teardown(&run);
    return ok;
}
